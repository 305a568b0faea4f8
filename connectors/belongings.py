"""What an account leaves behind when its person goes: tokens that still let somebody in, things without an owner.

The words under `tokens`, `owned` and `hand_over` of an app's YAML, and the capabilities they make. They are the same
for every connector that speaks HTTP; a connector's class gains one only where its YAML declares it.

Least permission: at Google Workspace tokens and app passwords take the scope `admin.directory.user.security`
(developers.google.com/workspace/admin/directory/reference/rest/v1/tokens/list); elsewhere unverified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Annotated, Any, Protocol, TypeVar, cast

from pydantic import BeforeValidator, Field, model_validator

from connectors.base import Outcome
from connectors.calls import GONE, Call, EndsSessions
from connectors.errors import ConnectorError, Refused, Retryable
from connectors.fields import pick, text
from connectors.http import Http
from connectors.listing import Listing, Row
from connectors.pages import Paging, Style
from mappings.access import Owned, Token, TokenKind
from mappings.words import Words, as_list

Base = TypeVar("Base")
FAILURES = 3  # calls in a row without an answer, after which an app is taken to be down


class Kept(Words):
    """A list of what an account has, and the fields of one thing in it."""

    list: Listing
    """With `{id}`, the account's."""
    pages: Paging | None = None
    """Left out: a REST app's list is paged as its others, a SCIM app's comes in one answer."""
    id: str = "id"
    name: str = "name"
    """Fields of a thing (dotted)."""


class TokenList(Kept):
    """One list of tokens. Vendors keep OAuth grants, API keys and app passwords in lists of their own."""

    kind: TokenKind = "api_key"
    """What they are, as far as `kind_at` does not say it."""
    kind_at: str = ""
    """The field with the app's word for the kind (dotted), in a list that mixes them."""
    kinds: dict[str, TokenKind] = Field(default_factory=dict)
    """The app's word -> ours; words not listed mean `kind`."""
    revoke: Call | None = None
    """Revokes `{token}` of `{id}`."""
    revoke_all: Call | None = None
    """Revokes all of `{id}` that are in this list."""

    @model_validator(mode="after")
    def one_way(self) -> TokenList:
        if (self.revoke is None) == (self.revoke_all is None):
            raise ValueError("give one of revoke, revoke_all")
        return self

    def token(self, row: Row) -> Token:
        """One row as a token."""
        kind = self.kinds.get(str(pick(row, self.kind_at)), self.kind) if self.kind_at else self.kind
        return Token(id=str(pick(row, self.id)), kind=kind, name=text(pick(row, self.name)) or "")


class OwnedList(Kept):
    """One list of things that an account owns."""

    kind: str
    """What they are: service account, api key, deal, …"""
    give: Call | None = None
    """Gives `{owned}` of `{id}` to `{to}`. Left out: `hand_over` gives them."""

    def thing(self, row: Row) -> Owned:
        """One row as a thing."""
        return Owned(id=str(pick(row, self.id)), kind=self.kind, name=text(pick(row, self.name)) or "")


class Belongings(Words):
    """Words under `options` that apps of several connectors share."""

    sessions: Call | None = None
    """Signs the account `{id}` out everywhere; outside SCIM too."""
    tokens: Annotated[tuple[TokenList, ...], BeforeValidator(as_list)] = ()
    owned: Annotated[tuple[OwnedList, ...], BeforeValidator(as_list)] = ()
    hand_over: Call | None = None
    """One call that gives all that `{id}` owns to `{to}`. It needs `owned`: what cannot be listed cannot be proved."""

    @model_validator(mode="after")
    def all_can_be_given(self) -> Belongings:
        if self.hand_over and not self.owned:
            raise ValueError("hand_over needs owned: without a list nobody sees whether it worked")
        if stuck := [one.kind for one in self.owned if (one.give is None) == (self.hand_over is None)]:
            raise ValueError(
                f"owned ({', '.join(stuck)}): say how it is given, by `give` in each or by one `hand_over`"
            )
        return self


class Reached(Protocol):
    """What the capabilities below need of the app they are added to."""

    name: str
    http: Http
    options: Any
    """Belongings."""
    lists: Style
    """How its lists are paged."""


