"""The words under `options` of an app with `connector: rest`: an app's API declared in YAML alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import httpx
from pydantic import BeforeValidator, Field, model_validator

from connectors import places, values
from connectors.answers import Failure
from connectors.auth import Auth
from connectors.belongings import Belongings
from connectors.calls import Body, Call, Readable, Reading, Texts
from connectors.fields import nested
from connectors.http import Http
from connectors.listing import Listing
from connectors.pages import Paging
from mappings.words import Words, as_list

Scalar = str | bool | int | None
Scalars = Annotated[tuple[Scalar, ...], BeforeValidator(as_list)]
FOR_EVER = "2999-12-31"
Listings = Annotated[tuple[Listing, ...], BeforeValidator(as_list)]


class Find(Reading):
    """How an account is looked up by its key, `{key}`. Every hit is compared with the key."""

    items: str | None = None
    """Where the hits are (dotted); left out: as in `list`."""
    one: bool = False
    """True where the answer is the account itself, or 404; otherwise it is a list like `list`."""
    exact: bool = True
    """False for searches that by nature find more than was asked (prefix, full text). True: hits that are all
    wrong make the search suspect, and the whole list is read."""
    item: str | None = None
    """Where the account is in the answer, with `one` (dotted); left out: as in `users.item`."""


class Write(Call):
    """A call that carries the account's attributes."""

    wrap: str = ""
    """The object they and `body` are sent in (dotted); empty: the body itself."""
    beside: Body = Field(default_factory=dict)
    """What is always sent outside that object, by dotted field names."""
    fields: tuple[str, ...] = ()
    """The only attributes that this call takes; left out: all."""
    into: dict[str, str] = Field(default_factory=dict)
    """Attribute -> where this call takes it (dotted), where it is not as with the others: `{email: value}`."""
    whole: bool = False
    """True where the call replaces the account: it is read, changed and sent back whole. `if_match` sends the ETag that
    came with it then; a conflict (409, 412) reads it again."""
    leave_out: tuple[str, ...] = ()
    """What of an account that was read is not sent back (dotted): what only the server may write."""

    def carry(self, fields: Mapping[str, Any], http: Http, doing: str, **at: Any) -> httpx.Response:
        """Make the call with these fields besides its own, below `wrap`."""
        known = places.moments() | at
        own, beside = places.filled(self.body, known), places.filled(self.beside, known)
        inside = {f"{self.wrap}.{name}" if self.wrap else name: value for name, value in {**own, **fields}.items()}
        return self.deliver(nested({**beside, **inside}), http, doing, **at)


class Create(Write):
    """The call that makes an account. Attributes that it does not take follow at once by `update`."""

    item: str | None = None
    """Where the account is in its answer (dotted); left out: as in `users.item`."""
    id: str | None = None
    """Where the id is in it (dotted); left out: as in `users.id`. An empty one: the answer is the id."""


class Users(Words):
    """Where accounts are and how they are made and changed."""

    list: Listings
    """One list, or several where an app keeps those of disabled accounts apart."""
    find: Annotated[tuple[Find, ...], BeforeValidator(as_list)] = ()
    """One look-up, or several that are tried in turn. Left out: the whole list is read."""
    read: Readable | None = None
    """One account, by `{id}`: a path, or a call. Left out: it is looked for in the list."""
    item: str = ""
    """Where one account is in the answers of read, create and `find.one` (dotted)."""
    id: str = "id"
    """The field with the account's id (dotted)."""
    each: bool = False
    """True where the list shows too little of an account: each is read by itself, which costs a call more."""
    create: Create | None = None
    """Left out: making accounts becomes a manual task."""
    update: Annotated[tuple[Write, ...], BeforeValidator(as_list)] = ()
    """One call, or several with `fields` where the app has one for each group of them. What none takes becomes a
    manual task."""
    delete: Call | None = None
    """Left out: deleting becomes a manual task."""


class Active(Words):
    """How an account is seen to be usable, and made so or not. One of: a field's values, a field that is filled
    (`set`), a date that is over (`past`) or not (`future`), an entitlement that is held (`has`) or not (`lacks`)."""

    field: str = ""
    """Field of the account (dotted)."""
    write: str = ""
    """Where a body takes it (dotted); left out: as `field`."""
    on: Scalar = True
    """The value that enables; null with `set`, `past` and `future`, where nothing else is said."""
    off: Scalars = (False,)
    """Values of a disabled account; the first one is written: with `set` the time, with `past` yesterday, with
    `future` a day that nobody here will see."""
    set: bool = False
    """True where anything in the field means disabled: deleted_at, lock_reason."""
    past: bool = False
    """True where the field holds the account's last day or moment."""
    future: bool = False
    """True where the field holds the moment until which the account is suspended."""
    date: str = ""
    """The form of that date (strptime), `epoch` or `epoch_ms`; left out: ISO 8601."""
    has: str = ""
    """The entitlement that disables whoever holds it. It is no longer one that people are given."""
    lacks: str = ""
    """The entitlement without which an account is disabled. It is no longer one that people are given."""
    enable: Call | None = None
    """Left out: `field` is set to `on` by update, or the entitlement is granted or revoked."""
    disable: Call | None = None
    """Left out: `field` is set to the first `off` by update, or the entitlement is granted or revoked."""

    @model_validator(mode="after")
    def one_way(self) -> Active:
        if self.set + self.past + self.future > 1:
            raise ValueError("give one of set, past, future")
        if sum(map(bool, (self.field, self.has, self.lacks))) != 1:
            raise ValueError("give exactly one of field, has, lacks: where it is seen whether an account is usable")
        return self

    @property
    def enabling(self) -> Scalar:
        """The value that is written to enable."""
        return self.on if "on" in self.model_fields_set or not self.dated else None

    @property
    def disabling(self) -> Scalar:
        """The value that is written to disable, with its places."""
        if "off" in self.model_fields_set or not self.dated:
            return self.off[0]
        return "{now}" if self.set else "{yesterday}" if self.past else FOR_EVER

    @property
    def dated(self) -> bool:
        """Whether it is a field without values of its own."""
        return self.set or self.past or self.future

    @property
    def entitlement(self) -> str:
        """The entitlement that stands for it, if it is one."""
        return self.has or self.lacks


