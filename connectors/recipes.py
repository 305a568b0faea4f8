"""The words under `options` of an app with `connector: browser`: what a person would do on its pages, step by step.

A step has one verb and what it is about; a thing on a page is named as a person finds it (`{button: Save}`,
`{label: E-mail}`). `{places}` are filled with the account's attributes, `{key}`, `{id}`, `{entitlement}` and
`{random}`, a password made up for one call and forgotten; at the login with `{user}`, `{password}`, `{totp}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, model_validator

from mappings.words import OneOrMore, Words, as_list

PLACE = re.compile(r"\{([\w.]+)\}")
ROLES = (
    *("alert", "button", "cell", "checkbox", "combobox", "dialog", "heading", "img", "link", "listbox", "menuitem"),
    *("option", "radio", "searchbox", "spinbutton", "status", "switch", "tab", "textbox"),
)
"""Roles that have a word of their own: `{button: Save}` is `{role: button, name: Save}`."""
HOLDERS = ("row", "listitem", "article")
"""Roles whose word takes a text that something inside reads exactly: `{row: "{key}"}`."""
OTHERS = ("label", "placeholder", "term", "text", "title", "alt", "test_id", "css", "role")


class Target(Words):
    """One thing on a page, found in exactly one way; the rest narrows it down. A text alone means `{text: …}`."""

    role: str | None = None
    """An ARIA role, for those without a word of their own."""
    name: str | None = None
    """With `role`: what the thing is called."""
    alert: str | None = None
    button: str | None = None
    cell: str | None = None
    checkbox: str | None = None
    combobox: str | None = None
    dialog: str | None = None
    heading: str | None = None
    img: str | None = None
    link: str | None = None
    listbox: str | None = None
    menuitem: str | None = None
    option: str | None = None
    radio: str | None = None
    searchbox: str | None = None
    spinbutton: str | None = None
    status: str | None = None
    switch: str | None = None
    tab: str | None = None
    textbox: str | None = None
    row: str | None = None
    """The row in which something reads exactly this, without case."""
    listitem: str | None = None
    article: str | None = None
    label: str | None = None
    placeholder: str | None = None
    term: str | None = None
    """What stands beside this term in a list of terms (`<dl>`), or in a table of them."""
    text: str | None = None
    title: str | None = None
    alt: str | None = None
    test_id: str | None = None
    """`data-testid`."""
    css: str | None = None
    """A CSS selector: the last resort, since it breaks when the page is built anew."""
    exact: bool = False
    """Whether the whole name must be this, with case. Otherwise whole words of it will do, but an exact match wins."""
    within: Target | None = None
    """The part of the page it is in: a row, a section, a dialog."""
    having: str | None = None
    """Only one inside which something reads exactly this."""
    nth: int | None = Field(default=None, ge=1)
    """Which of several, counted from 1."""
    frame: Target | None = None
    """The iframe it is in."""

    @model_validator(mode="before")
    @classmethod
    def text_alone(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def one_way(self) -> Target:
        if len(self.ways()) != 1:
            given = ", ".join(self.ways()) or "nothing"
            raise ValueError(f"name the thing in exactly one way ({given} given): {', '.join(self.known_ways())}")
        if self.name is not None and self.role is None:
            raise ValueError("`name` goes with `role`")
        return self

    @classmethod
    def known_ways(cls) -> tuple[str, ...]:
        """Words of which a thing takes one."""
        return (*ROLES, *HOLDERS, *OTHERS)

    def ways(self) -> list[str]:
        """The words of `known_ways` that are given."""
        return [word for word in self.known_ways() if getattr(self, word) not in (None, False)]

    def __str__(self) -> str:
        """`button 'Save'`, as messages name it."""
        word = self.ways()[0]
        told = f"{self.role} {self.name!r}" if word == "role" else f"{word} {getattr(self, word)!r}"
        return f"{told} within {self.within}" if self.within else told


Targets = Annotated[tuple[Target, ...], BeforeValidator(as_list)]


class Step(Words):
    """One thing to do: exactly one of open, click, fill, select, check, uncheck, press, upload, expect, gone, at, when,
    first_tab."""

    open: str | None = None
    """A path below `url`, or a whole address."""
    click: Target | None = None
    fill: Target | None = None
    """A field, of whatever kind: text is typed, `true` checks a box, an option is chosen by its name."""
    select: Target | None = None
    """A list to choose from."""
    check: Target | None = None
    uncheck: Target | None = None
    press: str | None = None
    """A key: Enter, Escape, Control+a."""
    upload: Target | None = None
    """A file field."""
    expect: Target | None = None
    """Wait until it is shown."""
    gone: Target | None = None
    """Wait until it is not shown."""
    at: str | None = None
    """Wait until the page's address is this path; `*` stands for anything."""
    when: Target | None = None
    """Do `then` only if this is shown; `or` is what is shown otherwise."""
    first_tab: bool | None = None
    """Close the tabs that clicks have opened."""
    with_: str | None = Field(default=None, alias="with")
    """What to fill in; the text of the file to upload."""
    choose: OneOrMore = Field(default=(), alias="option")
    """Names of the options to select."""
    on: Target | None = None
    """Where to press the key; left out: where the cursor is."""
    reads: str | None = None
    """What the thing expected must read: its text, value, or `true` and `false` for a box."""
    confirm: bool | str | None = None
    """Say yes to the box that the browser shows; a text must be in it."""
    tab: bool = False
    """Whether the click opens a new tab, in which the next steps are."""
    or_: Target | None = Field(default=None, alias="or")
    then: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def one_verb(self) -> Step:
        given = [verb for verb in VERBS if getattr(self, verb) is not None]
        if len(given) != 1:
            raise ValueError(f"a step has exactly one of {', '.join(VERBS)} ({', '.join(given) or 'none'} given)")
        for word, verbs in BELONGS.items():
            if getattr(self, word) not in (None, (), False) and given[0] not in verbs:
                raise ValueError(f"{shown(word)!r} goes with {' or '.join(verbs)}, not with {given[0]}")
        for word in NEEDS.get(given[0], ()):
            if getattr(self, word) in (None, ()):
                raise ValueError(f"{given[0]} needs {shown(word)!r}")
        return self

    @property
    def verb(self) -> str:
        return next(verb for verb in VERBS if getattr(self, verb) is not None)

    def __str__(self) -> str:
        about = getattr(self, self.verb)
        return f"{self.verb} {about!r}" if isinstance(about, str) else f"{self.verb} {about}"


