"""Many people brought in line together: the same end and the same record as one by one, whatever the apps do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlmodel import select

from connectors.errors import Retryable
from connectors.sandbox import Sandbox
from flows.cohort import Ended, carry_all, carry_out
from flows.many import line, together
from flows.many.together import bring_in_line
from flows.record import chain, evidence, holdings, holds, marks, settled, tasks
from flows.record.lease import WANTED, lease
from flows.record.tables import LeaseRow, LinkRow, PlanRow, StepRow
from tests.lives import DOMAIN, Lives, company
from tests.stage import until

DAY = date(2026, 3, 2)
NAMES = ("Ada", "Ben", "Cleo", "Dirk", "Elsa", "Finn", "Gwen", "Hugo", "Ivo", "Jana")
PLACES = ("Lisbon", "Denver", "Lisbon", "Denver", "Berlin")
DEPARTMENTS = ("Sales", "Engineering", "Finance", "Operations", "Sales")
Move = Callable[[Lives, list[str], date], None]


@dataclass
class Known:
    """All that the record says, without times, ids of its own and ids that the apps made."""

    access: list[tuple[Any, ...]]
    links: list[tuple[Any, ...]]
    steps: list[tuple[Any, ...]]
    plans: list[tuple[Any, ...]]
    packets: list[tuple[Any, ...]]
    settled: dict[str, str]
    tasks: list[tuple[Any, ...]]


def known(lives: Lives) -> Known:
    db = lives.site.db
    access = holdings.access(db)[["person_id", "app", "entitlement", "why", "plan_hash"]]
    with db.session() as session:
        links = [(r.person_id, r.app, r.key, r.active, str(r.attributes)) for r in session.exec(select(LinkRow))]
        rows = session.exec(select(StepRow)).all()
        steps = [(r.person_id, r.step_id, r.verb, r.entitlement, r.attempt, r.outcome, shape(r.after)) for r in rows]
        plans = [(r.person_id, r.plan_hash, r.kind, r.result) for r in session.exec(select(PlanRow))]
    bodies = [chain.payload_of(envelope)["body"] for envelope in evidence.packets(db)]
    packets = [
        (
            b["hr_event"]["person_id"],
            b["hr_event"]["kind"],
            b["plan_hash"],
            sorted((s["id"], s["why"]) for s in b["steps"]),
        )
        for b in bodies
    ]
    asked = [(t.person_id, t.app, t.verb, t.state) for t in tasks.open_tasks(db)]
    return Known(
        sorted(access.itertuples(index=False, name=None)),
        sorted(links),
        sorted(steps, key=str),
        sorted(plans, key=str),
        sorted(packets, key=str),
        settled.all_of(db),
        sorted(asked),
    )


def shape(after: dict[str, Any] | None) -> tuple[Any, ...]:
    """What was read back, without the app's own id; of entitlements, which come one by one, only that they are told."""
    return (
        () if after is None else tuple((k, v) for k, v in sorted(after.items()) if k not in ("account", "entitlements"))
    )


def one_by_one(lives: Lives, people: list[str], day: date) -> None:
    for person in people:
        assert lives.run("zero_touch_onboarding", person, day).good


def at_once(lives: Lives, people: list[str], day: date) -> None:
    ended = all_of(lives, people, day)
    assert all(one.good for one in ended.values()), ended


def all_of(lives: Lives, people: list[str], day: date) -> dict[str, Ended]:
    """What a cohort's run does, without Prefect."""
    found: list[Ended | float] = []
    carry_all(lives.site, dict.fromkeys(people, "onboard"), day, f"cohort-{uuid4()}", found.append)
    return {one.person_id: one for one in found if isinstance(one, Ended)}


def hire(lives: Lives) -> list[str]:
    """Ten people, some of whom have no address yet; a feed that holds them was read."""
    people = [str(100 + number) for number in range(len(NAMES))]
    for number, (person, name) in enumerate(zip(people, NAMES, strict=True)):
        more = {"email": ""} if number % 4 == 3 else {}
        place = {"department": DEPARTMENTS[number % 5], "location": PLACES[number % 5]}
        lives.hire(person, name, "Many", "2024-01-08", **place, **more)
    noted(lives)
    return people


