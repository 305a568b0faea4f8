"""The attributes the SSO knows (RFC 7643), as its /Schemas says them and as it checks what it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.sandbox.store import Row

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
TYPES: dict[str, Any] = {"string": str, "boolean": bool, "complex": dict, "reference": str}


@dataclass(frozen=True)
class Attribute:
    """One attribute; `sub` where it is complex."""

    name: str
    type: str = "string"
    multi: bool = False
    required: bool = False
    mutability: str = "readWrite"
    unique: str = "none"
    exact: bool = False
    sub: tuple[Attribute, ...] = ()
    refers: tuple[str, ...] = ()
    canonical: tuple[str, ...] = ()

    def described(self) -> Row:
        """As /Schemas says it."""
        row: Row = {
            "name": self.name,
            "type": self.type,
            "multiValued": self.multi,
            "description": f"{self.name} of the resource.",
            "required": self.required,
            "caseExact": self.exact,
            "mutability": self.mutability,
            "returned": "default",
            "uniqueness": self.unique,
        }
        if self.sub:
            row["subAttributes"] = [each.described() for each in self.sub]
        if self.canonical:
            row["canonicalValues"] = list(self.canonical)
        return row | ({"referenceTypes": list(self.refers)} if self.refers else {})


def texts(*names: str) -> tuple[Attribute, ...]:
    return tuple(Attribute(name) for name in names)


def kept(name: str, *refers: str) -> Attribute:
    """A part that the server fills in."""
    kind = "reference" if refers else "string"
    return Attribute(name, kind, mutability="readOnly", exact=bool(refers), refers=refers)


PRIMARY = Attribute("primary", "boolean")
VALUED = (*texts("value", "display", "type"), PRIMARY)
USER_ATTRIBUTES = (
    Attribute("userName", required=True, unique="server"),
    Attribute("name", "complex", sub=texts("formatted", "familyName", "givenName", "middleName")),
    *texts("displayName", "nickName", "title", "userType", "preferredLanguage", "locale", "timezone"),
    Attribute("active", "boolean"),
    Attribute("emails", "complex", multi=True, sub=VALUED),
    Attribute("phoneNumbers", "complex", multi=True, sub=VALUED),
    Attribute(
        "groups",
        "complex",
        multi=True,
        mutability="readOnly",
        sub=(kept("value"), kept("$ref", "Group"), kept("display"), kept("type")),
    ),
)
MANAGER = (Attribute("value"), Attribute("$ref", "reference", exact=True, refers=("User",)), kept("displayName"))
ENTERPRISE_ATTRIBUTES = (
    *texts("employeeNumber", "costCenter", "organization", "division", "department"),
    Attribute("manager", "complex", sub=MANAGER),
)
MEMBER = (
    Attribute("value", mutability="immutable", exact=True),
    Attribute("$ref", "reference", mutability="immutable", exact=True, refers=("User",)),
    Attribute("type", mutability="immutable", canonical=("User",)),
)
GROUP_ATTRIBUTES = (
    Attribute("displayName", required=True, unique="server"),
    Attribute("members", "complex", multi=True, sub=MEMBER),
)
EXTERNAL_ID = Attribute("externalId", exact=True)
SCHEMAS = {
    USER: ("User", "User account"),
    GROUP: ("Group", "Group"),
    ENTERPRISE: ("EnterpriseUser", "Enterprise user"),
}


class BadValue(ValueError):
    """A value that does not fit its attribute; `kind` is the scimType."""

    def __init__(self, detail: str, kind: str = "invalidValue") -> None:
        super().__init__(detail)
        self.kind = kind


def named(attributes: tuple[Attribute, ...], name: str) -> Attribute | None:
    """The attribute of this name, without case."""
    return next((each for each in attributes if each.name.lower() == name.lower()), None)


def cleaned(attributes: tuple[Attribute, ...], sent: Row) -> Row:
    """What a client may set of what it sent; unknown and read-only names are passed over, as RFC 7644 3.3 says."""
    row: Row = {}
    for name, value in sent.items():
        known = named(attributes, name)
        if known and known.mutability != "readOnly" and value is not None:
            row[known.name] = fitted(known, value)
    return row


def fitted(attribute: Attribute, value: Any) -> Any:
    """The value as the attribute holds it; BadValue where it does not fit."""
    if not attribute.multi:
        return fitted_one(attribute, value)
    if not isinstance(value, list):
        raise BadValue(f"{attribute.name} is a list")
    return [fitted_one(attribute, each) for each in value]


def fitted_one(attribute: Attribute, value: Any) -> Any:
    if not isinstance(value, TYPES[attribute.type]):
        raise BadValue(f"{attribute.name} is a {attribute.type}, not {value!r}")
    return cleaned(attribute.sub, value) if attribute.sub else value


def resource_types(base: str, groups: bool = True, extended: bool = True) -> list[Row]:
    extension = [{"schema": ENTERPRISE, "required": False}] if extended else []
    kinds: list[tuple[str, str, list[Row]]] = [("User", USER, extension), *([("Group", GROUP, [])] if groups else [])]
    return [
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": name,
            "name": name,
            "endpoint": f"/{name}s",
            "description": name,
            "schema": schema,
            "schemaExtensions": extensions,
            "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{name}"},
        }
        for name, schema, extensions in kinds
    ]


def schemas(base: str, users: tuple[Attribute, ...], groups: bool = True, extended: bool = True) -> list[Row]:
    """As far as the server has them: users with these attributes, groups, the enterprise extension."""
    kept = {USER: users, **({GROUP: GROUP_ATTRIBUTES} if groups else {})}
    kept |= {ENTERPRISE: ENTERPRISE_ATTRIBUTES} if extended else {}
    return [
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": urn,
            "name": SCHEMAS[urn][0],
            "description": SCHEMAS[urn][1],
            "attributes": [each.described() for each in attributes],
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{urn}"},
        }
        for urn, attributes in kept.items()
    ]


def provider_config(base: str, most: int, operations: int, payload: int) -> Row:
    no = {"supported": False}
    scheme = {
        "type": "oauthbearertoken",
        "name": "Bearer token",
        "description": "A token made by an administrator.",
        "specUri": "https://www.rfc-editor.org/info/rfc6750",
        "primary": True,
    }
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "documentationUri": "https://keyring.example/scim",
        "patch": {"supported": True},
        "bulk": {"supported": operations > 0, "maxOperations": operations, "maxPayloadSize": payload},
        "filter": {"supported": True, "maxResults": most},
        "changePassword": no,
        "sort": no,
        "etag": {"supported": True},
        "authenticationSchemes": [scheme],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }
