"""Evidence packets: appended to one chain by any number of processes, and exported for the auditor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rfc8785
from sqlalchemy import event
from sqlmodel import Session, col, select

from flows.record.chain import (
    HEAD,
    PACKETS,
    START,
    ChainBroken,
    Verdict,
    digest,
    read_packets,
    seal,
    verify,
    verify_export,
)
from flows.record.database import Database, now
from flows.record.packet import Evidence
from flows.record.signing import Head, Signer
from flows.record.tables import PacketRow

PAGE = 500  # packets read at once

__all__ = [
    "ChainBroken",
    "Evidence",
    "Verdict",
    "append",
    "export",
    "head_of",
    "packets",
    "packets_of",
    "read_packets",
    "verify",
    "verify_export",
]


def append(db: Database, signer: Signer, body: Evidence | Mapping[str, Any]) -> PacketRow:
    """Sign the body as the next packet. ValidationError where it is no Evidence; ChainBroken where the database
    no longer holds what the head file beside the key says was signed.

    The head is noted after the commit: after a crash in between it is behind, which harms nothing, and never ahead.
    """
    said = body if isinstance(body, Evidence) else Evidence.model_validate(body)
    with db.writing(durable=True) as session:
        db.lock_chain(session)
        previous = head_of(session)
        check_noted(session, signer.noted(), previous)
        row = sealed(signer, previous, said)
        session.add(row)
        session.flush()
        head = Head(row.seq, digest(row.envelope))
        event.listen(session, "after_commit", lambda _: signer.note(head), once=True)
    return row


def append_all(db: Database, signer: Signer, bodies: Sequence[Evidence]) -> None:
    """As `append`, for many packets in one transaction."""
    with db.writing(durable=True) as session:
        db.lock_chain(session)
        head = head_of(session)
        check_noted(session, signer.noted(), head)
        for said in bodies:
            row = sealed(signer, head, said)
            session.add(row)
            head = Head(row.seq, digest(row.envelope))
        event.listen(session, "after_commit", lambda _: signer.note(head), once=True)


def sealed(signer: Signer, previous: Head, said: Evidence) -> PacketRow:
    """The row of the packet after `previous`."""
    recorded_at = now()
    return PacketRow(
        seq=previous.seq + 1,
        person_id="" if said.hr_event is None else said.hr_event.person_id,
        run_id=said.run_id,
        plan_hash=said.plan_hash,
        recorded_at=recorded_at,
        envelope=seal(signer, previous, said.model_dump(mode="json"), recorded_at),
    )


def head_of(session: Session) -> Head:
    """The head as the database has it, worked out from the last envelope."""
    row = session.exec(select(PacketRow).order_by(col(PacketRow.seq).desc()).limit(1)).first()
    return START if row is None else Head(row.seq, digest(row.envelope))


def check_noted(session: Session, noted: Head | None, head: Head) -> None:
    """Raise ChainBroken unless the packet that was noted last is in the database, unchanged."""
    if noted is None or noted == head:
        return
    row = session.get(PacketRow, noted.seq)
    if row is None or digest(row.envelope) != noted.sha256:
        raise ChainBroken(
            f"evidence: packet {noted.seq} was signed with this key, but the database (last packet: {head.seq}) does "
            "not hold it. Restore the database; if it was replaced on purpose, move the .head file beside the key away"
        )


def packets(db: Database) -> Iterator[str]:
    """All envelopes in order, read page by page as they are asked for."""
    last = -1
    while page := page_after(db, last):
        yield from (envelope for _, envelope in page)
        last = page[-1][0]


def page_after(db: Database, seq: int) -> Sequence[tuple[int, str]]:
    """The next numbers and envelopes."""
    columns = select(PacketRow.seq, PacketRow.envelope).where(PacketRow.seq > seq)
    with db.session() as session:
        return session.exec(columns.order_by(col(PacketRow.seq)).limit(PAGE)).all()


def packets_of(db: Database, run_id: str) -> list[PacketRow]:
    """The packets of one run."""
    with db.session() as session:
        return list(session.exec(select(PacketRow).where(PacketRow.run_id == run_id).order_by(col(PacketRow.seq))))


def export(db: Database, folder: Path) -> Head:
    """Write `packets.jsonl` (a packet per line) and `head.json` to the folder; returns the head.

    Keep the head, or the .head file beside the key, away from whoever could shorten the chain.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head, unfinished = START, folder / f"{PACKETS}.part"
    with unfinished.open("wb") as file:
        for packet in packets(db):
            file.write(packet.encode() + b"\n")
            head = Head(head.seq + 1, digest(packet))
    unfinished.replace(folder / PACKETS)
    (folder / HEAD).write_bytes(rfc8785.dumps(asdict(head)))
    return head
