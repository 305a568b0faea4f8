"""A door in front of a directory that can be told what goes wrong: it ends TLS, so that it sees each operation."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass

from tests.ldap_client import Authority

REQUESTS = {
    0x60: "bind",
    0x42: "unbind",
    0x63: "search",
    0x66: "modify",
    0x68: "add",
    0x4A: "delete",
    0x6C: "rename",
    0x77: "extended",
}
ANSWERS = {"bind": 0x61, "search": 0x65, "modify": 0x67, "add": 0x69, "delete": 0x6B, "rename": 0x6D}
NOT_LAST = (0x64, 0x73, 0x79)  # an entry, a reference, an intermediate response
BUSY, UNAVAILABLE, SUCCESS = 51, 52, 0


@dataclass
class Fault:
    """What happens to the next operations of a kind."""

    operation: str
    """Its name, or `write` for any that changes something."""
    kind: str
    """lost: done, and the connection cut before the answer; cut: not done; hang: no answer; code: this result."""
    code: int = BUSY
    times: int = 1
    skip: int = 0
    """How many of them pass first."""


class Door:
    """Listens on 127.0.0.1 with a certificate of the same authority."""

    def __init__(self, authority: Authority, host: str, port: int, name: str = "127.0.0.1") -> None:
        self.target = host, port
        certificate, key = authority.server(f"door-{name}", name)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        """Names of the operations that came, in their order."""
        self.lock = threading.Lock()
        self.open: set[socket.socket] = set()
        self.most = 0
        """How many connections were open at once, at most."""
        self.released = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"ldaps://127.0.0.1:{self.listener.getsockname()[1]}"

    def close(self) -> None:
        self.released.set()
        self.listener.close()
        self.cut()

    def cut(self) -> None:
        """Break all connections, as a firewall does with idle ones."""
        with self.lock:
            for one in list(self.open):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def fault(self, operation: str, kind: str, code: int = BUSY, times: int = 1, skip: int = 0) -> None:
        with self.lock:
            self.faults.append(Fault(operation, kind, code, times, skip))

    def heal(self) -> None:
        with self.lock:
            self.faults.clear()
            self.seen.clear()
            self.most = len(self.open)

    def accept(self) -> None:
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw: socket.socket) -> None:
        """One connection: a request, its answer, the next request, as a synchronous client does it."""
        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        plain.check_hostname, plain.verify_mode = False, ssl.CERT_NONE
        with self.lock:
            self.open.add(raw)
            self.most = max(self.most, len(self.open))
        try:
            with (
                self.context.wrap_socket(raw, server_side=True) as client,
                plain.wrap_socket(socket.create_connection(self.target)) as server,
            ):
                with self.lock:  # wrapping has taken the socket out of `raw`
                    self.open.remove(raw)
                    self.open.add(client)
                raw = client
                while self.passed(client, server):
                    pass
        except (OSError, EOFError):
            pass
        finally:
            with self.lock:
                self.open.discard(raw)
            raw.close()

    def passed(self, client: ssl.SSLSocket, server: ssl.SSLSocket) -> bool:
        """One operation; whether the connection lives on."""
        request = message(client)
        ident, tag = parts(request)
        name = REQUESTS.get(tag, "other")
        fault = self.due(name)
        if fault and fault.kind == "hang":
            self.released.wait(30)
            return False
        if fault and fault.kind == "cut":
            return False
        if fault and fault.kind == "code":
            client.sendall(result(ident, ANSWERS[name], fault.code))
            return True
        server.sendall(request)
        if name == "unbind":
            return False
        while True:
            answer = message(server)
            last = parts(answer)[1] not in NOT_LAST
            if fault and last:
                return False
            client.sendall(answer)
            if last:
                return True

    def due(self, name: str) -> Fault | None:
        """The fault for this operation, used up by one."""
        with self.lock:
            self.seen.append(name)
            for fault in self.faults:
                write = name in ("add", "modify", "delete", "rename")
                if fault.times and (fault.operation == name or (fault.operation == "write" and write)):
                    if fault.skip:
                        fault.skip -= 1
                        return None
                    fault.times -= 1
                    return fault
        return None


def exactly(stream: ssl.SSLSocket, count: int) -> bytes:
    """So many bytes; EOFError where the other side is gone."""
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def message(stream: ssl.SSLSocket) -> bytes:
    """One LDAPMessage, as bytes (X.690: tag, length, content)."""
    head = exactly(stream, 2)
    more = head[1] & 0x7F if head[1] & 0x80 else 0
    length = exactly(stream, more)
    size = int.from_bytes(length, "big") if more else head[1]
    return head + length + exactly(stream, size)


def parts(data: bytes) -> tuple[int, int]:
    """Message id and the operation's tag."""
    at = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    size = data[at + 1]
    return int.from_bytes(data[at + 2 : at + 2 + size], "big"), data[at + 2 + size]


def result(ident: int, tag: int, code: int) -> bytes:
    """An LDAPMessage with a result and nothing else."""
    body = b"\x0a\x01" + bytes([code]) + b"\x04\x00\x04\x00"
    number = ident.to_bytes(4, "big")
    content = b"\x02\x04" + number + bytes([tag, len(body)]) + body
    return b"\x30" + bytes([len(content)]) + content
