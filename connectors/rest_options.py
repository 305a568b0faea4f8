"""The words under `options` of an app with `connector: rest`: an app's API declared in YAML alone."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from connectors.auth import Auth
from connectors.belongings import Belongings
from connectors.calls import Call
from connectors.listing import Listing
from connectors.pages import Paging
from mappings.words import Words, as_list

Scalar = str | bool | int
Scalars = Annotated[tuple[Scalar, ...], BeforeValidator(as_list)]


class Find(Words):
    """How an account is looked up by its key, `{key}`. Every hit is compared with the key."""

    path: str
    query: dict[str, str] = Field(default_factory=dict)
    one: bool = False
    """True where the answer is the account itself, or 404; otherwise it is a list like `list`."""
    exact: bool = True
    """False for searches that by nature find more than was asked (prefix, full text). True: hits that are all
    wrong make the search suspect, and the whole list is read."""


class Write(Call):
    """A call that carries the account's attributes."""

    wrap: str = ""
    """The object they are sent in (dotted); empty: the body itself."""


class Users(Words):
    """Where accounts are and how they are made and changed."""

    list: Listing
    find: Find | None = None
    """Left out: the whole list is read."""
    read: str
    """Path of one account, with `{id}`."""
    item: str = ""
    """Where one account is in the answers of read, create and `find.one` (dotted)."""
    id: str = "id"
    """The field with the account's id (dotted)."""
    create: Write
    update: Write
    delete: Call | None = None
    """Left out: deleting becomes a manual task."""


class Active(Words):
    """How an account is seen to be usable, and made so or not."""

    field: str
    """Field of the account (dotted)."""
    on: Scalar = True
    """The value that enables."""
    off: Scalars = (False,)
    """Values of a disabled account; the first one is written."""
    enable: Call | None = None
    """Left out: `field` is set to `on` by update."""
    disable: Call | None = None
    """Left out: `field` is set to the first `off` by update."""


class Held(Words):
    """Where an account's entitlements are read: a field of the account, or a list of its own."""

    field: str | None = None
    """Field of the account with ids, names or objects (dotted)."""
    names: bool = False
    """True where the field holds names instead of ids."""
    list: Listing | None = None
    """A list of entitlements of `{id}`."""

    @model_validator(mode="after")
    def one_way(self) -> Held:
        if (self.field is None) == (self.list is None):
            raise ValueError("give one of field, list")
        return self


class Entitlements(Words):
    """Groups, roles or teams, known to rules by name and to the app by id."""

    list: Listing | None = None
    """All there are; left out: the app takes the names as ids."""
    id: str = "id"
    name: str = "name"
    """Fields of an entitlement (dotted)."""
    held: Held
    members: Listing | None = None
    """The accounts that hold `{entitlement}`: where accounts do not show what they hold, a listing of all accounts
    reads these lists instead of asking for each account."""
    grant: Call
    revoke: Call


class Options(Belongings):
    """A REST app."""

    url: str
    """The base of all paths."""
    auth: Auth | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    """Further headers that the app wants with every call."""
    pages: Paging = Paging()
    """How lists are paged; left out: everything in one answer."""
    users: Users
    active: Active | None = None
    """Left out: accounts are always active, and disabling becomes a manual task."""
    entitlements: Entitlements | None = None


def same(value: Any, other: Any) -> bool:
    """Whether two values of a status field mean the same: `true` is True, `Active` is `active`."""
    return str(value).casefold() == str(other).casefold()