class KeepsTokens:
    """Adds `tokens` and `revoke_tokens` to an app whose YAML declares `tokens`; keeps Tokens."""

    def tokens(self: Reached, id: str) -> Iterator[Token]:
        """1 call per page of each list."""
        for kept in self.options.tokens:
            yield from map(kept.token, rows(self, kept, f"list tokens of {id}", id))

    def revoke_tokens(self: Reached, id: str) -> Outcome:
        """1 call per page of each list, then 1 per token, or 1 per list that has any where it takes one call."""
        doing = f"revoke tokens of {id}"
        tries: list[Callable[[], Outcome]] = []
        for kept in self.options.tokens:
            found = [kept.token(row).id for row in rows(self, kept, doing, id)]
            if kept.revoke_all and found:
                tries.append(ending(self.http, kept.revoke_all, doing, id=id))
            elif kept.revoke:
                tries += [ending(self.http, kept.revoke, doing, id=id, token=token) for token in found]
        return all_tried(tries)


class HandsOver:
    """Adds `owned` and `hand_over` to an app whose YAML declares them; keeps Owns."""

    def owned(self: Reached, id: str) -> Iterator[Owned]:
        """1 call per page of each list."""
        for kept in self.options.owned:
            yield from map(kept.thing, rows(self, kept, f"list what {id} owns", id))

    def hand_over(self: Reached, id: str, to_id: str) -> Outcome:
        """1 call per page of each list, then 1 per thing, or 1 in all where the app has one for everything."""
        doing = f"hand over what {id} owns to {to_id}"
        if not to_id or id == to_id:
            raise Refused(self.name, doing, "nobody else is named to get it", "Name another account.")
        found = [(kept, kept.thing(row).id) for kept in self.options.owned for row in rows(self, kept, doing, id)]
        at = {"id": id, "to": to_id}
        tries = [giving(self.http, kept.give, doing, **at, owned=owned) for kept, owned in found if kept.give]
        if self.options.hand_over and found:
            tries.append(giving(self.http, self.options.hand_over, doing, **at))
        return all_tried(tries)


def rows(app: Reached, kept: Kept, doing: str, id: str) -> Iterator[Row]:
    """The things in one list of the account; none where the account is gone."""
    style = kept.pages.style() if kept.pages else app.lists
    try:
        for row in kept.list.rows(app.http, style, doing, id=id):
            if pick(row, kept.id) in (None, ""):
                raise Refused(app.name, doing, f"an item has no field {kept.id!r}", "Check `id` in the app's YAML.")
            yield row
    except Refused as error:
        if error.status not in GONE:
            raise


def ending(http: Http, call: Call, doing: str, **at: str) -> Callable[[], Outcome]:
    """The call, to be made later; what is gone by then is ended already."""
    return lambda: call.done(http, doing, Outcome.ALREADY, **at)


def giving(http: Http, call: Call, doing: str, **at: str) -> Callable[[], Outcome]:
    """The call, to be made later. `No such` may be said of the receiver: it is no success."""
    return lambda: call.done(http, doing, None, **at)


def all_tried(tries: list[Callable[[], Outcome]]) -> Outcome:
    """Make every call, also after one that fails: what can be ended is ended. Then the failure is raised, one that
    another try may mend before one that it will not. An app that fails again and again is left alone."""
    outcomes, errors, in_a_row = set[Outcome](), list[ConnectorError](), 0
    for attempt in tries:
        try:
            outcomes.add(attempt())
            in_a_row = 0
        except ConnectorError as error:
            errors.append(error)
            in_a_row = in_a_row + 1 if isinstance(error, Retryable) else 0
        if in_a_row == FAILURES:
            break
    if errors:
        raise next((error for error in errors if isinstance(error, Retryable)), errors[0])
    return Outcome.DONE if Outcome.DONE in outcomes else Outcome.ALREADY


def fitting(base: type[Base], options: Belongings) -> type[Base]:
    """The class with exactly the capabilities that these options declare."""
    declared = {
        EndsSessions: options.sessions is not None,
        KeepsTokens: bool(options.tokens),
        HandsOver: bool(options.owned),
    }
    return cast(type[Base], composed(cast(Any, base), tuple(part for part, wanted in declared.items() if wanted)))


@cache
def composed(base: type, parts: tuple[type, ...]) -> type:
    """One class out of several: `RestWithGrants` that also `KeepsTokens`."""
    return type("".join([base.__name__, *(part.__name__ for part in parts)]), (*parts, base), {}) if parts else base