def noted(lives: Lives) -> None:
    """Read HR as a sync does, without starting anybody."""
    run, lives.run = lives.run, lambda *_: Ended("", "", "", True)  # type: ignore[method-assign, assignment]
    try:
        lives.sync(DAY)
    finally:
        lives.run = run  # type: ignore[method-assign]


def move(lives: Lives, people: list[str]) -> None:
    """Some change departments, one changes the name, one the title."""
    lives.say(people[0], department="Finance")
    lives.say(people[1], department="Sales")
    lives.say(people[2], given="Cleopatra")
    lives.say(people[6], title="Sales Manager")
    noted(lives)


def history(sandbox: Sandbox, folder: Path, how: Move) -> tuple[Known, dict[str, set[str]]]:
    """Ten people join, and some move: the record, and what the apps show."""
    with company(sandbox, folder) as lives:
        people = hire(lives)
        how(lives, people, DAY)
        move(lives, people)
        how(lives, people, DAY)
        addresses = {row["userName"] for row in lives.state("sso")["users"]}
        return known(lives), {address: lives.access(address) for address in addresses}


def test_the_record_and_the_apps_are_as_if_each_had_a_run_of_their_own(sandbox: Sandbox, tmp_path: Path) -> None:
    alone, apps_alone = history(sandbox, tmp_path / "alone", one_by_one)
    many, apps_many = history(sandbox, tmp_path / "many", at_once)

    assert len(apps_many) == len(NAMES) and apps_many == apps_alone
    assert many.access == alone.access and many.links == alone.links
    assert many.steps == alone.steps
    assert [p for p in many.plans if p[2] != "same"] == [p for p in alone.plans if p[2] != "same"]
    assert many.packets == alone.packets and len(many.packets) > len(NAMES)
    assert many.settled == alone.settled and many.tasks == alone.tasks


@pytest.fixture
def lives(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lives]:
    with company(sandbox, tmp_path / "company") as lives:
        yield lives


def together_only(lives: Lives, people: list[str]) -> together.Outcome:
    return bring_in_line(lives.site, people, DAY, f"cohort-{uuid4()}", lambda _: None, lambda *_: None)


@pytest.mark.parametrize("kind", ["500", "lost-answer", "silent-noop", "timeout", "429-no-retry-after"])
@pytest.mark.parametrize(("app", "calls"), [("crm", "POST"), ("desk", "POST"), ("sso", "POST"), ("sso", "PATCH")])
def test_whatever_one_app_does_all_are_in_line_in_the_end(
    lives: Lives, monkeypatch: pytest.MonkeyPatch, app: str, calls: str, kind: str
) -> None:
    monkeypatch.setattr("flows.many.work.READ_BACK_SECONDS", 0.3)
    people = hire(lives)
    fault = {"match": f"^{calls} ", "kind": kind, "times": 2, "after": 1, "seconds": 0.02}
    lives.sandbox.control(app).faults([fault])

    ended = all_of(lives, people, DAY)

    assert all(one.good for one in ended.values()), ended
    assert len(ended) == len(people)
    assert len({row["externalId"] for row in lives.state("sso")["users"]}) == len(lives.state("sso")["users"]) == 10
    assert wanted(lives, people) == {person: lives.access_of(person) for person in people}
    assert signed(lives) >= set(people) and whole(lives)


def wanted(lives: Lives, people: list[str]) -> dict[str, set[str]]:
    """What the record says is in place, without what humans do."""
    access = holdings.access(lives.site.db)
    rows = access[access["person_id"].isin(people) & (access["app"] != "badges")]
    found: dict[str, set[str]] = {person: set() for person in people}
    for person, app, name in zip(rows["person_id"], rows["app"], rows["entitlement"], strict=True):
        found[person].add(f"{app}:{name}" if name else app)
    return found


def signed(lives: Lives) -> set[str]:
    """Whom the evidence is about."""
    bodies = (chain.payload_of(envelope)["body"] for envelope in evidence.packets(lives.site.db))
    return {body["hr_event"]["person_id"] for body in bodies}


def whole(lives: Lives) -> bool:
    """Whether the chain is intact, every attempt has an outcome, and nobody is worked on any more."""
    with lives.site.db.session() as session:
        open_steps = session.exec(select(StepRow).where(StepRow.outcome == None)).all()  # noqa: E711
        leases = session.exec(select(LeaseRow)).all()
    verdict = chain.verify(evidence.packets(lives.site.db), [lives.site.signer.public_key])
    return verdict.ok and not open_steps and not leases


