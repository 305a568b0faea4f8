"""Google's door for programs: service accounts that act for an administrator (RFC 7523, domain-wide delegation).

The twin's token endpoint holds a JWT to what Google holds it to (developers.google.com/identity/protocols/oauth2/
service-account): RS256 by the account's key, `iss`, `sub`, `scope`, `aud`, and an `exp` at most an hour after `iat`.
The words of its refusals are Google's as far as they are known; those of an unknown `sub` are from memory.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import Any
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from connectors.sandbox.store import Row
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, json_answer

CLIENT_EMAIL = "rollcall@juniperfinch.iam.gserviceaccount.example"
ADMIN = "admin@juniperfinch.example"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""What Google's own libraries say, wherever they send it."""
HOUR, SKEW = 3600, 300  # seconds
AUTH = "https://www.googleapis.com/auth/"
DELEGATED = frozenset(
    AUTH + name
    for name in (
        "admin.directory.user",
        "admin.directory.user.security",
        "admin.directory.group",
        "admin.directory.orgunit",
        "admin.directory.customer.readonly",
        "admin.directory.device.mobile",
        "admin.directory.device.mobile.action",
        "admin.datatransfer",
        "apps.licensing",
    )
)
"""What the administrator has let the service account do."""
PRIVATE_KEY = """\
-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCc+Q4Rq1fquAv1
JdgIrminpdutrO6U3L7jaqSlylqJn20tqRXHl8j6iNiFkaGWbmsyAUZseGIpmzlT
HljNLq1H8mEeJsISVNUHOGgBJpZWOvllDTAZuwUccrZ8MYzekB1WJ2U5WJe5L8kq
MNBA2DiBlLeDmiF90h0vjxfryOIFv91F996Q+DC+If8qntrbW8L1dpy5mBnfh8JN
XzdmwrSn1nAoNYre9+bMS2jLbEz4HAi+9QHf97rzjK26Ah9XjwnuUoPb2tnA2frI
vROOSAc9lrgeamOOwdg40+SSxjZskrvw6OjXpi1V8gV4RskFixX7CFqICFQKMjRu
AUE8z7IXAgMBAAECggEAEdGl2rSgIMlutg/rM6UUxT8rLk5ssOJUGv2+ngFYALpj
yuSgT813p5UEOzlaZfi322/QnjyWLBHuUnSl8PjE+99UTfdpXWpa2lx5VfQa6cP9
Do8OMEWOIXoWJAf97T/fzKlhML7RTljR1aO/6DSDSZZntJ05Aw7oeD8eoInnum4t
CfmGQNggWPQ/l1Axb6OeHGK8euZwplPi2KJa2XNj/Cv5PrX29Se7jRzNyrKaiiPd
Sm5J7LqvyFkx3rxQ/yNkHb5bSJ7qvjUTGIk44F0pybPINNhsE8l1oLpFc8LZ3M9E
xX0yKCD+LvC7QI2Y4vI3oi94pN+WLG2XsL1b2HB88QKBgQDcPIV7/kGb22vLrcoa
Sx6Xh0NXDxjOrlZv7LeWeyj6iH3HeJoPnYjWcOOlIktVXbE6C/BuqLMDrig2QQVN
aH6CpplFrgCi1NbV993ar/kZhO4/SYyMw/a6dxPkCieBPglD6gBgkhDKVqHyG4iv
itSbaNPWYp/vXEi1LqbCP+8vsQKBgQC2dpiXLLkwsgjAWLlndk73/G0ErSHmmY9K
wT1D2HFL4ostUQWQhHWytowxCSOKM9dx7zv24vDN8les7q8GtF0ISDTPwVkOz802
I1OnjFKslgnOcQTUSkjbTYw96+/GjcPCFm3EL+8V0ODRiqbkNbK5qrgk0OdimNOF
iIJo5yb4RwKBgQC8GZzQiBo1KbTpoycoSdx5AvgK1UQU0mXU9lLe3ZXkVMtIoMLE
b4I91PE5Sw8YfAswTp4thTxP+mEx5VrIAGV85Rmnn7O/XxWWbjs32nBg0V5DA2hd
mcmS/L0qWVngUsHLFYL4+AgLKO7sP4QAmgx4J5I2WsnKwAEBbjTTV5PMIQKBgEMY
8ZwGEkPZ9GXnOqbVVszSwrRJhoHqTktLLGBao68oK84KUWWHkFCb2InftnYIAl4f
f4mWgr75M0ygqTRp9xwokWMk0r8jo28ZJpYif/R/aDPGU+RNPOWIat4KeS4my6n/
3XWbuuvm2AW2WxDovkSQhw7i03Pqhz4/qNUyy53ZAoGBALg2C3CW6ZSIaPrQuq42
3kfWhY9fkae6IDsF7RS5IZTj+Y/UJGxOjuakjqlkxoGvpReDU4ZCSCegU2J+94Ec
oikz1tie2QDSnjAgYMpv+yPSUHY7N4Tuj09zvdEgdVdfKp9CIGUK21oBNJBCGFTM
Em3RW+s5j7Iums7M/I0gRwnR
-----END PRIVATE KEY-----
"""
"""The made-up service account's: good for nothing but this twin."""
PUBLIC_KEY = serialization.load_pem_private_key(PRIVATE_KEY.encode(), None).public_key()


