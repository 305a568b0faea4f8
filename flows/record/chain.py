"""The chain of evidence packets: sealing one, verifying all. Needs keys, and no database.

A packet is a DSSE envelope (https://github.com/secure-systems-lab/dsse) as canonical JSON (RFC 8785). Its payload is
`{"body": …, "previous": …, "recorded_at": …, "seq": …}`; `previous` is the sha256 of the envelope before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import rfc8785
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Key  # type: ignore[attr-defined]

from flows.record.signing import Head, Signer

PAYLOAD_TYPE = "application/vnd.rollcall.evidence+json"
START = Head(0, "0" * 64)
"""What the first packet names as its previous one."""
PACKETS = "packets.jsonl"
HEAD = "head.json"


class ChainBroken(Exception):
    """The chain cannot be continued, or a packet in it is not what was signed."""


@dataclass(frozen=True)
class Verdict:
    """What verifying found: how many packets are intact from the start, and the first break."""

    ok: bool
    count: int
    head: Head
    """The last intact packet."""
    seq: int | None = None
    """Where the chain breaks: the number the broken or missing packet should have."""
    what: str = ""

    def __str__(self) -> str:
        if self.ok:
            return f"{self.count} packets, chain intact"
        return f"chain broken at packet {self.seq}: {self.what} ({self.count} packets before it are intact)"


def seal(signer: Signer, previous: Head, body: Mapping[str, Any], recorded_at: datetime) -> str:
    """The envelope of the packet after `previous`."""
    payload: dict[str, Any] = {
        "seq": previous.seq + 1,
        "previous": previous.sha256,
        "recorded_at": recorded_at.isoformat(),
        "body": body,
    }
    envelope = Envelope(rfc8785.dumps(payload), PAYLOAD_TYPE, {})
    envelope.sign(signer.crypto)
    return rfc8785.dumps(envelope.to_dict()).decode()


def digest(envelope: str | bytes) -> str:
    """The sha256 by which the next packet names this one."""
    return hashlib.sha256(envelope.encode() if isinstance(envelope, str) else envelope).hexdigest()


def payload_of(envelope: str | bytes) -> dict[str, Any]:
    """What the packet says, unverified."""
    payload: dict[str, Any] = json.loads(Envelope.from_dict(json.loads(envelope)).payload)
    return payload


def verify(packets: Iterable[str | bytes], public_keys: Sequence[Key], head: Head | None = None) -> Verdict:
    """Whether the packets are a chain from 1 on without a gap, each signed with one of the keys.

    A chain cut off at its end looks whole from inside: only a `head` kept elsewhere shows it. The chain may have
    grown since the head was noted.
    """
    here, witnessed = START, head is None or head == START
    for packet in packets:
        if what := flaw(packet, public_keys, here):
            return Verdict(False, here.seq, here, here.seq + 1, what)
        here = Head(here.seq + 1, digest(packet))
        if head is not None and here.seq == head.seq:
            if here != head:
                before = Head(here.seq - 1, payload_of(packet)["previous"])
                return Verdict(False, before.seq, before, here.seq, "another packet was noted here when it was signed")
            witnessed = True
    if head is not None and not witnessed:
        what = f"the chain ends here, but packet {head.seq} was noted when it was signed"
        return Verdict(False, here.seq, here, here.seq + 1, what)
    return Verdict(True, here.seq, here)


def flaw(packet: str | bytes, public_keys: Sequence[Key], before: Head) -> str:
    """What is wrong with the packet that should follow `before`; '' when nothing is."""
    try:
        payload = opened(packet, public_keys)
    except ChainBroken as error:
        return str(error)
    seq, previous = payload.get("seq"), payload.get("previous")
    if seq == before.seq + 1:
        return "" if previous == before.sha256 else "it does not follow the packet before it"
    if isinstance(seq, int) and seq > before.seq:
        return f"it is missing; packet {seq} comes instead"
    return f"packet {seq} comes here, out of order or again"


def opened(packet: str | bytes, public_keys: Sequence[Key]) -> dict[str, Any]:
    """The payload, once the signature has been verified; ChainBroken says why not."""
    data = packet.encode() if isinstance(packet, str) else packet
    try:
        envelope = Envelope.from_dict(json.loads(data))
        canonical = rfc8785.dumps(envelope.to_dict()) == data
    except (ValueError, KeyError, TypeError, AttributeError, VerificationError) as error:
        raise ChainBroken("it is not a packet") from error
    if not canonical or envelope.payload_type != PAYLOAD_TYPE or len(envelope.signatures) != 1:
        raise ChainBroken("its envelope was changed")
    check_signature(envelope, public_keys)
    payload = json.loads(envelope.payload)
    if not isinstance(payload, dict):
        raise ChainBroken("it is not a packet")
    return payload


def check_signature(envelope: Envelope, public_keys: Sequence[Key]) -> None:
    """Raise ChainBroken unless one of the keys made the signature."""
    known = {key.keyid for key in public_keys}
    (keyid,) = envelope.signatures
    if keyid not in known:
        raise ChainBroken(f"it is signed with a key that was not given ({keyid[:12]}…)")
    try:
        envelope.verify(list(public_keys), 1)
    except VerificationError as error:
        raise ChainBroken("its signature does not fit its content") from error


def read_packets(folder: Path) -> Iterator[bytes]:
    """The packets of an exported folder, one line each; a last line without its end is handed on as it is."""
    with (folder / PACKETS).open("rb") as file:
        for line in file:
            yield line[:-1] if line.endswith(b"\n") else line + b" (cut short)"


def read_exported_head(folder: Path) -> Head:
    """The head as it was when the folder was written."""
    return Head(**json.loads((folder / HEAD).read_bytes()))


def verify_export(folder: Path, public_keys: Sequence[Key], head: Head | None = None) -> Verdict:
    """Verify an exported folder, against a head kept elsewhere or, failing that, the folder's own."""
    return verify(read_packets(folder), public_keys, head or read_exported_head(folder))
