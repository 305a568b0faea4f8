"""The words under `options` of an app with `connector: scim`. Left out, all of them mean a server that keeps the RFCs;
what vendors do otherwise is said by these words and by no code."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from connectors.auth import Auth
from connectors.belongings import Belongings
from connectors.pages import Page, Params, Style, scim
from mappings.words import as_list

Verb = Literal["create", "update", "enable", "disable", "delete"]


class Options(Belongings):
    """One SCIM server."""

    url: str
    """The base that /Users hangs on."""
    auth: Auth | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    """Further headers that the server wants with every call."""

    page_size: int = Field(default=100, gt=0)
    trust_total: bool = True
    """False for servers whose totalResults is wrong."""
    paging: Literal["index", "cursor"] = "index"
    """By `startIndex` (RFC 7644), or by `cursor` (RFC 9865)."""
    filter: bool = True
    """False for servers that cannot look up a user by the key: the whole list is read."""

    update: Literal["patch", "put"] = "patch"
    """How attributes are changed. A server that refuses every PATCH (405, 501) gets PUT without being told so here."""
    switch: Literal["patch", "whole", "put"] | None = None
    """How `active` is changed; left out: as `update` says. whole: by a PATCH without a path, `{"active": false}`."""
    active_as: Literal["bool", "text"] = "bool"
    """How `active` is written: true, or "True". It is read either way."""
    read_only: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ("meta", "groups")
    """What of a user is not sent back in a PUT."""
    cannot: Annotated[tuple[Verb, ...], BeforeValidator(as_list)] = ()
    """Verbs that the server does not have: they become manual tasks."""

    groups: bool = True
    """False where there is no /Groups, or it is not to be touched."""
    groups_by: Literal["name", "id"] = "name"
    """What playbooks call groups by: display names, or the server's ids."""
    create_groups: bool = False
    """Whether a group that is wanted and missing is made."""
    groups_external_id: bool = False
    """Whether a group that is made needs an externalId; it gets its name."""
    list_groups: dict[str, str] = Field(default_factory=lambda: {"attributes": "displayName,meta.created"})
    """The query that lists groups without their members."""
    groups_on_users: bool | None = None
    """Whether users carry their `groups`; left out: found out, which costs calls in every new process."""
    member_filter: bool | None = None
    """Whether groups can be filtered by `members.value`; left out: tried out, once in every process."""
    member_test: str = ""
    """For servers that never list members: a filter with {group} and {user} that finds the group if the user is in
    it. Reading an account then costs one call per group, and listings tell nobody's groups."""
    members_per_call: int = Field(default=100, gt=0)
    """How many members one PATCH of a group may add or remove."""

    remove_members: Literal["path", "value"] = "path"
    """By `members[value eq "…"]`, or by a list of values; where the first is refused the second is tried."""

    bulk: bool = True
    """False: bulk is not used even where the server announces it."""

    def style(self) -> Style:
        """How lists are paged."""
        return ByCursor(self.page_size) if self.paging == "cursor" else scim(self.page_size, self.trust_total)


class ByCursor:
    """Cursor paging (RFC 9865 §2): an empty cursor asks for the first page; the last has no `nextCursor`."""

    total = None

    def __init__(self, per: int) -> None:
        self.per = per

    def first(self) -> Params:
        return {"count": self.per, "cursor": ""}

    def after(self, page: Page) -> Params | None:
        cursor = page.body.get("nextCursor")
        return {"count": self.per, "cursor": str(cursor)} if cursor else None
