"""What the directories of the tests need besides themselves: a throw-away certificate authority, and OpenLDAP's own
client programs, which share nothing with the connector."""

from __future__ import annotations

import base64
import ipaddress
import os
import random
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# certificates


class Authority:
    """A certificate authority that lives as long as its folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Throw-away CA {random.randrange(10**6)}")])
        self.file = folder / "ca.pem"
        made = self.certificate(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None))
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def certificate(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        build = x509.CertificateBuilder(issuer_name=self.name, subject_name=name, public_key=key.public_key())
        build = build.serial_number(x509.random_serial_number())
        build = build.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))
        usage = isinstance(extension, x509.BasicConstraints)
        return build.add_extension(extension, critical=usage).sign(self.key, hashes.SHA256())

    def server(self, label: str, address: str) -> tuple[Path, Path]:
        """Certificate and key of a server at this address."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address))]
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        made = self.certificate(name, key, x509.SubjectAlternativeName(names))
        files = self.folder / f"{label}.pem", self.folder / f"{label}.key"
        files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        files[1].write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.TraditionalOpenSSL, plain))
        files[1].chmod(0o600)
        return files


# the other client


Row = dict[str, list[str]]


class OtherClient:
    """ldapsearch and ldapmodify as somebody."""

    def __init__(self, url: str, user: str, password: str, ca: Path) -> None:
        self.url, self.user, self.password, self.ca = url, user, password, ca

    def run(self, program: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "LDAPTLS_CACERT": str(self.ca), "LDAPTLS_REQCERT": "demand"}
        command = [program, "-x", "-H", self.url, "-D", self.user, "-w", self.password, *arguments]
        return subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, timeout=60)

    def rows(self, base: str, filter: str, *attributes: str, more: tuple[str, ...] = ()) -> list[Row]:
        """Entries by lower-case attribute name, with their `dn`."""
        ends = ("-LLL", "-o", "ldif-wrap=no", "-E", "pr=500/noprompt", *more)
        done = self.run("ldapsearch", *ends, "-b", base, filter, *attributes)
        if done.returncode not in (0, 32):
            raise AssertionError(f"ldapsearch: {done.stderr}")
        return [row for block in done.stdout.split("\n\n") if (row := parsed(block)) and "dn" in row]

    def modify(self, ldif: str) -> None:
        """Changes as LDIF; entries without changetype are added."""
        done = self.run("ldapmodify", "-a", stdin=ldif)
        assert done.returncode == 0, done.stderr + done.stdout

    def may_sign_in(self) -> bool:
        return self.run("ldapsearch", "-LLL", "-s", "base", "-b", "", "1.1").returncode == 0

    def as_(self, user: str, password: str) -> OtherClient:
        return OtherClient(self.url, user, password, self.ca)


def parsed(block: str) -> Row:
    """One entry of LDIF (RFC 2849)."""
    row: Row = {}
    for line in block.splitlines():
        name, colon, value = line.partition(":")
        if not colon or name.startswith("#") or name in ("ref",):
            continue
        if value.startswith(":"):
            raw = base64.b64decode(value[1:])
            guid = name.lower() == "objectguid"
            value = str(uuid.UUID(bytes_le=raw)) if guid else raw.decode("utf-8", "replace")
        row.setdefault(name.lower(), []).append(value.removeprefix(" "))
    return row


def quoted(value: str) -> str:
    """A value in a filter, by hand (RFC 4515)."""
    return "".join(f"\\{ord(c):02x}" if c in "\\*()\x00" else c for c in value)
