"""What a person holds or should hold: accounts, entitlements, grants, each with its reason."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Entitlement(BaseModel):
    """Something an app can grant: a group, role, licence, team or channel. Written `app:name`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: str
    name: str

    def __str__(self) -> str:
        return f"{self.app}:{self.name}"


class Grant(BaseModel):
    """An entitlement a person should hold, why, and until when. No entitlement means the account itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person_id: str
    app: str
    entitlement: str | None = None
    why: str
    """The playbook and the rule in it, e.g. `Sales Onboarding Playbook: department = Sales`."""
    until: date | None = None


class Account(BaseModel):
    """A person's identity in one app, as read from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """The app's own id of the account."""
    key: str
    """What the app finds the account by (user name or e-mail), compared without case."""
    active: bool = True
    attributes: dict[str, str] = Field(default_factory=dict)
    """By the app's own field names (dotted for nested ones), only those the app's YAML lists."""
    entitlements: frozenset[str] = frozenset()
    """Names of the entitlements held in this app."""


TokenKind = Literal["oauth", "api_key", "app_password", "ssh_key", "session", "device"]


class Token(BaseModel):
    """A way into an account that outlives its password: each must go when the person does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """The app's own id of the token, never the token itself."""
    kind: TokenKind
    """`oauth`: a third-party app that the person let in; its name is that app's."""
    name: str


class Owned(BaseModel):
    """A thing in an app that belongs to one account and should outlive it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    kind: str
    """service account, api key, file, deal, mailbox, …"""
    name: str


class Target(BaseModel):
    """A person's account in one app as it should be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: str
    active: bool
    attributes: dict[str, str] = Field(default_factory=dict)
    """By the app's own field names, as in Account."""
    entitlements: dict[str, str] = Field(default_factory=dict)
    """Entitlement name -> why it is held."""
    approvers: dict[str, str] = Field(default_factory=dict)
    """Entitlement name, or '' for the account -> who must approve it first."""
    why: str = ""
    """Why the account exists, or why it is to be disabled."""
