"""Workday's SOAP: requests made by zeep after the tenant's own WSDL, sent by our client, answers read as XML.

Facts are of the Human_Resources WSDL v26.1 and of a recorded validation fault, unless marked unverified.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, cast

import httpx
import zeep
from lxml import etree
from lxml.etree import _Element as Element
from zeep.exceptions import Error as ZeepError
from zeep.transports import Transport
from zeep.wsse.username import UsernameToken

from connectors.errors import Refused, Retryable
from connectors.http import Http

WD = "urn:com.workday/bsvc"
NAMES = {"wd": WD}
WHERE = "urn:com.workday/bsvc/Human_Resources"


class WorkdayHttp(Http):
    """Workday says 500 to every fault, also to those that no second attempt mends."""

    def error(self, method: str, response: httpx.Response, doing: str) -> Retryable | Refused:
        """A fault of the client's is Refused with Workday's words; one of the server's stays Retryable."""
        code, words = fault(response.content)
        if "authentication" in code:  # Client.authenticationError: unverified
            why = f"Workday refused the sign-in: {self.redaction.mask(words)}"
            return Refused(self.app, doing, why, f"Check {self.variables()}.", 401)
        if code.startswith("Client") or "not authorized" in words:  # of tasks, by a fault of the server's: unverified
            todo = "Check the request's values and the domains that the integration user may see."
            return Refused(self.app, doing, f"Workday says {self.redaction.mask(words)!r}", todo, response.status_code)
        return super().error(method, response, doing)


class Soap:
    """The operations of one tenant's Human_Resources service."""

    def __init__(self, http: Http, url: str, wsdl: str, user: str, password: str) -> None:
        self.http, self.url, self.wsdl, self.user, self.password = http, url.rstrip("/"), wsdl, user, password
        self.version = self.url.rsplit("/", 1)[-1]
        """Pinned in each request: the last part of the url, `v26.1`."""

    @cached_property
    def client(self) -> Any:
        """zeep after the WSDL, which is fetched once."""
        token = UsernameToken(self.user, self.password)
        return zeep.Client(self.wsdl, transport=Documents(self.http), wsse=token)

    @cached_property
    def service(self) -> Any:
        """The operations, at our url instead of the one in the WSDL."""
        return self.client.create_service(f"{{{WHERE}}}Human_ResourcesBinding", self.url)

    def call(self, operation: str, doing: str, reads: bool = True, **said: Any) -> Element:
        """The answer's root. Refused where the tenant's WSDL knows no such request, and for client faults."""
        try:
            envelope = self.client.create_message(self.service, operation, version=self.version, **said)
        except (ZeepError, TypeError, ValueError, AttributeError) as error:
            why = self.http.redaction.mask(f"the WSDL does not allow this {operation}: {error}")
            raise Refused(self.http.app, doing, why, "Check the version in options.url.") from None
        content = etree.tostring(envelope, encoding="utf-8", xml_declaration=True)
        sent = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', "Accept": "text/xml"}
        answer = self.http.request("POST", self.url, doing=doing, reads=reads, content=content, headers=sent)
        return self.body(answer, doing)

    def body(self, answer: httpx.Response, doing: str) -> Element:
        """What stands in the envelope's body."""
        try:
            found = parsed(answer.content).find("{*}Body")
        except etree.XMLSyntaxError:
            found = None
        if found is None or not len(found):
            kind = answer.headers.get("content-type", "something unnamed")
            why = f"the server answered {answer.status_code} with {kind}, no SOAP envelope"
            raise Refused(self.http.app, doing, why, "Check options.url.")
        answered: Element = found[0]
        return answered

    def keeps_others(self) -> bool:
        """Whether this version's e-mail addresses take Do_Not_Replace_All; v26.1 has it on postal ones alone."""
        kind = self.client.get_type(f"{{{WD}}}Email_Address_Information_DataType")
        return any(name == "Do_Not_Replace_All" for name, _ in kind.attributes)


class Documents(Transport):
    """Fetches the WSDL for zeep through our client; calls do not go this way."""

    def __init__(self, http: Http) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.http = http

    def load(self, url: str) -> bytes:
        """The document at a URL, or in a file."""
        if not url.startswith(("http://", "https://")):
            return Path(url).read_bytes()
        return self.http.request("GET", url, doing="read the WSDL", headers={"Accept": "text/xml"}).content


def parsed(content: bytes) -> Element:
    """XML without entities, networks or DTDs; pages of a thousand people may be large."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    return cast(Element, etree.fromstring(content, parser))


def fault(content: bytes) -> tuple[str, str]:
    """A SOAP fault's code without its prefix, and its words; both empty where the answer is none."""
    try:
        found = next(parsed(content).iter("{*}Fault"), None)
    except etree.XMLSyntaxError:
        return "", ""
    if found is None:
        return "", ""
    code = (found.findtext("faultcode") or "").rpartition(":")[2]
    details = [each.text or "" for each in found.iter(f"{{{WD}}}Detail_Message", f"{{{WD}}}Xpath")]
    words = dict.fromkeys([found.findtext("faultstring") or "", *details])
    return code, "; ".join(word for word in words if word)