VERBS = (
    *("open", "click", "fill", "select", "check", "uncheck", "press", "upload"),
    *("expect", "gone", "at", "when", "first_tab"),
)
BELONGS = {
    "with_": ("fill", "upload"),
    "choose": ("select",),
    "on": ("press",),
    "reads": ("expect",),
    "confirm": ("click", "press"),
    "tab": ("click",),
    "or_": ("when",),
    "then": ("when",),
}
"""Word -> the verbs that it may stand with."""
NEEDS = {"fill": ("with_",), "upload": ("with_",), "select": ("choose",), "when": ("or_", "then")}
SETS = ("fill", "select", "upload", "check", "uncheck")
"""Verbs that set a field: in `update` they are left out where they name an attribute that is not to be changed."""
Steps = tuple[Step, ...]


def shown(word: str) -> str:
    """A field's word in the YAML."""
    return Step.model_fields[word].alias or word


class Reading(Target):
    """Something that a page tells: a field's value, a box's `true` or `false`, otherwise a text."""

    column: str | None = None
    """In a list: the cell under this heading, or with this number, counted from 1."""
    url: str | None = None
    """Out of the page's own address: `/users/{}/edit`."""
    attribute: str | None = None
    """An attribute instead of the text: `href` of a link, `src`, `data-id`."""
    like: str | None = None
    """The part of it that stands at `{}` in this text: `/users/{}/edit`."""
    split: str | None = None
    """What separates several values in one text."""
    chosen: bool = False
    """Of a list to choose from, only what is chosen; otherwise all that is in it."""

    @classmethod
    def known_ways(cls) -> tuple[str, ...]:
        return (*super().known_ways(), "column", "url")

    @model_validator(mode="after")
    def one_gap(self) -> Reading:
        for template in (self.like, self.url):
            if template is not None and template.count("{}") != 1:
                raise ValueError("write {} once, where the value stands")
        return self


class State(Reading):
    """How an account is seen to be active. Without more: a box that is checked."""

    is_: OneOrMore = Field(default=("true",), alias="is")
    """What it reads of an active account, without case."""
    shown: bool = False
    """Whether it is enough that it is there, such as the button that deactivates."""


class Way(Words):
    """How to get to a page."""

    open: str | None = None
    """The path; or `steps`."""
    steps: Steps = ()

    def all(self) -> Steps:
        """The whole way as steps."""
        return (*((Step(open=self.open),) if self.open else ()), *self.steps)


