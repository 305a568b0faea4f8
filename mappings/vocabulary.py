"""The closed vocabulary of a mappings folder: one model per kind of file. `${NAME}` stands for a variable
of the environment, `{attribute}` for a value of the person."""

from __future__ import annotations

import re
from datetime import time
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from mappings.people import COLUMNS, EXTRA, TEXT_COLUMNS
from mappings.policies import BlastRadius, Contractors, Correlation, Leaving, Trust
from mappings.words import OneOrMore, Words, as_list, suggest

DERIVED = ("display_name", "user_name", "manager_email", "former_email")
"""Attributes that Rollcall works out and templates may use besides those of a Person."""


VERBS = (
    "create",
    "enable",
    "update",
    "grant",
    "revoke",
    "disable",
    "end_sessions",
    "revoke_tokens",
    "hand_over",
    "delete",
)
READING = ("check", "accounts", "find", "read", "entitlements", "tokens", "owned")
"""Verbs that change nothing."""

PLACE = re.compile(r"\{([^{}]*)\}")


def one_of(known: tuple[str, ...], what: str, extras: bool = True) -> AfterValidator:
    """Refuses a word that is neither known nor, where `extras` count, a named extra."""

    def check(word: str) -> str:
        if word not in known and not (extras and word.startswith(EXTRA)):
            raise ValueError(
                f"unknown {what} {word!r}; {suggest(word, (*known, EXTRA + '<name>') if extras else known)}"
            )
        return word

    return AfterValidator(check)


def filled_from(known: tuple[str, ...]) -> AfterValidator:
    """Refuses a template with a place for a word that is neither known nor a named extra, or with a lone brace."""

    def check(template: str) -> str:
        for name in PLACE.findall(template):
            if name not in known and not name.startswith(EXTRA):
                raise ValueError(f"unknown attribute {{{name}}}; {suggest(name, (*known, EXTRA + '<name>'))}")
        if "{" in PLACE.sub("", template) or "}" in PLACE.sub("", template):
            raise ValueError("a brace stands alone; a place is written {attribute}")
        return template

    return AfterValidator(check)


Attribute = Annotated[str, one_of(COLUMNS, "attribute")]
"""Name of a Person's attribute, or `extra.<name>`."""
Condition = Annotated[str, one_of(TEXT_COLUMNS, "attribute")]
"""Name of an attribute that has a word as its value: not of a date."""
Template = Annotated[str, filled_from((*COLUMNS, *DERIVED))]
"""Text with `{attribute}` in it."""
PlainTemplate = Annotated[str, filled_from(COLUMNS)]
"""Text with `{attribute}` in it, of those that HR itself has."""
Verbs = Annotated[str, one_of(VERBS, "verb", extras=False)]
"""What people may be asked to do at an app."""
Doings = Annotated[str, one_of((*VERBS, *READING, "all"), "verb", extras=False)]
"""What a machine may do at an app; `all` is whatever its connector can."""


def compiles(text: str) -> str:
    """Refuses what is no regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


Expression = Annotated[str, AfterValidator(compiles)]
PlainTemplates = Annotated[tuple[PlainTemplate, ...], BeforeValidator(as_list)]


class Tier(StrEnum):
    """When an app's turn comes: sso, then idp, then app."""

    SSO = "sso"
    IDP = "idp"
    APP = "app"


class Location(Words):
    """A place of work and its day."""

    time_zone: str
    """IANA name."""
    country: str | None = None
    start_of_day: time = time(8)
    """Local time at which joiners begin."""
    cut_off: time = time(18)
    """Local time on the last day at which leavers end."""
    calendar: str = ""
    """Whose public holidays are no working days: a country, or a country and its part (`DE`, `DE-BE`, `NZ-AUK`)."""


class Emails(Words):
    """How a work e-mail is made where HR has none."""

    domain: str
    pattern: PlainTemplates = ("{given_name}.{family_name}",)
    """Tried in order; after the last one a number is added."""
    reserved: tuple[str, ...] = ()
    """Local parts nobody may have (admin, info, …)."""
    on_name_change: Literal["keep", "new_address"] = "keep"
    """Whether somebody whose name changed gets a new address; the old one stays theirs, as an alias."""
    user_name: Literal["stays", "follows_address"] = "follows_address"
    """Whether `{user_name}` is that of the first address for good, or of the present one."""


class Company(Words):
    """company.yaml: what holds for everybody."""

    name: str
    hr: str
    """The file under hr/ that is the source of truth."""
    time_zone: str = "UTC"
    locations: dict[str, Location] = Field(default_factory=dict)
    email: Emails
    worker_types: tuple[str, ...] = ("employee", "contractor", "intern", "external")
    prehire_days: int = Field(default=0, ge=0)
    """Working days at the person's location before the hire date, from which accounts are prepared."""
    trust: Trust = Trust()
    blast_radius: BlastRadius = BlastRadius()
    contractors: Contractors = Contractors()
    correlation: Correlation = Correlation()


class History(Words):
    """A source with one row per stint (in a department, a job) instead of one per person."""

    since: str = Field(alias="from")
    """The column with a stint's first day."""
    until: str = Field(alias="to")
    """The column with its last day, empty while it lasts."""
    last_day: bool = False
    """Whether the end of a person's last stint is their last day of work."""


