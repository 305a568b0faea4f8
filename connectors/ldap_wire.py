"""Connections to one directory: bounded, bound, over TLS with a checked certificate, and made anew when they break.

Sourced from RFC 4511 (LDAP), RFC 4513 (TLS, bind), RFC 2696 (pages). SASL (GSSAPI, EXTERNAL) is not offered.
"""

from __future__ import annotations

import os
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import ldap3
import tenacity
from ldap3.core.exceptions import (
    LDAPExceptionError,
    LDAPInvalidFilterError,
    LDAPSocketOpenError,
    LDAPSSLConfigurationError,
    LDAPStartTLSError,
)

from connectors.errors import Refused, Retryable
from connectors.ldap_entries import Entry
from connectors.ldap_errors import Busy, Lost, Told
from connectors.ldap_options import Options
from connectors.redaction import guard_logs

CONNECT_SECONDS = 5
TURN_SECONDS = 60  # how long a call waits for a free connection
ATTEMPTS = 4
READS_AGAIN = 2  # a read is sent so often in all where a connection breaks
PAGED = "1.2.840.113556.1.4.319"

Control = tuple[str, bool, bytes | None]
Change = tuple[str, list[str | bytes]]
"""ldap3's operation (MODIFY_ADD, …) and the values."""
Changes = Mapping[str, Sequence[Change]]
Result = TypeVar("Result")