class Door(Twin):
    """Tokens of an hour, each with the scopes it was asked for and the administrator it acts for."""

    def token(self, call: Call) -> Answer:
        """A token for a JWT, or the refusal."""
        form = call.form()
        if form.get("grant_type") != GRANT:
            return refusal(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        try:
            claims = verified(form.get("assertion", ""))
        except (ValueError, InvalidSignature) as error:
            return refusal(400, "invalid_grant", str(error) or "Invalid JWT Signature.")
        if wrong := self.wrong_with(call, claims):
            return refusal(*wrong)
        scopes = str(claims["scope"]).split()
        row: Row = {"id": f"ya29.{uuid4().hex}", "scopes": scopes, "for": claims["sub"], "until": time.time() + HOUR}
        self.store["access"].put(row["id"], row)
        return json_answer(200, {"access_token": row["id"], "expires_in": HOUR - 1, "token_type": "Bearer"})

    def wrong_with(self, call: Call, claims: Row) -> tuple[int, str, str] | None:
        """Status, error and description of what is wrong with these claims."""
        now, issued, expires = time.time(), claims.get("iat", 0), claims.get("exp", 0)
        if claims.get("iss") != CLIENT_EMAIL:
            return 400, "invalid_grant", "Invalid grant: account not found"
        if claims.get("aud") not in (f"{call.base}/token", AUDIENCE):
            return 400, "invalid_grant", "Invalid JWT: Failed audience check. The right audience is the token endpoint."
        if not isinstance(expires, int | float) or not now - SKEW < expires <= issued + HOUR or issued > now + SKEW:
            return 400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."  # fmt: skip # noqa: E501
        scopes = set(str(claims.get("scope", "")).split())
        if not scopes or not scopes <= DELEGATED:
            return 401, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."  # fmt: skip # noqa: E501
        if not self.store["users"].by("email", str(claims.get("sub", ""))):
            return 400, "invalid_grant", "Invalid email or User ID"
        return None

    def authorise(self, call: Call) -> None:
        """Reject a call without a living token, with too few scopes, or for somebody who is no administrator."""
        if call.path == "/token":
            return
        kind, _, value = call.header(b"authorization").partition(" ")
        access = self.store["access"].rows.get(value) if kind == "Bearer" else None
        if not access or access["until"] < time.time():
            said = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            raise Rejection(
                self.problem(401, said, ("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/"'))
            )
        if not (allowed := scopes_for(call)) & set(access["scopes"]):
            raise Rejection(self.denied("Request had insufficient authentication scopes.", "insufficientPermissions"))
        actor = self.store["users"].by("email", access["for"])
        if allowed and not (actor and actor[0].get("isAdmin") and not actor[0].get("suspended")):
            raise Rejection(self.denied("Not Authorized to access this resource/api", "forbidden"))

    def refused(self, status: int, message: str, reason: str) -> Answer:
        """An error whose reason is not the status's usual one."""
        return json_answer(status, trouble(status, message, reason))

    def denied(self, message: str, reason: str) -> Answer:
        return json_answer(403, trouble(403, message, reason))


def verified(token: str) -> dict[str, Any]:
    """The claims of a JWT that the service account signed; ValueError or InvalidSignature."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("Bad Request")
    header, claims = (json.loads(decoded(part)) for part in parts[:2])
    if header.get("alg") != "RS256":
        raise ValueError("Invalid JWT: the algorithm is not RS256.")
    assert isinstance(PUBLIC_KEY, rsa.RSAPublicKey)
    signed = f"{parts[0]}.{parts[1]}".encode()
    PUBLIC_KEY.verify(decoded(parts[2]), signed, padding.PKCS1v15(), hashes.SHA256())
    return dict(claims)


def decoded(part: str) -> bytes:
    """One part of a JWT (base64url without padding)."""
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise ValueError("Invalid JWT: not base64url.") from error


def scopes_for(call: Call) -> set[str]:
    """The scopes of which a call needs one, as the descriptions of the methods say."""
    path, reading = call.path, call.method in ("GET", "HEAD")
    if path.startswith("/apps/licensing"):
        names = ["apps.licensing"]
    elif path.startswith("/admin/datatransfer"):
        names = ["admin.datatransfer", *(["admin.datatransfer.readonly"] if reading else [])]
    else:
        names = directory_scopes(path.removeprefix("/admin/directory/v1"), reading)
    return {AUTH + name for name in names}


def directory_scopes(path: str, reading: bool) -> list[str]:
    """Those of the Directory API."""
    if any(word in path for word in ("/tokens", "/asps", "/verificationCodes", "/signOut")):
        return ["admin.directory.user.security"]
    if path.startswith("/users"):
        return ["admin.directory.user", *(["admin.directory.user.readonly"] if reading else [])]
    if path.startswith("/groups"):
        members = ["admin.directory.group.member"] if "/members" in path else []
        return ["admin.directory.group", *members, *(["admin.directory.group.readonly"] if reading else [])]
    if "/orgunits" in path:
        return ["admin.directory.orgunit", *(["admin.directory.orgunit.readonly"] if reading else [])]
    if path.endswith("/action"):
        return ["admin.directory.device.mobile", "admin.directory.device.mobile.action"]
    if "/devices/mobile" in path:
        return ["admin.directory.device.mobile", "admin.directory.device.mobile.readonly"]
    return ["admin.directory.customer", *(["admin.directory.customer.readonly"] if reading else [])]


def trouble(status: int, message: str, reason: str, domain: str = "global") -> Row:
    """Google's body of an error."""
    one = {"message": message, "domain": domain, "reason": reason}
    return {"error": {"code": status, "message": message, "errors": [one]}}


def refusal(status: int, error: str, description: str) -> Answer:
    """The token endpoint's way to say no (RFC 6749 5.2)."""
    return json_answer(status, {"error": error, "error_description": description})