class Limits(Words):
    """A published rate limit, of an app or of an HR system."""

    requests: int = Field(gt=0)
    per: Literal["second", "minute", "hour"] = "minute"
    burst: int | None = Field(default=None, gt=0)
    """How many may come at once, where that is fewer."""
    calls: Expression = ""
    """Which calls count, as a regular expression on `VERB /path`; left out: all."""


OneOrMoreLimits = Annotated[tuple[Limits, ...], BeforeValidator(as_list)]


class HrSource(Words):
    """hr/<name>.yaml: how an HR system's fields become a Person's."""

    connector: str
    """A file under connectors/hr: csv, bamboohr, …"""
    fields: dict[Attribute, str]
    """Person attribute (or `extra.<name>`) -> the source's field name."""
    values: dict[Attribute, dict[str, str]] = Field(default_factory=dict)
    """Person attribute -> the source's word -> ours; words not listed pass as they are."""
    defaults: dict[Attribute, str] = Field(default_factory=dict)
    """Person attribute -> value where the source has none."""
    dates: OneOrMore = ("%Y-%m-%d",)
    """Date formats (strptime), tried in order."""
    nulls: tuple[str, ...] = ("",)
    """Words that mean `nothing`, compared without case and surrounding blanks."""
    history: History | None = None
    """Where the source has one row per stint: `{from: StartDate, to: EndDate}`."""
    write_back: tuple[Literal["work_email"], ...] = ()
    """What Rollcall may write to HR."""
    limits: OneOrMoreLimits = ()
    """The vendor's published rate limits; all workers keep them together."""
    full: Literal["always", "weekly"] = "always"
    """How often the daily sync reads everybody; with `weekly`, on other days those who changed, where HR tells who. A
    record that is gone, and with most vendors a change entered with a date to come, is then seen up to a week late."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The connector's own settings, checked by the connector."""

    @field_validator("fields")
    @classmethod
    def fields_are_enough(cls, fields: dict[str, str]) -> dict[str, str]:
        if missing := {"employee_id", "given_name", "family_name", "hire_date"} - set(fields):
            raise ValueError(f"lacks {', '.join(sorted(missing))}")
        return fields

    @model_validator(mode="after")
    def end_is_no_last_day(self) -> HrSource:
        if self.history and self.fields.get("last_day") == self.history.until:
            raise ValueError(
                "the end of a stint is no last day; take 'last_day' out of fields, say history.last_day: true"
            )
        return self


class AppRules(Words):
    """apps/<name>.yaml: an app, how it is reached and what an account looks like there."""

    title: str
    """The name people use."""
    tier: Tier
    connector: str
    """scim, rest, manual, or a file under connectors/apps."""
    needs: tuple[str, ...] = ()
    """Further apps whose steps come first."""
    attributes: dict[str, Template] = Field(default_factory=dict)
    """The app's field (dotted when nested) -> template, e.g. `{work_email}`."""
    key: str = "userName"
    """Which of the attributes the app finds an account by."""
    entitlements: tuple[str, ...] | None = None
    """Names the app can grant; left out means any name (groups made by the company)."""
    leaver: Literal["disable", "delete", "keep"] = "disable"
    leaving: Leaving = Leaving()
    leave: Literal["keep", "suspend"] = "keep"
    """What a leave of absence does to the account; coming back restores it."""
    drift: Literal["put_back", "report"] = "report"
    """What `reconcile` does with access that no rule, grant or override explains, and with values changed by hand."""
    owner: str
    """Who gets the manual tasks: an address or a team's name."""
    instructions: dict[Verbs, str] = Field(default_factory=dict)
    """For manual tasks: verb -> what to do, as a template."""
    limits: OneOrMoreLimits = ()
    """The app's published rate limits; all workers keep them together."""
    permissions: dict[str, Annotated[tuple[Doings, ...], BeforeValidator(as_list)]] = Field(default_factory=dict)
    """What must be granted to Rollcall there, in the vendor's words -> the verbs that need it."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The connector's own settings (url, auth, paths, …), checked by the connector."""

    @model_validator(mode="after")
    def key_is_an_attribute(self) -> AppRules:
        if self.attributes and self.key not in self.attributes:
            raise ValueError(f"key {self.key!r} is not one of attributes: {', '.join(self.attributes)}")
        return self


class Playbook(Words):
    """playbooks/<name>.yaml: who gets what, named as people name it."""

    title: str
    who: dict[Condition, OneOrMore] = Field(default_factory=dict)
    """Person attribute -> the value or values that match; all must. Empty means everybody."""
    unless: dict[Condition, OneOrMore] = Field(default_factory=dict)
    """As `who`: people matching all of it are left out."""
    give: tuple[PlainTemplate, ...]
    """`app` for an account, `app:entitlement` (which implies the account); `{attribute}` may stand in the name."""
    grace_days: int = Field(default=0, ge=0)
    """Days for which somebody who moves on keeps what this playbook gave."""
    approver: str = ""
    """Who must approve what this playbook gives, each time; nobody where it is empty."""
