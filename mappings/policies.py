"""What a company decides once: when a feed is not believed, when a human is asked, what leaving and leave mean."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mappings.words import OneOrMore, Words


class Limit(Words):
    """So many, or so many per cent, whichever is more: a company of 20 and one of 20,000 read it alike."""

    count: int = Field(ge=0)
    percent: float = Field(ge=0, le=100)

    def allows(self, number: int, of: int) -> bool:
        """Whether `number` of `of` is within the limit."""
        return number <= self.most(of)

    def most(self, of: int) -> int:
        """How many of `of` are allowed."""
        return max(self.count, int(of * self.percent / 100 + 1e-9))  # 29 % of 100 is 28.999… in floating point


class Trust(Words):
    """company.yaml, `trust`: how much one feed may differ from the last good one before it is not believed."""

    vanished: Limit = Limit(count=2, percent=5)
    """People of the last feed who are not in this one. Within it they are held one by one; above it nobody is moved."""
    leavers: Limit = Limit(count=5, percent=10)
    """People who would work here now by the last feed and do not by this one."""
    emptied: Limit = Limit(count=3, percent=5)
    """People who lost their value in one column, of those who had one."""
    changed: Limit = Limit(count=8, percent=50)
    """People whose value in one column is another one."""
    identity: Limit = Limit(count=3, percent=10)
    """The same for a name, the work address and the hire date, which hardly ever change."""
    held: Limit = Limit(count=3, percent=25)
    """People whose rows cannot be used."""
    new: Limit = Limit(count=10, percent=50)
    """People whom nobody has heard of before."""
    old: Limit = Limit(count=2, percent=0)
    """People of whom a file says again, to the letter, what an older one said. Within it they are held one by one."""


class BlastRadius(Words):
    """company.yaml, `blast_radius`: how much one sync may do before it waits for a human. Counted in people."""

    leavers: Limit = Limit(count=3, percent=3)
    disables: Limit = Limit(count=3, percent=5)
    """People who stay and lose an account in an app."""
    deletes: Limit = Limit(count=3, percent=3)
    """People who lose an account for good, leavers among them."""
    removals: Limit = Limit(count=10, percent=10)
    """People who lose an entitlement but not the account."""
    changes: Limit = Limit(count=20, percent=50)
    """People who lose nothing and whose accounts' attributes change."""
    approver: str = ""
    """Who is told that a batch waits."""
    expires_days: int = Field(default=3, ge=1)
    """Then the batch is given up; what is still due comes up again at the next sync."""


class Contractors(Words):
    """company.yaml, `contractors`: people who need an end date and, where there is an approver, an approval."""

    types: OneOrMore = ("contractor",)
    """Worker types."""
    approver: str = ""
    """Who approves a contractor's access before any is given; nobody where it is empty."""
    end_date: Literal["required", "optional"] = "required"
    remind_days: int = Field(default=14, ge=0)
    """Days before the last day at which the manager is reminded."""
    expires_days: int = Field(default=14, ge=1)
    """Then the approval counts as refused."""


class Correlation(Words):
    """company.yaml, `correlation`: when a new HR record is a human whom an older record meant."""

    keys: OneOrMore = ("work_email",)
    """Attributes that are one human's alone; an equal value links."""
    probable: Literal["hold", "flag", "off"] = "hold"
    """What becomes of a new record that looks like an old one: it waits for an answer, or goes on as somebody new."""
    alike: float = Field(default=90, ge=50, le=100)
    """Names are alike from this many of 100 on."""
    bridge_days: int = Field(default=5, ge=0)
    """Days between two records of one human through which access is kept."""


class Leaving(Words):
    """apps/<name>.yaml, `leaving`: what becomes of a leaver's things, besides the account itself."""

    hand_over: str = ""
    """Who gets what the leaver owns: `manager`, or an account's key; nobody where it is empty."""
    hand_over_first: bool = False
    """Whether it must be done before the account is disabled (Slack workflows, …)."""
    licences: OneOrMore = ()
    """Entitlements that go last, after the hand-over: a mailbox goes with its licence."""
    delete_after_days: int | None = Field(default=None, ge=1)
    """Days after the account was disabled at which it is deleted; never where it is left out."""
    disable_deletes: bool = False
    """Whether the app's `disable` loses the account for good; it is then treated as a delete."""


class ShadowSource(Words):
    """shadow/<name>.yaml: a table that shows who uses which app that Rollcall does not manage."""

    title: str
    path: str
    """A CSV file, relative to the mappings folder, or `${NAME}`."""
    person: str
    """The column with the person's work e-mail or employee_id."""
    app: str
    """The column with the app's or merchant's name."""
    seen: str = ""
    """The column with the day of the use; left out: the table has none."""
    dates: OneOrMore = ("%Y-%m-%d",)
    """Date formats (strptime) of `seen`, tried in order."""
    ignore: tuple[str, ...] = ()
    """Names that are no apps."""
    owner: str
    """Who gets the manual task when somebody leaves."""
    instructions: str = "End {work_email}'s access to {app}, or say why there is none."
    """With places for a person's attributes and {app}."""
