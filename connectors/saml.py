"""A token for a SAML assertion signed with one's own key (RFC 7522 §2.1), as SAP SuccessFactors wants it.

It is written and signed anew for each token: an assertion that somebody made beforehand ends after minutes.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from lxml import etree
from lxml.builder import ElementMaker
from lxml.etree import _Element as Element
from pydantic import Field, SecretStr
from signxml.algorithms import CanonicalizationMethod
from signxml.signer import XMLSigner

from connectors.signing import NotSignedIn
from mappings.words import Words

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
BEARER = "urn:ietf:params:oauth:grant-type:saml2-bearer"
EARLY = 60  # seconds by which our clock may be ahead of theirs
DSIG = "http://www.w3.org/2000/09/xmldsig#"
make = ElementMaker(namespace=SAML, nsmap={"saml2": SAML})


class Saml(Words):
    """What stands in the assertion, and who signs it."""

    token_url: str
    """Below `url`, or a whole URL: also the assertion's Recipient."""
    key: SecretStr
    """The RSA private key as PEM, whose certificate is registered there; line ends may be written `\\n`."""
    certificate: str = ""
    """The certificate as PEM, where it has to stand in the signature."""
    issuer: str
    """Who signs: at SuccessFactors `www.successfactors.com`."""
    audience: str
    """For whom: at SuccessFactors `www.successfactors.com`."""
    subject: str
    """As whom the token acts."""
    attributes: dict[str, str] = Field(default_factory=dict)
    """Statements about the subject: `api_key` and `use_username` at SuccessFactors."""
    seconds: int = Field(default=600, gt=0, le=3600)
    """For how long an assertion is good."""
    fields: dict[str, SecretStr] = Field(default_factory=dict)
    """Further fields of the form: client_id and company_id at SuccessFactors."""

    def form(self, recipient: str, now: Callable[[], float] = time.time) -> dict[str, str]:
        """What is sent to the token endpoint."""
        signed = base64.b64encode(etree.tostring(self.signed(recipient, now()))).decode()
        extra = {name: value.get_secret_value() for name, value in self.fields.items()}
        return {"grant_type": BEARER, "assertion": signed, **extra}

    def signed(self, recipient: str, now: float) -> Element:
        """The assertion with an enveloped signature. NotSignedIn where the key is none, without showing it."""
        signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
        key, certificate = (said.replace("\\n", "\n") for said in (self.key.get_secret_value(), self.certificate))
        unsigned = self.assertion(recipient, now)
        try:
            return signer.sign(
                unsigned,
                key=key.encode(),
                cert=certificate or None,
                reference_uri=unsigned.get("ID"),
                id_attribute="ID",
            )
        except Exception as error:  # whatever a key may be
            kind = type(error).__name__
        raise NotSignedIn(f"the key signs no assertion ({kind}): it must be an RSA private key as PEM")

    def assertion(self, recipient: str, now: float) -> Element:
        """As sections 2.3 to 2.7 of SAML 2.0 Core have it; the signature's place is behind the issuer."""
        until = stamp(now + self.seconds)
        confirmed = make.SubjectConfirmationData(NotOnOrAfter=until, Recipient=recipient)
        subject = make.Subject(
            make.NameID(self.subject, Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"),
            make.SubjectConfirmation(confirmed, Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"),
        )
        only_for = make.AudienceRestriction(make.Audience(self.audience))
        said = [make.Attribute(make.AttributeValue(value), Name=name) for name, value in self.attributes.items()]
        way = make.AuthnContextClassRef("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport")
        return make.Assertion(
            make.Issuer(self.issuer),
            etree.Element(f"{{{DSIG}}}Signature", {"Id": "placeholder"}, {"ds": DSIG}),
            subject,
            make.Conditions(only_for, NotBefore=stamp(now - EARLY), NotOnOrAfter=until),
            make.AuthnStatement(make.AuthnContext(way), AuthnInstant=stamp(now), SessionIndex=uuid.uuid4().hex),
            *([make.AttributeStatement(*said)] if said else []),
            ID=f"_{uuid.uuid4().hex}",
            IssueInstant=stamp(now),
            Version="2.0",
        )


def stamp(at: float) -> str:
    """A moment as SAML writes it: UTC, whole seconds."""
    return f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%SZ}"