def test_an_account_that_is_somebody_elses_is_left_alone_and_its_person_named(lives: Lives) -> None:
    people = hire(lives)
    other = lives.hire("999", "Ada", "Many", "2020-01-01", email=f"ada.many@{DOMAIN}")
    del lives.rows["999"]
    noted(lives)
    env = lives.site.values
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": other, "externalId": "4711"}
    headers = {"Authorization": f"Bearer {env['SSO_TOKEN']}"}
    httpx.post(f"{env['SSO_URL']}/Users", json=body, headers=headers).raise_for_status()

    ended = all_of(lives, people, DAY)

    assert [person for person, one in ended.items() if not one.good] == [people[0]]
    assert lives.user(other)["externalId"] == "4711" and lives.user(other)["groups"] == []


def test_people_of_whom_the_record_knows_something_special_have_a_look_of_their_own(lives: Lives) -> None:
    people = hire(lives)
    holds.place(lives.site.db, people[0], holds.TRUST, "the department is new")
    holds.place(lives.site.db, people[1], holds.LEGAL, "a lawsuit")

    with lease(lives.site.db, people[2], "another run"):
        outcome = together_only(lives, people)

    assert set(outcome.rest) == set(people[:3])
    assert lives.access_of(people[0]) == set()


def test_a_run_that_is_cut_off_is_carried_on_by_the_next(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    people = hire(lives)
    real = together.Together.looked
    turns = iter(range(1000))

    def cut(self: Any, *given: Any) -> None:
        if next(turns) == 2:
            raise KeyboardInterrupt
        real(self, *given)

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(together.Together, "looked", cut)
        together_only(lives, people)
    assert not whole_steps(lives)

    ended = all_of(lives, people, DAY)

    assert all(one.good for one in ended.values()), ended
    assert wanted(lives, people) == {person: lives.access_of(person) for person in people}
    assert signed(lives) >= set(people) and whole(lives)


@pytest.mark.parametrize("turn", [0, 3, 8])
def test_somebody_who_must_go_at_once_does_not_wait_for_the_others(
    lives: Lives, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    people, turns, alone = hire(lives), iter(range(1000)), f"alone-{uuid4()}"
    sacked, db = people[4], lives.site.db
    urgent = Thread(target=send_away, args=(lives, sacked, alone))
    real, check, waited = together.Together.wrote, together.check, []

    def wrote(self: Any, *given: Any) -> None:
        real(self, *given)
        if next(turns) == turn:
            urgent.start()
            until(lambda: marks.get(db, WANTED + sacked), "the urgent run waits")

    def at_the_end(*given: Any) -> None:
        urgent.join(20)
        waited.append(urgent.is_alive())
        check(*given)

    monkeypatch.setattr("flows.many.work.PAUSE", 0.01)
    monkeypatch.setattr(together.Together, "wrote", wrote)
    monkeypatch.setattr(together, "check", at_the_end)

    ended = all_of(lives, people, DAY)

    others = [person for person in people if person != sacked]
    assert waited == [False]
    assert (ended[sacked].state, all(one.good for one in ended.values())) == (together.GAVE_WAY, True)
    assert lives.access_of(sacked) == set() == wanted(lives, [sacked])[sacked]
    assert wanted(lives, others) == {person: lives.access_of(person) for person in others}
    assert proved(lives, sacked) == tried(lives, sacked) and whole(lives)
    assert marks.get(db, WANTED + sacked) is None


def test_somebody_who_must_go_at_once_does_not_wait_for_others_of_the_same_hand(
    lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = hire(lives)
    sacked, over, real = people[4], [], line.written_alone
    urgent = Thread(target=send_away, args=(lives, sacked, f"alone-{uuid4()}"))

    def slowly(app: Any, job: Any) -> Any:
        if not over and job.work.person_id != sacked:
            over.append(False)
            urgent.start()
            urgent.join(20)
            over.append(not urgent.is_alive())
        return real(app, job)

    monkeypatch.setattr(line, "written_alone", slowly)

    ended = all_of(lives, people, DAY)

    assert over == [False, True]
    assert ended[sacked].state == together.GAVE_WAY and all(one.good for one in ended.values()), ended
    assert lives.access_of(sacked) == set() == wanted(lives, [sacked])[sacked]
    assert proved(lives, sacked) == tried(lives, sacked) and whole(lives)


LOOKING, CHECKING, UNSIGNED, SIGNED = "it looks", "it checks", "it signs others", "the person is signed"


@pytest.mark.parametrize(
    ("moment", "asked", "given", "who"),
    [(LOOKING, 0, 0, 0), (CHECKING, 0, 0, 0), (UNSIGNED, 0, 1, 6), (SIGNED, 1, 1, 0)],
)
def test_somebody_who_must_go_at_once_does_not_wait_while(
    lives: Lives, monkeypatch: pytest.MonkeyPatch, moment: str, asked: int, given: int, who: int
) -> None:
    people, db = hire(lives), lives.site.db
    all_of(lives, people, DAY)
    move(lives, people)
    sacked, calls, over = people[who], iter(range(1000)), []
    urgent = Thread(target=send_away, args=(lives, sacked, f"alone-{uuid4()}"))
    place, name = {LOOKING: (together, "look_at_many"), CHECKING: (together, "check")}.get(
        moment, (together.ledger, "prove_all")
    )
    real = getattr(place, name)

    def meanwhile(*words: Any) -> Any:
        number = next(calls)
        if number == asked:
            urgent.start()
            until(lambda: not urgent.is_alive() or marks.get(db, WANTED + sacked), "the urgent run waits")
        if number == given:
            urgent.join(20)
            over.append(not urgent.is_alive())
        return real(*words)

    monkeypatch.setattr(together, "SIGNED", 3)
    monkeypatch.setattr(place, name, meanwhile)

    ended = all_of(lives, people, DAY)

    others = [person for person in people if person != sacked]
    assert over == [True]
    assert ended[sacked].state == ("Completed" if moment == SIGNED else together.GAVE_WAY)
    assert all(one.good for one in ended.values()), ended
    assert lives.access_of(sacked) == set() == wanted(lives, [sacked])[sacked]
    assert wanted(lives, others) == {person: lives.access_of(person) for person in others}
    assert proved(lives, sacked) == tried(lives, sacked) and whole(lives)


def send_away(lives: Lives, person: str, run_id: str) -> None:
    """What `offboard --now` does, without Prefect."""
    with lease(lives.site.db, person, run_id, wait_seconds=60, urgent=True):
        carry_out(lives.site, "offboard", person, DAY, run_id, "sacked", False)


def proved(lives: Lives, person: str) -> set[str]:
    """Ids of the person's steps in the evidence."""
    bodies = [chain.payload_of(envelope)["body"] for envelope in evidence.packets(lives.site.db)]
    return {step["id"] for body in bodies if body["hr_event"]["person_id"] == person for step in body["steps"]}


def tried(lives: Lives, person: str) -> set[str]:
    """Ids of the person's steps that were tried."""
    with lives.site.db.session() as session:
        return set(session.exec(select(StepRow.step_id).where(StepRow.person_id == person)))


def whole_steps(lives: Lives) -> bool:
    """Whether every attempt has an outcome."""
    with lives.site.db.session() as session:
        return not session.exec(select(StepRow).where(StepRow.outcome == None)).all()  # noqa: E711


def test_what_an_app_undid_behind_the_run_is_seen_before_it_is_signed(
    lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = hire(lives)
    real = together.check

    def undone(works: Any, lines: Any) -> None:
        crm = lives.state("crm")["users"]
        env = lives.site.values
        headers = {"Authorization": f"Bearer {env['CRM_TOKEN']}"}
        httpx.delete(f"{env['CRM_URL']}/users/{crm[0]['id']}", headers=headers).raise_for_status()
        real(works, lines)

    monkeypatch.setattr(together, "check", undone)
    outcome = together_only(lives, people)

    assert len(outcome.rest) == 1
    assert signed(lives) == set(people) - set(outcome.rest)


def test_an_app_that_cannot_be_read_at_the_end_leaves_its_people_to_a_look_of_their_own(
    lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = hire(lives)
    real = together.read

    def unread(app: Any, jobs: Any, pages: int) -> Any:
        if app.name == "crm":
            raise Retryable("crm", "read", "no answer", "Try again later.")
        return real(app, jobs, pages)

    monkeypatch.setattr(together, "read", unread)
    ended = all_of(lives, people, DAY)

    assert all(one.good for one in ended.values()) and len(ended) == len(people), ended
    assert signed(lives) == set(people) and whole(lives)
