"""A file that lies elsewhere: by HTTPS, or by SFTP from a host whose key is known.

Least permission: to read that one file.
"""

from __future__ import annotations

import base64
import io
import socket
from typing import Any
from urllib.parse import unquote, urlsplit

import paramiko
from pydantic import SecretStr

from connectors.auth import Auth
from connectors.errors import Refused, Retryable
from connectors.http import Http, client
from connectors.surroundings import Surroundings
from mappings.words import Words

SCHEMES = ("https", "http", "sftp")
TIMEOUT = 60.0  # seconds


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


def is_remote(path: str) -> bool:
    """Whether a path is a URL."""
    return path.split("://")[0] in SCHEMES and "://" in path


def fetched(name: str, url: str, remote: Remote, around: Surroundings) -> bytes:
    """The file's bytes, whole. Retryable where the server cannot be reached, Refused where it says no."""
    if urlsplit(url).scheme == "sftp":
        return by_sftp(name, url, remote)
    http = Http(name, client(url, remote.auth, {"Accept": "*/*"}), around, "options.path")
    return http.request("GET", url, doing="fetch the file").content


def by_sftp(name: str, url: str, remote: Remote) -> bytes:
    """Over one connection, which ends here. The path is absolute: `sftp://host/export/people.csv`."""
    place, doing = urlsplit(url), "fetch the file"
    host, path = place.hostname or "", unquote(place.path)
    expected = host_key(name, remote.host_key)
    transport = None
    try:
        transport = paramiko.Transport(socket.create_connection((host, place.port or 22), TIMEOUT))
        transport.banner_timeout = transport.auth_timeout = TIMEOUT
        own = private_key(name, remote.key.get_secret_value())
        transport.connect(expected, remote.user, remote.password.get_secret_value() or None, own)
        session = paramiko.SFTPClient.from_transport(transport)
        assert session is not None
        whole = io.BytesIO()
        session.getfo(path, whole)
        return whole.getvalue()
    except FileNotFoundError:
        raise Refused(name, doing, f"no such file at {host}: {path}", "Mend options.path.") from None
    except (paramiko.AuthenticationException, PermissionError) as error:
        kind = type(error).__name__
        raise Refused(name, doing, f"{host} refused us ({kind})", "Check options.remote and permissions.") from None
    except paramiko.SSHException as error:
        raise Refused(
            name, doing, f"{host}: {error}", "Check options.remote.host_key: was the server replaced?"
        ) from None
    except (OSError, EOFError) as error:
        raise Retryable(name, doing, f"cannot reach {host} ({error})", "Check options.path and the network.") from None
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


def private_key(name: str, text: str) -> Any:
    """Our own key; None where there is none."""
    if not text:
        return None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text.replace("\\n", "\n")))
        except (paramiko.SSHException, ValueError):
            continue
    raise Refused(
        name, "fetch the file", "options.remote.key is no private key", "Give it as PEM, without a passphrase."
    )
