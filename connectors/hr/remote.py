"""A file that lies elsewhere: by HTTPS, or by SFTP.

Least permission: to read that one file.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from connectors.auth import Auth
from connectors.errors import Refused
from connectors.hr.sftp import Host
from connectors.http import Http, client
from connectors.surroundings import Surroundings
from mappings.words import Words

SCHEMES = ("https", "http", "sftp")


class Remote(Words):
    """The words under `options.remote`: how a file at a URL is got."""

    auth: Auth | None = None
    """For HTTPS."""
    user: str = ""
    """For SFTP."""
    password: SecretStr = SecretStr("")
    key: SecretStr = SecretStr("")
    """A private key as PEM in place of the password; line ends may be written `\\n`."""
    host_key: str = ""
    """The server's public key, as `ssh-keyscan` prints it: `ssh-ed25519 AAAA…`. Needed for SFTP."""
    settle_seconds: float = Field(default=5, ge=0, le=600)
    """By SFTP: how long the file must stay as it is, before it counts as whole."""


def is_remote(path: str) -> bool:
    """Whether a path is a URL."""
    return path.split("://")[0] in SCHEMES and "://" in path


def fetcher(name: str, url: str, remote: Remote, around: Surroundings) -> Callable[[], bytes]:
    """What fetches the file's bytes, whole. Refused where anybody on the way could read them."""
    place = urlsplit(url)
    if place.scheme == "sftp":
        secrets = remote.password.get_secret_value(), remote.key.get_secret_value()
        return Host(name, url, remote.user, *secrets, remote.host_key, remote.settle_seconds).fetched
    if place.scheme == "http" and not is_here(place.hostname or ""):
        raise Refused(name, f"hr/{name}.yaml", "options.path is http: everybody on the way reads it", "Use https.")
    return Web(Http(name, client(url, remote.auth, {"Accept": "*/*"}), around, "options.path"), url).fetched


def is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Web:
    """A file by HTTPS, fetched again only where it has changed (RFC 9110 §13.1)."""

    def __init__(self, http: Http, url: str) -> None:
        self.http, self.url = http, url
        self.conditions: dict[str, str] = {}
        self.held = b""

    def fetched(self) -> bytes:
        """The file's bytes. Refused where a page for people came in its place."""
        answer = self.http.request("GET", self.url, doing="fetch the file", headers=self.conditions)
        if answer.status_code == 304:
            return self.held
        if "html" in answer.headers.get("content-type", ""):
            why = "a web page came in place of the file, perhaps to sign in"
            raise Refused(self.http.app, "fetch the file", why, "Check options.path and options.remote.auth.")
        named = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}
        self.conditions = {ours: answer.headers[its] for ours, its in named.items() if its in answer.headers}
        self.held = answer.content if self.conditions else b""
        return answer.content