class Wire:
    """Calls to one directory, from any thread. Raises Retryable or Refused."""

    def __init__(self, app: str, options: Options, secrets: Mapping[str, str]) -> None:
        self.app, self.options = app, options
        self.told = Told(app, " or ".join(options.url), secrets)
        guard_logs(secrets.values())
        self.process = os.getpid()
        self.turns = threading.BoundedSemaphore(options.connections)
        self.idle: list[ldap3.Connection] = []
        self.close = weakref.finalize(self, hang_up, self.idle)
        """Ends the connections; comes by itself with the end of this object or of the process."""

    def __repr__(self) -> str:
        return f"Wire({self.app}, {' or '.join(self.options.url)})"

    # calls

    def search(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        doing: str,
        scope: str = ldap3.SUBTREE,
        controls: Sequence[Control] = (),
    ) -> Iterator[Entry]:
        """All entries that match, page by page, over one connection. A base that does not exist is Refused (404)."""
        with self.line(doing) as line:
            cookie: bytes | None = b""
            while cookie is not None:
                page = (PAGED, False, page_control(self.options.page_size, cookie))
                found, cookie = line.page(base, filter, attributes, scope, (page, *controls), again=not cookie)
                yield from found

    def entry(self, dn: str, attributes: Sequence[str], doing: str, filter: str = "(objectClass=*)") -> Entry | None:
        """The entry with this DN; None where there is none or the filter leaves it out."""
        with self.line(doing) as line:
            try:
                found, _ = line.page(dn, filter, attributes, ldap3.BASE, (), again=True)
            except Refused as error:
                if error.status == 404:
                    return None
                raise
        return next(iter(found), None)

    def add(self, dn: str, classes: Sequence[str], values: Mapping[str, Any], doing: str) -> None:
        """Make an entry. Lost where no answer came."""
        self.write(doing, lambda c: c.add(dn, list(classes), dict(values)))

    def modify(self, dn: str, changes: Changes, doing: str, controls: Sequence[Control] = ()) -> None:
        """Change an entry, all or nothing. Nothing is sent where there is nothing to change."""
        if changes:
            wanted = {name: list(each) for name, each in changes.items()}
            self.write(doing, lambda c: c.modify(dn, wanted, controls=list(controls) or None))

    def rename(self, dn: str, rdn: str, parent: str, doing: str) -> None:
        """Give an entry another RDN, another container, or both."""
        self.write(doing, lambda c: c.modify_dn(dn, rdn, delete_old_dn=True, new_superior=parent or None))

    def delete(self, dn: str, doing: str) -> None:
        """Remove an entry without entries below it."""
        self.write(doing, lambda c: c.delete(dn))

    def write(self, doing: str, send: Callable[[ldap3.Connection], Any]) -> None:
        """Send one write; what the server said it did not do for want of time is sent again."""
        with self.line(doing) as line:
            line.insist(lambda: line.call(send))

    # connections

    @contextmanager
    def line(self, doing: str) -> Iterator[Line]:
        """A connection of one's own for a while."""
        if self.process != os.getpid():  # a fork: the connections are the other process's
            self.process, self.turns = os.getpid(), threading.BoundedSemaphore(self.options.connections)
            forget(self.idle)
        if not self.turns.acquire(timeout=TURN_SECONDS):
            why = f"all {self.options.connections} connections are in use"
            raise Retryable(self.app, doing, why, "Raise `connections`, or run less at once.")
        turns, line = self.turns, Line(self, doing)
        try:
            yield line
        finally:
            line.give_back()
            turns.release()

    def connect(self, doing: str) -> ldap3.Connection:
        """A bound connection to the first server that answers."""
        error: Retryable | None = None
        for url in self.options.url:
            try:
                return self.bound(url, doing)
            except Retryable as failed:
                error = failed
        assert error is not None
        raise error

    def bound(self, url: str, doing: str) -> ldap3.Connection:
        """A bound connection to this server. Nothing is sent before the certificate was checked."""
        connection = self.fresh(url, doing)
        try:
            connection.open(read_server_info=False)
            if urlsplit(url).scheme == "ldap":
                connection.start_tls(read_server_info=False)
            connection.bind(read_server_info=False)
        except (LDAPSocketOpenError, LDAPStartTLSError) as error:
            drop(connection)
            raise self.unopened(doing, error) from None
        except (LDAPExceptionError, OSError) as error:
            drop(connection)
            raise self.told.unreachable(doing, error) from None
        if connection.result["result"] != 0:
            result = dict(connection.result)
            drop(connection)
            raise self.told.result(result, doing)
        return connection

    def fresh(self, url: str, doing: str) -> ldap3.Connection:
        """A connection that is not open yet."""
        parts = urlsplit(url)
        secure = parts.scheme == "ldaps"
        if parts.scheme not in ("ldaps", "ldap") or not parts.hostname:
            todo = "Write ldaps://host, ldaps://host:port, or ldap://host for StartTLS."
            raise Refused(self.app, doing, f"{url} is no address of a directory", todo)
        try:
            tls = CheckedTls(self.options.ca_file)
        except LDAPSSLConfigurationError:
            raise Refused(self.app, doing, f"there is no file {self.options.ca_file}", "Check `ca_file`.") from None
        port = parts.port or (636 if secure else 389)
        server = ldap3.Server(
            parts.hostname, port, use_ssl=secure, tls=tls, get_info=ldap3.NONE, connect_timeout=CONNECT_SECONDS
        )
        auth = self.options.auth
        return ldap3.Connection(
            server,
            user=auth.user,
            password=auth.password.get_secret_value(),
            authentication=ldap3.SIMPLE,
            auto_referrals=False,
            check_names=False,
            receive_timeout=self.options.timeout,
        )

    def unopened(self, doing: str, error: Exception) -> Retryable | Refused:
        """What it means that no connection was made."""
        said = str(error)
        if "CERTIFICATE_VERIFY_FAILED" in said or "certificate" in said:
            return self.told.untrusted(doing, said)
        return self.told.unreachable(doing, said)


class CheckedTls(ldap3.Tls):  # type: ignore[misc]
    """TLS whose certificate and name Python's ssl checks: ldap3 compares the name itself, by rules of long ago."""

    def __init__(self, ca_file: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED, ca_certs_file=ca_file or None)

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        """ldap3 calls this before anything is sent, and after StartTLS."""
        context = ssl.create_default_context(cafile=self.ca_certs_file)
        connection.socket = context.wrap_socket(connection.socket, server_hostname=connection.server.host)


