"""SAML assertions as RFC 7522 has them: checked by libxmlsec1, and by the door of SuccessFactors' twin."""

import base64
import time
from collections.abc import Iterator

import httpx
import pytest
import xmlsec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from connectors.errors import Refused
from connectors.saml import BEARER, Saml
from connectors.sandbox import Sandbox
from connectors.signing import NotSignedIn
from tests.hr_house import connected

URL = "https://api4.successfactors.com/oauth/token"
NAMES = {"s": "urn:oasis:names:tc:SAML:2.0:assertion"}


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, kind, plain).decode()


def saml(key: str, **said: object) -> Saml:
    words = {"token_url": URL, "issuer": "www.successfactors.com", "audience": "www.successfactors.com"}
    more = {"subject": "Ana & <Bo>", "key": key, "attributes": {"api_key": "k"}, "fields": {"company_id": "mill"}}
    return Saml.model_validate(words | more | said)


def test_libxmlsec_believes_it_and_notices_a_change(key):
    form = saml(pem(key).replace("\n", "\\n")).form(URL)
    root = etree.fromstring(base64.b64decode(form.pop("assertion")))

    assert form == {"grant_type": BEARER, "company_id": "mill"}
    believed(root, key)
    assert root.findtext(".//s:NameID", "", NAMES) == "Ana & <Bo>"
    root.find(".//s:NameID", NAMES).text = "Bo"
    with pytest.raises(xmlsec.Error):
        believed(root, key)


def believed(root: etree._Element, key: rsa.RSAPrivateKey) -> None:
    """By libxmlsec1 with the public key alone; xmlsec.Error where not."""
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    xmlsec.tree.add_ids(root, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(public, xmlsec.KeyFormat.PEM)
    context.verify(xmlsec.tree.find_node(root, xmlsec.Node.SIGNATURE))


def test_each_one_is_new_and_ends_after_minutes(key):
    first, second = (saml(pem(key)).assertion(URL, 1_800_000_000.0) for _ in range(2))

    assert first.get("ID") != second.get("ID")
    conditions = first.find("s:Conditions", NAMES)
    assert conditions.get("NotBefore") == "2027-01-15T07:59:00Z"
    assert conditions.get("NotOnOrAfter") == "2027-01-15T08:10:00Z"


@pytest.mark.parametrize("bad", ["", "no key at all", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_told_without_it(bad):
    with pytest.raises(NotSignedIn, match="must be an RSA private key") as error:
        saml(bad).form(URL)
    assert not bad or bad not in str(error.value)


# at SuccessFactors' door


@pytest.fixture
def door(sandbox: Sandbox) -> Iterator[httpx.Client]:
    control = sandbox.control("successfactors")
    control.reset()
    with httpx.Client() as client:
        yield client
    control.reset()


def test_one_token_serves_all_calls_and_is_renewed_when_refused(door, sandbox):
    app = connected(sandbox.environment, "successfactors")
    app.check(), app.read_one("102")
    sandbox.control("successfactors").reset()  # the tokens are gone

    assert len(app.read_one("102")) == 1
    calls = [seen["path"] for seen in sandbox.control("successfactors").log()]
    assert calls.count("/successfactors/oauth/token") == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"audience": "www.elsewhere.example"}, "audience"),
        ({"attributes": {"api_key": "another"}}, "api_key"),
        ({"subject": "somebody.else"}, "not known"),
        ({"issuer": "www.successfactors.com"}, ""),
    ],
)
def test_the_door_takes_what_is_meant_for_it(door, sandbox, said, words):
    options = connected(sandbox.environment, "successfactors").options.auth.saml
    url = sandbox.environment["SUCCESSFACTORS_TOKEN_URL"]

    answer = door.post(url, data=options.model_copy(update=said).form(url))
    assert answer.is_success is not bool(words) and words in answer.text


def test_the_door_takes_no_late_foreign_or_changed_assertion(door, sandbox, key):
    url = sandbox.environment["SUCCESSFACTORS_TOKEN_URL"]
    options = connected(sandbox.environment, "successfactors").options.auth.saml
    good = options.form(url)
    changed = base64.b64decode(good["assertion"]).replace(b">rollcall<", b">admin<")
    foreign = options.model_copy(update={"key": saml(pem(key)).key}).form(url)

    for form, words in (
        (options.form(url, lambda: time.time() - 700), "expired"),
        (options.form("https://elsewhere.example/oauth/token"), "recipient"),
        (foreign, "signature is not valid"),
        (good | {"assertion": base64.b64encode(changed).decode()}, "signature is not valid"),
        (good | {"company_id": "another"}, "Unable to find"),
    ):
        answer = door.post(url, data=form)
        assert answer.status_code == 400 and words in answer.text


def test_a_company_without_basic_refuses_a_password_and_names_the_variables(door, sandbox):
    sandbox.control("successfactors").options(basic=False)
    values = sandbox.environment
    auth = {"basic": {"user": values["SUCCESSFACTORS_USER"], "password": values["SUCCESSFACTORS_PASSWORD"]}}

    with pytest.raises(Refused, match="was refused"):
        connected(values, "successfactors", auth=auth).check()
    assert "24 EmpEmployment" in connected(values, "successfactors").check()
