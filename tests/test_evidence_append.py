"""Evidence is appended to one chain, whoever appends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from record_databases import KINDS, fresh_database
from sqlalchemy import text

from flows.record import evidence, history, signing
from flows.record.chain import payload_of
from flows.record.database import Database
from flows.record.packet import CONTROLS, controls_for
from flows.record.signing import Head, Signer

AT = datetime(2026, 3, 2, 6, tzinfo=UTC)


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request.param, tmp_path) as fresh:
        yield fresh


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return signing.generate(tmp_path / "key.pem")


def body(run_id: str = "r1", **more: Any) -> dict[str, Any]:
    step = {
        "id": "s1",
        "app": "slack",
        "verb": "grant",
        "entitlement": "general",
        "why": "Everybody",
        "intended_at": AT,
    }
    return {
        "run_id": run_id,
        "hr_event": {"kind": "joiner", "person_id": "p1", "user_name": "ana", "snapshot_hash": "f" * 64},
        "plan_hash": "h1",
        "rules_hash": "u1",
        "started_at": AT,
        "finished_at": AT + timedelta(seconds=4),
        "steps": [
            step | {"finished_at": AT, "outcome": "done", "before": {"groups": []}, "after": {"groups": ["general"]}}
        ],
        "controls": controls_for("joiner"),
    } | more


def verdict(db: Database, signer: Signer) -> evidence.Verdict:
    return evidence.verify(evidence.packets(db), [signer.public_key], signer.noted())


def test_packets_make_a_chain(db: Database, signer: Signer) -> None:
    rows = [evidence.append(db, signer, body(f"r{n}")) for n in range(3)]

    assert [row.seq for row in rows] == [1, 2, 3]
    assert str(verdict(db, signer)) == "3 packets, chain intact"
    assert signer.noted() == Head(3, evidence.digest(rows[-1].envelope))
    assert [row.seq for row in evidence.packets_of(db, "r1")] == [2]


def test_a_packet_says_what_was_handed_in(db: Database, signer: Signer) -> None:
    finished = datetime(2026, 3, 2, 9, tzinfo=timezone(timedelta(hours=2)))

    row = evidence.append(db, signer, body(finished_at=finished))

    said = payload_of(row.envelope)
    assert (said["seq"], said["previous"]) == (1, "0" * 64)
    assert said["body"]["finished_at"] == "2026-03-02T07:00:00Z"
    assert said["body"]["steps"][0]["after"] == {"groups": ["general"]}
    assert said["body"]["product_version"].startswith("rollcall")
    assert (row.person_id, row.run_id, row.plan_hash) == ("p1", "r1", "h1")


@pytest.mark.parametrize(
    "wrong",
    [{"password": "x"}, {"started_at": datetime(2026, 3, 2)}, {"steps": [{"id": "s1"}]}, {"plan_hash": None}],
)
def test_what_is_no_evidence_is_refused(db: Database, signer: Signer, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        evidence.append(db, signer, body(**wrong))

    assert list(evidence.packets(db)) == []


def test_an_undone_append_leaves_no_trace(db: Database, signer: Signer) -> None:
    evidence.append(db, signer, body())
    with pytest.raises(RuntimeError), db.writing():
        evidence.append(db, signer, body())
        raise RuntimeError

    assert signer.noted() == Head(1, evidence.digest(next(evidence.packets(db))))
    assert verdict(db, signer).count == 1


def test_a_packet_and_the_end_of_its_plan_are_recorded_together(db: Database, signer: Signer) -> None:
    history.open_plan(db, "h1", "p1", "ana", "joiner", AT.date(), "r1", {})

    with db.writing():
        evidence.append(db, signer, body())
        history.close_plan(db, "h1", "r1", "completed")

    assert history.runs_of(db, "p1")[0].result == "completed"
    assert signer.noted() is not None


def append_elsewhere(work: tuple[str, str, str]) -> None:
    url, key, name = work
    db, signer = Database(url), signing.load(Path(key), {})
    for number in range(15):
        evidence.append(db, signer, body(f"{name} {number}"))


def test_processes_append_without_gap_or_fork(db: Database, signer: Signer, tmp_path: Path) -> None:
    url = db.url.render_as_string(hide_password=False)

    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        list(pool.map(append_elsewhere, [(url, str(tmp_path / "key.pem"), f"p{i}") for i in range(3)]))

    assert str(verdict(db, signer)) == "45 packets, chain intact"
    runs = {payload_of(packet)["body"]["run_id"] for packet in evidence.packets(db)}
    assert runs == {f"p{i} {n}" for i in range(3) for n in range(15)}


def tamper(db: Database, statement: str) -> None:
    with db.writing() as session:
        session.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("DELETE FROM packet WHERE seq = 3", 3),
        ("DELETE FROM packet WHERE seq = 2", 2),
        ("UPDATE packet SET seq = 9 WHERE seq = 1", 1),
        ("UPDATE packet SET envelope = replace(envelope, 'sig', 'gis') WHERE seq = 2", 2),
        ("UPDATE packet SET envelope = (SELECT envelope FROM packet WHERE seq = 1) WHERE seq = 2", 2),
    ],
)
def test_tampering_with_the_table_is_found(db: Database, signer: Signer, statement: str, seq: int) -> None:
    for number in range(3):
        evidence.append(db, signer, body(f"r{number}"))

    tamper(db, statement)

    found = verdict(db, signer)
    assert (found.ok, found.seq) == (False, seq)


@pytest.mark.parametrize("statement", ["DELETE FROM packet", "DELETE FROM packet WHERE seq = 2"])
def test_a_shortened_chain_is_not_continued(db: Database, signer: Signer, statement: str) -> None:
    for _ in range(2):
        evidence.append(db, signer, body())
    tamper(db, statement)
    left = list(evidence.packets(db))

    with pytest.raises(evidence.ChainBroken, match="packet 2 was signed with this key"):
        evidence.append(db, signer, body())

    assert list(evidence.packets(db)) == left


def test_a_head_that_was_not_noted_before_a_crash_does_no_harm(db: Database, signer: Signer) -> None:
    assert signer.head_file is not None
    evidence.append(db, signer, body())
    behind = signer.head_file.read_bytes()
    evidence.append(db, signer, body())
    signer.head_file.write_bytes(behind + b"2 abc")  # cut short

    evidence.append(db, signer, body())

    assert verdict(db, signer).count == 3


def test_an_export_can_be_verified_without_the_database(db: Database, signer: Signer, tmp_path: Path) -> None:
    for number in range(3):
        evidence.append(db, signer, body(f"r{number}"))

    head = evidence.export(db, tmp_path / "export")

    assert head == signer.noted()
    assert evidence.verify_export(tmp_path / "export", [signer.public_key]).count == 3
    assert [json.loads(p)["payloadType"] for p in evidence.read_packets(tmp_path / "export")] == [
        "application/vnd.rollcall.evidence+json"
    ] * 3


def test_an_empty_chain_can_be_exported(db: Database, signer: Signer, tmp_path: Path) -> None:
    evidence.export(db, tmp_path / "export")

    assert evidence.verify_export(tmp_path / "export", [signer.public_key]).ok


def test_each_kind_of_run_names_its_controls() -> None:
    assert "SOC2:CC6.2" in controls_for("joiner")
    assert "SOC2:CC6.3" in controls_for("mover")
    assert "ISO27001:A.5.18" in controls_for("leaver")
    assert all("NIST-CSF:PR.AA-05" in controls_for(kind) for kind in [*CONTROLS, "a kind of tomorrow"])