class Line:
    """One connection in use; opened when it is first needed."""

    def __init__(self, wire: Wire, doing: str) -> None:
        self.wire, self.doing = wire, doing
        self.connection: ldap3.Connection | None = None
        with suppress(IndexError):
            self.connection = wire.idle.pop()

    def give_back(self) -> None:
        """For the next who needs one; broken ones were dropped."""
        if self.connection is not None:
            self.wire.idle.append(self.connection)

    def page(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        scope: str,
        controls: Sequence[Control],
        again: bool,
    ) -> tuple[list[Entry], bytes | None]:
        """One answer to a search, and the cookie of the next page. `again`: it may be asked over a new connection."""

        def ask(connection: ldap3.Connection) -> Any:
            return connection.search(base, filter, scope, attributes=list(attributes), controls=list(controls) or None)

        def look() -> ldap3.Connection:
            for _ in range(READS_AGAIN - 1 if again else 0):
                with suppress(Lost):
                    return self.call(ask)
            return self.call(ask)

        connection = self.insist(look)
        found = [entry_of(row) for row in connection.response or () if row["type"] == "searchResEntry"]
        return found, cookie_of(connection.result)

    def insist(self, attempt: Callable[[], Result]) -> Result:
        """Try again, a few times and after growing pauses, while the server says that it is too busy."""
        trying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Busy),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=4),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            reraise=True,
        )
        return trying(attempt)

    def call(self, send: Callable[[ldap3.Connection], Any]) -> ldap3.Connection:
        """One request and its answer. A connection that breaks is dropped; so is one that the server gives up."""
        if self.connection is None:
            self.connection = self.wire.connect(self.doing)
        connection = self.connection
        try:
            send(connection)
        except LDAPInvalidFilterError as error:
            raise Refused(self.wire.app, self.doing, f"wrong filter: {error}", "Check `filter` in the YAML.") from None
        except (LDAPExceptionError, OSError) as error:
            self.drop()
            hang_up(self.wire.idle)  # a server that went away took all of them along
            raise self.wire.told.lost(self.doing, error) from None
        result = connection.result
        if result["result"] != 0:
            failed = self.wire.told.result(result, self.doing)
            if isinstance(failed, Retryable):
                self.drop()
            raise failed
        return connection

    def drop(self) -> None:
        """Use this connection no more."""
        if self.connection is not None:
            drop(self.connection)
        self.connection = None


def drop(connection: ldap3.Connection) -> None:
    """End a connection, whatever state it is in."""
    with suppress(Exception):
        connection.unbind()
    with suppress(Exception):  # ldap3 forgets the socket where the farewell fails
        connection.socket.close()


def hang_up(idle: list[ldap3.Connection]) -> None:
    """End these connections."""
    with suppress(IndexError):
        while True:
            drop(idle.pop())


def forget(idle: list[ldap3.Connection]) -> None:
    """Let go of these connections without a farewell: another process goes on with them."""
    while idle:
        os.close(idle.pop().socket.detach())


def page_control(size: int, cookie: bytes) -> bytes:
    """The value of RFC 2696's control, in BER."""
    number = size.to_bytes(size.bit_length() // 8 + 1, "big")
    body = b"\x02" + length(number) + number + b"\x04" + length(cookie) + cookie
    return b"\x30" + length(body) + body


def length(content: bytes) -> bytes:
    """A BER length."""
    if len(content) < 0x80:
        return bytes([len(content)])
    number = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(number)]) + number


def cookie_of(result: Mapping[str, Any]) -> bytes | None:
    """Where the next page begins; None after the last one."""
    page = (result.get("controls") or {}).get(PAGED)
    return (page["value"]["cookie"] if page else b"") or None


def entry_of(row: Mapping[str, Any]) -> Entry:
    """An entry of ldap3's answer."""
    return Entry(row["dn"], {name.lower().partition(";")[0]: list(v) for name, v in row["raw_attributes"].items()})
