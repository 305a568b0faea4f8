"""The door of SuccessFactors' twin: `POST /oauth/token` takes SAML assertions, as an OAuth client registered there.

What is checked is RFC 7522 section 3; which claims SAP wants is of public clients (piejanssens/sf-oauth, the Insomnia
plugin of SAP's blog of February 2023), the words of its refusals are unverified. Basic goes on 2026-11-20
(blogs.oracle.com/integration, "Action Required: Retirement of SAP SuccessFactors Basic Authentication"): `basic`
switches it off.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from connectors.sandbox.store import Row
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, json_answer

USER, PASSWORD = "rollcall@juniperfinch", "successfactors-password-of-the-sandbox"
CLIENT, COMPANY = "successfactors-api-key-of-the-sandbox", "juniperfinch"
GRANT = "urn:ietf:params:oauth:grant-type:saml2-bearer"
DAY = 86_400  # seconds that a token lasts
SKEW = timedelta(minutes=5)
NAMES = {"saml2": "urn:oasis:names:tc:SAML:2.0:assertion", "ds": "http://www.w3.org/2000/09/xmldsig#"}
PRIVATE_KEY = """\
-----BEGIN PRIVATE KEY-----
MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQC+/8oyQQ08xpbw
KY7xnAm5mj4f7jZ61JIpPE5zRlVtoUrHY0jajisO+TndKttKsZJZ/tNSCI2NIYRz
udtisLh8u5oR9aQ1ZCO+K0k2RWfoMoN4aImOwA4M+e6Fa4EPjUuVT+Sjo2eTcESb
FbEQU+YpDAT2VGU9ontcizrbpfaEsa8OciCf7SMTM0rq/jf+AL/KHW7NiU8oqE7j
RC0w+2gtpY9VrCMr8lgW5Cl/1mQ+5fpE2CpyLNKzktXg4Z1fmv6f1k+rMp6nqXZ5
8m6ryUD4rpXiN2SS8mehHDsDKWnCXmtJSvGEWHZ2e7JrmfDrGnvLy6uKoHfjsypX
mS3O4GF7AgMBAAECggEAAJ1NViUv/pFspFZkr7xSl0+SxTVW2V8pex/H6HvhWwa0
fCBSiMP2HpOCczmyYf/UVEOWP/cXCpKScRTajFJnpsyza9EyeKApqfOIO3mPBI4w
zmjzYokUstodxUFaYLPyF0MrjizxwnA6qNCpDbwaq/P0H20sGmdgX3K0vRxdJFDd
910+VK+C7mo2deZ25G2AzmBHwQR+rLlYrZmqsaddVyVlh8s1VOLvTdlTh+2AUeAx
UwldzoPHBr+j2l326IfFAGqa/+dhTbkt1Bxvr7HvAMXOm6csq2DoHJV8rCj7EDsC
bStr0ZiUCvy8p16S5zqT4r/fmshvflTlZXU4pUu9+QKBgQDn849xvB4HnbEI6086
yy6dDbuVYE53IdRuOV7SH7xQEt0oTNzoMd0Ku10iDbuqLbMF9i1KRlN9cc0Sectm
Cd2IPlpmQmjW8uh6SFWoBUn4L6eIqVA8W/o8EofrIWujQvO57EPUTt2/GMz8DiJE
54MlyI7XRfZTh7OsPYh4GrsbSQKBgQDSzUcsvdleQaXzE1M5+b5RyfnPDNdzxaML
g1SLj6cs8D6YctJKq1IT2F9X+jqrx0uwbkroIVgLNr9lPkpTQQ02ws4Twz8BII5G
8/3ysx50nswyvyKlESCQzIL3IWfhTPK2OMqXeIbj85tYwZhs7+wgg8Bavrh6KmZt
atFEf1vyowKBgQCFJI7bd2M5dfAwMXpaQlUwe7iIhy6jPb0FxFLEhMkAocNnJa/M
bQr35RMRwBZQGklgC651qyazpEZV66mwmcsbMMeNWWN6txZxUuIwP1D1cM1XKfFP
pHBgWTbB5n41yfHDcHaDAP5Sejb4HFjZepcScixkL9m0mvmszelvH9D1WQKBgQCS
eKIo221KyfCl+lqM4RQ1vlJ+ZFzcC4pjuIgpRNKTLgdAZB/sVCf+tAxjk/HqY9sa
pzgTHQARIqRQk7yPJpco4qjQII0JmnZhpK1iUsUpoSEfbaGD8mefVQr27lZAvPe0
V7elEdEgWKcrP7FKmFaIrSMdqoGCGS38fwkTQC9CYwKBgQCmCEOgVM1w4BCnxYCH
5eLZsNxh/6TfQZ0gJh2CsXizdrYbvBWF4kGthwZ4L+/kH1FpHhZI99OLDF+pgxNT
me59PwQCnnsH3udK//P/7j6jZCIV9iWpL23CLq4esf8DnalLdlRv8+L0Q0s53PFT
3/btOxEL5b/Gujv1P5b8UZpFrQ==
-----END PRIVATE KEY-----
"""
"""Of the OAuth client; good for nothing but this twin."""


def public_key() -> rsa.RSAPublicKey:
    """What was registered."""
    found = serialization.load_pem_private_key(PRIVATE_KEY.encode(), None).public_key()
    assert isinstance(found, rsa.RSAPublicKey)
    return found


class Door(Twin):
    """Tokens of a day, for assertions that the registered key has signed."""

    basic = True
    """Whether the company may still use Basic."""

    def token(self, call: Call) -> Answer:
        """A token for an assertion, or the refusal."""
        form = call.form()
        if form.get("grant_type") != GRANT:
            return refusal("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        if (form.get("client_id"), form.get("company_id")) != (CLIENT, COMPANY):
            return refusal("invalid_client", "Unable to find the OAuth client of this company.")
        try:
            wrong = wrong_with(verified(form.get("assertion", "")), f"{call.base}/oauth/token")
        except (ValueError, InvalidSignature, etree.XMLSyntaxError) as error:
            wrong = f"The SAML assertion's signature is not valid. {error}"
        if wrong:
            return refusal("invalid_grant", wrong)
        row: Row = {"id": uuid4().hex}
        self.store["tokens"].put(row["id"], row)
        return json_answer(200, {"access_token": row["id"], "token_type": "Bearer", "expires_in": DAY})

    def authorise(self, call: Call) -> None:
        """Reject a call without a token, or without the password while Basic is allowed."""
        kind, _, value = call.header(b"authorization").partition(" ")
        if call.path == "/oauth/token":
            return
        basic = self.basic and kind.lower() == "basic" and b64decode(value) == f"{USER}:{PASSWORD}".encode()
        if not basic and not (kind.lower() == "bearer" and value in self.store["tokens"].rows):
            raise Rejection(self.problem(401, "[LGN0001]Unable to authenticate the user"))


def refusal(error: str, words: str) -> Answer:
    """An error of the token endpoint (RFC 6749 section 5.2)."""
    return json_answer(400, {"error": error, "error_description": words})


def verified(assertion: str) -> etree._Element:
    """The assertion, whose enveloped signature is by the registered key. ValueError, InvalidSignature."""
    root = etree.fromstring(b64decode(assertion, validate=True), etree.XMLParser(resolve_entities=False))
    signature, signed = root.find("ds:Signature", NAMES), root.find("ds:Signature/ds:SignedInfo", NAMES)
    if signature is None or signed is None:
        raise ValueError("It is not signed.")
    said = b64decode(signature.findtext("ds:SignatureValue", "", NAMES))
    public_key().verify(said, canonical(signed), padding.PKCS1v15(), hashes.SHA256())
    reference, digest = signed.find("ds:Reference", NAMES), signed.findtext(".//ds:DigestValue", "", NAMES)
    signature.getparent().remove(signature)
    if reference is None or reference.get("URI") != f"#{root.get('ID')}":
        raise ValueError("It is of something else.")
    if digest != b64encode(hashlib.sha256(canonical(root)).digest()).decode():
        raise ValueError("What it says was changed.")
    return root


def canonical(element: etree._Element) -> bytes:
    return bytes(etree.tostring(element, method="c14n", exclusive=True))


def wrong_with(root: etree._Element, recipient: str) -> str:
    """What is wrong with an assertion; empty where nothing is."""
    now = datetime.now(UTC)

    def text(path: str) -> str:
        return str(root.findtext(path, "", NAMES))

    for found in root.iter("{*}Conditions", "{*}SubjectConfirmationData"):
        begins, ends = found.get("NotBefore"), found.get("NotOnOrAfter")
        if (begins and datetime.fromisoformat(begins) > now + SKEW) or not ends or datetime.fromisoformat(ends) <= now:
            return "The SAML assertion has expired or is not valid yet."
    confirmed = root.find(".//saml2:SubjectConfirmationData", NAMES)
    if confirmed is None or confirmed.get("Recipient") != recipient:
        return "The SAML assertion's recipient is not this token endpoint."
    if text(".//saml2:Audience") != "www.successfactors.com":
        return "The SAML assertion's audience is not www.successfactors.com."
    if text(".//saml2:Attribute[@Name='api_key']/saml2:AttributeValue") != CLIENT:
        return "The SAML assertion has no api_key of this client."
    return "" if text(".//saml2:NameID") == USER.partition("@")[0] else "The user of the SAML assertion is not known."
