"""Keys that sign evidence: Ed25519, as PEM. The head of the chain is noted beside the private key."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import CryptoSigner, Key, SSlibKey  # type: ignore[attr-defined]

VARIABLE = "ROLLCALL_SIGNING_KEY"
END = b"-----END PUBLIC KEY-----"
TAIL_BYTES = 4096  # of the head file; its last lines are the newest but for a race of a few


class KeyUnusable(ValueError):
    """The key cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Head:
    """The last packet of a chain: its number and the sha256 of its envelope."""

    seq: int
    sha256: str


@dataclass(frozen=True)
class Signer:
    """A private key, and the file in which each head it signed is noted."""

    crypto: CryptoSigner
    head_file: Path | None

    @property
    def keyid(self) -> str:
        """The sha256 of the public key's canonical form."""
        return self.crypto.public_key.keyid

    @property
    def public_key(self) -> Key:
        """What verifies its signatures."""
        return self.crypto.public_key

    def note(self, head: Head) -> None:
        """Add a head to the head file: one short line, which the system appends whole."""
        if self.head_file is not None:
            with self.head_file.open("a", encoding="ascii") as file:
                file.write(f"{head.seq} {head.sha256}\n")

    def noted(self) -> Head | None:
        """The furthest head in the head file."""
        return None if self.head_file is None else read_head(self.head_file)


def generate(path: Path) -> Signer:
    """Make a new key in a file that only its owner can read. FileExistsError rather than overwrite one."""
    made = CryptoSigner.generate_ed25519()
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made.private_bytes)
    return Signer(made, head_file_of(path))


def load(
    path: Path | None = None, environment: Mapping[str, str] = os.environ, head_file: Path | None = None
) -> Signer:
    """The key in ROLLCALL_SIGNING_KEY (PEM; `\\n` may stand for a line's end), else the one in the file.

    KeyUnusable where there is none, where others can read the file, or where it is not an Ed25519 key.
    Without a file, `head_file` says where heads are noted; nowhere if it is left out.
    """
    if pem := environment.get(VARIABLE):
        return Signer(signer_of(pem.replace("\\n", "\n").encode(), VARIABLE), head_file)
    if path is None or not path.exists():
        raise KeyUnusable(f"no signing key: set {VARIABLE} or make one at {path}")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyUnusable(f"{path} can be read by others: chmod 600 {path}; if it was ever exposed, make a new key")
    return Signer(signer_of(path.read_bytes(), str(path)), head_file or head_file_of(path))


def signer_of(pem: bytes, where: str) -> CryptoSigner:
    """The signer in a PEM text."""
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"{where} holds no unencrypted private key in PEM form") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyUnusable(f"{where} is not an Ed25519 key; make one with: openssl genpkey -algorithm ed25519")
    return CryptoSigner(private)


def head_file_of(path: Path) -> Path:
    """`name.head` beside `name.pem`."""
    return path.with_suffix(".head")


def read_head(path: Path) -> Head | None:
    """The furthest head in a head file; a line cut short by a crash is passed over."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = file.read().decode("ascii", errors="replace").splitlines()
    words = [line.split() for line in lines]
    heads = [Head(int(w[0]), w[1]) for w in words if len(w) == 2 and w[0].isdigit() and len(w[1]) == 64]
    return max(heads, key=lambda head: head.seq, default=None)


def public_pem(signer: Signer) -> bytes:
    """The public key, to be handed to whoever verifies."""
    raw = bytes.fromhex(signer.crypto.public_key.keyval["public"])
    return Ed25519PublicKey.from_public_bytes(raw).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_public(paths: Iterable[Path]) -> list[Key]:
    """The public keys in these PEM files. After a rotation there are several, in one file or in many."""
    return [key for path in paths for key in public_keys_of(path.read_bytes(), str(path))]


def public_keys_of(pem: bytes, where: str) -> list[Key]:
    """The public keys in a PEM text of one or more."""
    blocks = [block + END for block in pem.split(END)[:-1]]
    if not blocks:
        raise KeyUnusable(f"{where} holds no public key in PEM form")
    return [public_key_of(block, where) for block in blocks]


def public_key_of(block: bytes, where: str) -> Key:
    """The public key in one PEM block."""
    try:
        public = load_pem_public_key(block.strip())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"{where} holds a public key that cannot be read") from error
    if not isinstance(public, Ed25519PublicKey):
        raise KeyUnusable(f"{where} holds a public key that is not Ed25519")
    return SSlibKey.from_crypto(public)
