"""The words under `options` of a directory: where it is, what an account and a group are, what disables an account."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from connectors.ldap_entries import below
from mappings.access import TokenKind
from mappings.words import OneOrMore, Words

Form = Literal["text", "filetime", "days", "dn"]
"""How a value stands in the directory: as text; as the end of a day in Windows time (accountExpires) or in days since
1970 (shadowExpire); as the DN of the entry whose `dn_by` it is (manager)."""


class Bind(Words):
    """Who Rollcall is there: a simple bind, over TLS only."""

    user: str
    """A DN; at Active Directory also name@domain."""
    password: SecretStr


class Disabled(Words):
    """What makes an account unusable there."""

    by: Literal["userAccountControl", "pwdAccountLockedTime", "attribute", "place"]
    """`place`: being below `move_to`, and nothing else."""
    attribute: str = ""
    """For `attribute`: which, e.g. nsAccountLock (389), loginShell."""
    value: str = ""
    """For `attribute`: what it is in a disabled account."""
    otherwise: str = ""
    """For `attribute`: what it is in an active one; empty: it is absent."""
    move_to: str = ""
    """The DN of an OU into which disabled accounts are moved; enabling moves them back."""

    @model_validator(mode="after")
    def complete(self) -> Disabled:
        if self.by == "attribute" and not (self.attribute and self.value):
            raise ValueError("by: attribute needs attribute and value")
        if self.by == "place" and not self.move_to:
            raise ValueError("by: place needs move_to")
        return self


class GroupOptions(Words):
    """Groups as entitlements: by their name, or by their DN where the YAML says a DN."""

    base: str
    """Groups are looked for below this DN."""
    object_class: str = ""
    """Left out: group at Active Directory, groupOfNames elsewhere."""
    name: str = "cn"
    member: str = "member"
    """The attribute with the members: member, uniqueMember; memberUid for posixGroup."""
    member_is: str = "dn"
    """What of an account stands there: its dn, or an attribute of it (uid)."""
    member_of: bool | None = None
    """Whether accounts show their groups in memberOf, which makes listing quicker. Left out: at Active Directory."""
    create: bool = False
    """Whether a group that is wanted and missing is made, below `base`."""
    placeholder: str = ""
    """A DN that stays in a group which must not be empty (groupOfNames) when its last member goes."""


class Options(Words):
    """The words under `options` of an app with `connector: ldap`."""

    url: Annotated[OneOrMore, Field(min_length=1)]
    """ldaps://host[:port]; ldap:// means StartTLS; without TLS nothing is sent. Several: the first that answers."""
    auth: Bind
    ca_file: str = ""
    """A PEM file with the certificates to trust. Left out: those that the machine trusts."""
    dialect: Literal["ldap", "active_directory"] = "ldap"
    """What the directory is: `ldap` for OpenLDAP, 389 and others."""
    base: str
    """Accounts are looked for below this DN."""
    filter: str = ""
    """Which entries are accounts (RFC 4515). Left out: user objects of people; elsewhere inetOrgPerson."""
    id: str = ""
    """The attribute that stays when an entry is renamed or moved. Left out: objectGUID; elsewhere entryUUID."""
    object_classes: tuple[str, ...] = ()
    """Of a new account. Left out: user; elsewhere inetOrgPerson."""
    fixed: dict[str, str] = Field(default_factory=dict)
    """Further attributes of a new account (loginShell, …), with places for its own: /home/{uid}."""
    names: OneOrMore = ("cn={cn}",)
    """The RDN of an account, with places for its attributes. The next is taken where another account has the first;
    after the last one a number is added, unless the RDN is the key."""
    place: OneOrMore = ()
    """The DN of the container of an active account, with places for its attributes; the first that exists. Left out:
    base."""
    create_place: bool = False
    """Whether the first of `place` is made (an OU) where it does not exist."""
    forms: dict[str, Form] = Field(default_factory=dict)
    """Attribute -> how it stands there, besides accountExpires, shadowExpire and manager, which are known."""
    dn_by: str = "mail"
    """The attribute that names another entry in `manager` and others of the form `dn`."""
    time_zone: str = "UTC"
    """Where a day ends, for accountExpires."""
    demote: dict[str, str] = Field(default_factory=lambda: {"SMTP": "smtp"})
    """Prefix of a value (proxyAddresses.SMTP) -> the prefix that an old value keeps when a new one takes its place."""
    disabled: Disabled | None = None
    """Left out: userAccountControl at Active Directory; elsewhere it must be said."""
    password: Literal["random", "none"] | None = None
    """A new account's password: random and known to nobody, or none. Left out: random at Active Directory."""
    must_change_password: bool = False
    """Active Directory: whether a password set by an administrator must be changed at the first logon."""
    sam_account_name: OneOrMore = ()
    """Active Directory, where sAMAccountName is not among `attributes`: what it is made of, e.g. {mail}. It is cut to
    20 characters, rid of forbidden ones, made unique, and never changed."""
    restore: bool | None = None
    """Active Directory: whether an account made again is brought back from the deleted objects. Left out: yes."""
    end_sessions: Literal["reset_password"] | None = None
    """Ends what can be ended: see docs/apps/active_directory.md. Left out: the app has no such verb."""
    tokens: dict[str, TokenKind] = Field(default_factory=dict)
    """Attribute -> what its values are: {sshPublicKey: ssh_key, altSecurityIdentities: device}."""
    groups: GroupOptions | None = None
    """Left out: the app has no entitlements."""
    page_size: int = Field(default=500, gt=0)
    """At most what the server allows: 1000 at Active Directory (MaxPageSize), 500 at OpenLDAP (sizelimit)."""
    connections: int = Field(default=8, gt=0)
    """At most so many at once."""
    timeout: int = Field(default=30, gt=0)
    """Whole seconds for one answer."""

    @model_validator(mode="after")
    def fits(self) -> Options:
        if not self.ad and self.disabled is None:
            raise ValueError("say under `disabled` what makes an account unusable there")
        if not self.ad and (self.sam_account_name or self.must_change_password or self.restore):
            raise ValueError("sam_account_name, must_change_password and restore are of active_directory")
        return self

    @property
    def ad(self) -> bool:
        """Whether it is Active Directory."""
        return self.dialect == "active_directory"

    @property
    def id_attribute(self) -> str:
        return self.id or ("objectGUID" if self.ad else "entryUUID")

    @property
    def accounts(self) -> str:
        """The filter for accounts."""
        default = "(&(objectCategory=person)(objectClass=user))" if self.ad else "(objectClass=inetOrgPerson)"
        return self.filter or default

    @property
    def classes(self) -> tuple[str, ...]:
        return self.object_classes or (("top", "person", "organizationalPerson", "user") if self.ad else DEFAULT)

    @property
    def switch(self) -> Disabled:
        return self.disabled or Disabled(by="userAccountControl")

    @property
    def bases(self) -> tuple[str, ...]:
        """Where accounts can be: below base, and where disabled ones are moved."""
        away = self.switch.move_to
        return (self.base, away) if away and not below(away, self.base) else (self.base,)

    def form(self, attribute: str) -> Form:
        """How an attribute's values stand there."""
        known: dict[str, Form] = {name.lower(): form for name, form in {**KNOWN, **self.forms}.items()}
        return known.get(attribute.lower(), "text")


DEFAULT = ("inetOrgPerson",)
KNOWN: dict[str, Form] = {"accountExpires": "filetime", "shadowExpire": "days", "manager": "dn", "secretary": "dn"}
