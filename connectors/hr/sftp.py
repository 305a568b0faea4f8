"""A file by SFTP, from a host whose key is known: whole, and not while somebody writes it.

Least permission: to list that one folder and to read in it.
"""

from __future__ import annotations

import base64
import fnmatch
import io
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from connectors.errors import Refused, Retryable

TIMEOUT = 60.0  # seconds
WILD = "*"
"""In the name of a file: of those that fit the newest is taken."""


KINDS: tuple[tuple[type, Any], ...] = (
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
    (rsa.RSAPrivateKey, paramiko.RSAKey),
)
"""paramiko reads keys of one kind each, and no PKCS #8."""


class Host(NamedTuple):
    """Where, as whom, and by which key."""

    name: str
    """The source's, for messages."""
    url: str
    user: str
    password: str
    key: str
    host_key: str
    settle: float
    """Seconds in which the file must not change."""
    sleep: Callable[[float], None] = time.sleep

    @property
    def path(self) -> str:
        """Absolute: `sftp://host/export/people.csv`."""
        return unquote(urlsplit(self.url).path)

    def fetched(self) -> bytes:
        """The file's bytes, over one connection, which ends here."""
        with self.session() as session:
            path = self.newest(session)
            before = session.stat(path)
            if self.settle:
                self.sleep(self.settle)
            whole = io.BytesIO()
            session.getfo(path, whole)
            after = session.stat(path)
        if (before.st_size, before.st_mtime) != (after.st_size, after.st_mtime) or after.st_size != len(
            whole.getvalue()
        ):
            raise Retryable(self.name, "fetch the file", f"{path} is being written", "Run again a little later.")
        return whole.getvalue()

    def newest(self, session: Any) -> str:
        """The path, or of the files that fit it the one written last; of several of one second the last by name."""
        folder, _, pattern = self.path.rpartition("/")
        if WILD not in pattern:
            return self.path
        there = [each for each in session.listdir_attr(folder or "/") if stat.S_ISREG(each.st_mode or 0)]
        fitting = [each for each in there if fnmatch.fnmatchcase(each.filename, pattern)]
        if not fitting:
            raise FileNotFoundError(self.path)
        return f"{folder}/{max(fitting, key=lambda each: (each.st_mtime or 0, each.filename)).filename}"

    @contextmanager
    def session(self) -> Iterator[Any]:
        """Signed in, after the host has shown its key. Retryable where it is not there, Refused where it says no."""
        place, doing = urlsplit(self.url), "fetch the file"
        host, transport = place.hostname or "", None
        expected, own = host_key(self.name, self.host_key), private_key(self.name, self.key)
        try:
            transport = paramiko.Transport(socket.create_connection((host, place.port or 22), TIMEOUT))
            transport.banner_timeout = transport.auth_timeout = TIMEOUT
            transport.connect(expected, self.user, self.password or None, own)
            yield paramiko.SFTPClient.from_transport(transport)
        except FileNotFoundError:
            raise Refused(self.name, doing, f"no such file at {host}: {self.path}", "Mend options.path.") from None
        except (paramiko.AuthenticationException, PermissionError) as error:
            why = f"{host} refused us ({type(error).__name__})"
            raise Refused(self.name, doing, why, "Check options.remote and permissions.") from None
        except paramiko.SSHException as error:
            todo = "Check options.remote.host_key: was the server replaced?"
            raise Refused(self.name, doing, f"{host}: {error}", todo) from None
        except (OSError, EOFError) as error:
            why = f"cannot reach {host}, or it broke off ({error})"
            raise Retryable(self.name, doing, why, "Check options.path and the network.") from None
        finally:
            if transport is not None:
                transport.close()


def host_key(name: str, text: str) -> paramiko.PKey:
    """The key that the server must show."""
    try:
        *_, kind, coded = text.split()
        return paramiko.PKey.from_type_string(kind, base64.b64decode(coded))
    except (ValueError, paramiko.SSHException, paramiko.UnknownKeyType):
        why = "options.remote.host_key is no public key"
        raise Refused(name, "fetch the file", why, "Take it from `ssh-keyscan HOST`, and compare it.") from None


def private_key(name: str, text: str) -> paramiko.PKey | None:
    """Our own key, in OpenSSH's form or in PEM; None where there is none."""
    if not text:
        return None
    data = text.replace("\\n", "\n").strip().encode() + b"\n"
    load = serialization.load_ssh_private_key if b"OPENSSH" in data else serialization.load_pem_private_key
    try:
        own = load(data, None)
        plain = own.private_bytes(  # type: ignore[union-attr, unused-ignore]
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        return next(made for kind, made in KINDS if isinstance(own, kind)).from_private_key(io.StringIO(plain.decode()))
    except (ValueError, TypeError, StopIteration, UnsupportedAlgorithm, paramiko.SSHException):
        why = "options.remote.key is no private key"
        raise Refused(name, "fetch the file", why, "Give it as PEM, without a passphrase.") from None
