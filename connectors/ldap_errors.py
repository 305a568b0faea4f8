"""The one place where LDAP results (RFC 4511 §4.1.9) become errors of connectors.errors.

what happened                                             becomes
busy, unavailable                                         Busy: nothing was done; tried again here a few times
no connection                                             Retryable
connection broken or no answer after a request was sent   Lost: it may have been carried out
time limit, other                                         Retryable
anything else                                             LdapRefused, with the result code
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.errors import Refused, Retryable
from connectors.redaction import Redaction

LONGEST_WORDS = 300  # characters of a server's own words in a message

TIME_LIMIT, SIZE_LIMIT, STRONGER_AUTH, REFERRAL, ADMIN_LIMIT = 3, 4, 8, 10, 11
CONFIDENTIALITY, NO_ATTRIBUTE, UNDEFINED, CONSTRAINT, VALUE_EXISTS, SYNTAX = 13, 16, 17, 19, 20, 21
NO_OBJECT, INVALID_DN, CREDENTIALS, ACCESS, BUSY, UNAVAILABLE, UNWILLING = 32, 34, 49, 50, 51, 52, 53
NAMING, CLASS_VIOLATION, NOT_LEAF, ON_RDN, EXISTS, OTHER = 64, 65, 66, 67, 68, 80

STATUS = {NO_OBJECT: 404, EXISTS: 409, ACCESS: 403, CREDENTIALS: 401}
"""What HTTP would say, for callers that ask for it."""

TODO = {
    SIZE_LIMIT: "Let the account read on: at OpenLDAP `limits dn.exact=… size=unlimited`, and check page_size.",
    ADMIN_LIMIT: "Index the attributes that are searched, or raise the limit for the account in {who}.",
    STRONGER_AUTH: "Use ldaps:// or StartTLS.",
    CONFIDENTIALITY: "Use ldaps:// or StartTLS.",
    REFERRAL: "The server only reads, or does not hold this part of the tree: put one that may be written into {url}.",
    UNDEFINED: "Check the attributes in the app's YAML against the directory's schema.",
    NO_ATTRIBUTE: "Check the attributes in the app's YAML against the directory's schema.",
    CONSTRAINT: "Check the value against the directory's rules (length, uniqueness, password policy).",
    SYNTAX: "Check the value: the directory's schema wants another form.",
    INVALID_DN: "Check the DNs in the app's YAML.",
    NO_OBJECT: "Check base, place and groups in the app's YAML: is there such an entry?",
    CREDENTIALS: "Check {who}.",
    ACCESS: "Give the account in {who} the permission for this.",
    UNWILLING: "Look at the server's words; at Active Directory often a policy, or a password without TLS.",
    NAMING: "Check names, place and object_classes in the app's YAML.",
    CLASS_VIOLATION: "Check attributes, fixed and object_classes in the app's YAML: one is lacking or not allowed.",
    NOT_LEAF: "Remove what is below the entry first.",
    EXISTS: "Give one of the two another name.",
}

AD_BIND = {
    "525": "no such user",
    "52e": "wrong password",
    "530": "not at this hour",
    "531": "not from here",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password must be changed first",
    "775": "the account is locked",
}
"""AD's `data xxx` in a refused bind (learn.microsoft.com, LDAP bind error codes; from memory: unverified)."""


class Lost(Retryable):
    """The request was sent and no answer came: it may have been carried out."""


class Busy(Retryable):
    """The server did nothing: safe to send again, writes too."""


class LdapRefused(Refused):
    """Trying again cannot help; `code` is the LDAP result."""

    code: int = -1


class Told:
    """Makes errors that say the app's name, what was being done, why, and what to do. Values never show, names do."""

    def __init__(self, app: str, urls: str, secrets: Mapping[str, str]) -> None:
        self.app, self.urls, self.redaction = app, urls, Redaction(secrets)
        self.who = ", ".join(self.redaction.names) or "the credentials in the app's YAML"

    def result(self, result: Mapping[str, Any], doing: str) -> Retryable | Refused:
        """The error that an unsuccessful result is."""
        code, name = int(result["result"]), str(result["description"])
        why = f"the server said {name} ({code}){self.words(str(result.get('message') or ''), code)}"
        if code in (BUSY, UNAVAILABLE):
            return Busy(self.app, doing, why, "Try again later.")
        if code in (TIME_LIMIT, OTHER):
            return Retryable(self.app, doing, why, "Try again later; it may have been carried out.")
        todo = TODO.get(code, "").format(who=self.who, url=self.urls)
        return self.refused(doing, why, todo, code)

    def refused(self, doing: str, why: str, todo: str, code: int) -> LdapRefused:
        """As Refused, with the result code."""
        error = LdapRefused(self.app, doing, why, todo, STATUS.get(code))
        error.code = code
        return error

    def unreachable(self, doing: str, what: object) -> Retryable:
        why = f"cannot reach {self.urls}{self.words(str(what))}"
        return Retryable(self.app, doing, why, "Check the address, the server and the network.")

    def untrusted(self, doing: str, what: object) -> Refused:
        todo = "Check the name in the address, and `ca_file`: it must hold the authority of the server's certificate."
        return Refused(self.app, doing, f"the server's certificate is not trusted{self.words(str(what))}", todo)

    def lost(self, doing: str, what: object) -> Lost:
        why = f"the connection broke or no answer came in time{self.words(str(what))}"
        return Lost(self.app, doing, why, "It may have been carried out: read back before trying again.")

    def words(self, said: str, code: int = -1) -> str:
        """The server's own words, shortened and without secrets, after a colon."""
        data = re.search(r"\bdata ([0-9a-f]{3})\b", said) if code == CREDENTIALS else None
        said = AD_BIND.get(data[1], said) if data else said
        found = self.redaction.mask(" ".join(said.replace("\x00", "").split()))
        return f": {found[:LONGEST_WORDS]}{'…' if len(found) > LONGEST_WORDS else ''}" if found else ""