class AccountList(Way):
    """A page, or several, with all accounts."""

    rows: Target = Target(role="row")
    """The rows; those that only hold headings do not count."""
    empty: Target | None = None
    """What is shown where there are none: no proof of absence without it. Needed unless there is a `download`."""
    fields: dict[str, Reading]
    """Attribute -> where a row has it; at least the key."""
    id: Reading | None = None
    """Where a row has the account's id; left out: the key is the id."""
    active: State | None = None
    """Left out: all are active, but those that `inactive` lists."""
    inactive: Way | None = None
    """A way to a list of only those that are not active, where the rows do not tell."""
    held: Reading | None = None
    """Where a row has the entitlements."""
    next: Target | None = None
    """What leads to the next page; it is not there, or disabled, on the last one."""
    total: Reading | None = None
    """Where the number of all is stated."""
    download: Target | None = None
    """What gives the list as a CSV file, whose columns `fields` name."""

    @model_validator(mode="after")
    def empty_is_known(self) -> AccountList:
        if self.empty is None and self.download is None:
            raise ValueError("say what is shown where the list is empty (`empty`), or give a `download`")
        return self


class AccountPage(Way):
    """The page of one account: `{id}`, which is `{key}` in an app without ids."""

    missing: Targets = ()
    """What is shown where there is no such account; 404 means it anyway."""
    fields: dict[str, Reading]
    active: State | None = None
    """Left out: whoever has an account is active."""


class Held(Way):
    """Where the entitlements of `{id}` are read: on the account's page where no way is given."""

    names: Reading


class Names(Way):
    """A page with all entitlements."""

    names: Reading


class Access(Words):
    """Groups, roles or teams, by the names that the pages show."""

    held: Held
    list: Names | None = None
    grant: Steps
    """With `{id}`, `{key}` and `{entitlement}`."""
    revoke: Steps


class Login(Words):
    """How to sign in: with steps, or with a session that a person has saved."""

    page: str
    """Path of the login page. Being sent there means that the session has ended."""
    shown: Target | None = None
    """What shows the login where it has no address of its own."""
    user: str = ""
    password: SecretStr = SecretStr("")
    totp: SecretStr = SecretStr("")
    """The seed of one-time codes, as shown when they were set up, or the whole otpauth:// address."""
    steps: Steps = ()
    """From the login page on. None: the session comes from `rollcall app record APP --session`."""
    hosts: OneOrMore = ()
    """Further hosts that secrets may be typed at, such as an identity provider's."""


class Options(Words):
    """An app driven by a browser."""

    url: str
    """The base of all paths."""
    login: Login | None = None
    accounts: AccountList | None = None
    """Left out: nobody can be found but by `account`."""
    find: Way | None = None
    """A way to the list narrowed down to `{key}`; left out: the whole list is read."""
    account: AccountPage | None = None
    """Left out: an account is what its row in the list shows."""
    create: Steps | None = None
    update: Steps | None = None
    enable: Steps | None = None
    disable: Steps | None = None
    delete: Steps | None = None
    end_sessions: Steps | None = None
    entitlements: Access | None = None
    problems: Targets = ()
    """Where the pages say what is wrong; it goes into the message."""
    browser: str = ""
    """chromium, chrome, msedge, playwright (its own), or a path; left out: the first that is there."""
    sandbox: bool | None = None
    """The browser's own sandbox; left out: on, except for root, for whom it cannot start."""
    locale: str = "en-US"
    """The language that pages are asked for."""
    patience: float = Field(default=15, gt=0)
    """Seconds within which a page must show what a step names."""
    at_once: int = Field(default=3, ge=1)
    """Pages used side by side."""
    pictures: bool = True
    """Whether pictures are kept before and after each write."""

    @model_validator(mode="after")
    def something_is_read(self) -> Options:
        if self.accounts is None and self.account is None:
            raise ValueError("give `accounts`, `account` or both: what is written must be read back")
        if self.find is not None and self.accounts is None:
            raise ValueError("`find` needs `accounts`, which says how the rows are read")
        return self


def places(tree: Any) -> Iterator[str]:
    """Names of all places in a part of a recipe."""
    if isinstance(tree, str):
        yield from PLACE.findall(tree)
    elif isinstance(tree, BaseModel):
        for name in type(tree).model_fields:
            yield from places(getattr(tree, name))
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from places(value)
    elif isinstance(tree, tuple):
        for value in tree:
            yield from places(value)