class Held(Words):
    """Where an account's entitlements are read: a field of the account, or a list of its own."""

    field: str | None = None
    """Field of the account with ids, names or objects (dotted; `*` is every item of a list)."""
    names: bool = False
    """True where the field holds names instead of ids."""
    split: str = ""
    """What stands between them where the field is one text: `,`. Written back, they are one text again."""
    list: Listing | None = None
    """A list of entitlements of `{id}`."""
    at: str = ""
    """Where in an item of that list the entitlement is (dotted): its id or the whole of it; left out: the item."""
    membership: str = ""
    """Where in an item of that list the membership's own id is (dotted), for `{membership}`."""

    @model_validator(mode="after")
    def one_way(self) -> Held:
        if (self.field is None) == (self.list is None):
            raise ValueError("give one of field, list")
        return self


class Set(Call):
    """One call that says which entitlements an account has from now on: `{entitlements}` are their ids, those it had
    among them."""

    each: Any = None
    """How one is written where its id alone does not do: `{id: "{entitlement}"}`."""


class Entitlements(Words):
    """Groups, roles or teams, known to rules by name and to the app by id."""

    prefix: str = ""
    """What rules put before the app's name, where an app has several kinds: `role `."""
    list: Listing | None = None
    """All there are; left out: the app takes the names as ids."""
    id: str = "id"
    name: str = "name"
    """Fields of an entitlement (dotted)."""
    held: Held | None = None
    """Left out: `members` tells."""
    members: Listing | None = None
    """The accounts that hold `{entitlement}`: where accounts do not show what they hold, a listing of all accounts
    reads these lists instead of asking for each account."""
    member: str | None = None
    """Where in an item of `members` the account's id is (dotted); left out: as `users.id`."""
    grant: Call | None = None
    revoke: Call | None = None
    set: Set | None = None
    """Instead of grant and revoke. Without any of them the field of `held` is written by `users.update`."""
    single: bool = False
    """True where an account has one at a time: granting one takes the other away."""
    none: Scalar = None
    """With `single`: what is written when the last one goes."""
    create: Call | None = None
    """Makes the entitlement `{name}` where it is wanted and missing; left out: the step is refused."""
    hidden: tuple[str, ...] = ()
    """Names that everybody has or nobody is given: left alone and not shown."""

    @model_validator(mode="after")
    def ways(self) -> Entitlements:
        if (self.grant is None) != (self.revoke is None) or (self.grant and self.set):
            raise ValueError("give grant and revoke, or set, or none of them")
        if self.held is None and self.members is None:
            raise ValueError("give held or members: where it is seen who has what")
        if self.grant is None and (self.held is None or (self.set is None and self.held.field is None)):
            raise ValueError("without grant and revoke, held.field must name the field that is written")
        return self


class Options(Belongings):
    """A REST app."""

    url: str
    """The base of all paths."""
    auth: Auth | None = None
    headers: Texts = Field(default_factory=dict)
    """Further headers that the app wants with every call."""
    answers: Literal["json", "xml"] = "json"
    """The language of the app's answers."""
    failed_if: Annotated[tuple[Failure, ...], BeforeValidator(as_list)] = ()
    """How answers say that a call failed where their status does not say it, or says it wrongly."""
    pages: Paging = Paging()
    """How lists are paged; left out: everything in one answer."""
    fields: dict[str, values.Field] = Field(default_factory=dict)
    """Attributes that are written or shown in another form than as text under their own name."""
    users: Users
    active: Active | None = None
    """Left out: accounts are always active, and disabling becomes a manual task."""
    entitlements: Annotated[tuple[Entitlements, ...], BeforeValidator(as_list)] = ()
    """One kind, or several told apart by `prefix`."""

    @model_validator(mode="after")
    def fit_together(self) -> Options:
        if self.active and self.active.entitlement and not self.entitlements:
            raise ValueError("active.has and active.lacks name an entitlement: declare entitlements")
        prefixes = [kind.prefix for kind in self.entitlements]
        if len(set(prefixes)) < len(prefixes):
            raise ValueError("several kinds of entitlements need a prefix each, all different")
        return self
