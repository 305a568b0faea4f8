"""Leavers who own things, seen through at the sandbox's servers: what becomes of the things, in which order, and when
accounts are deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox import Sandbox
from flows.cohort import Ended
from flows.farewells import END_ACCESS
from flows.record import chain, history, holds, tasks
from flows.record.evidence import packets
from flows.record.tables import TaskRow
from tests.lives import DOMAIN, Lives, company, edit, found

BOSS, LEAVER = f"bea.boss@{DOMAIN}", f"lea.leaver@{DOMAIN}"
NOON = datetime.now(UTC).replace(hour=20, minute=30)  # after every cut-off in Lisbon
TODAY = NOON.date()


@pytest.fixture
def lives(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lives]:
    """A boss and somebody who will leave, both at work."""
    with company(sandbox, tmp_path) as lives:
        lives.hire("2", "Bea", "Boss")
        lives.hire("3", "Lea", "Leaver", manager="2")
        lives.sync(NOON - timedelta(days=1))
        yield lives


def possess(lives: Lives, whose: str = LEAVER) -> None:
    """Give somebody one or more of everything that an account can own."""
    sso, crm, desk = (lives.sandbox.control(name) for name in ("sso", "crm", "desk"))
    crm.give("deals", whose, {"title": "Tea for Larkspur"}, {"title": "Ink"})
    crm.give("api_keys", whose, {"name": "ci-deploy"})
    desk.give("tickets", whose, {"subject": "Where is my tea?"})
    desk.give("macros", whose, {"title": "Sorry"})
    sso.give("service_accounts", whose, {"name": "nightly-export"})
    sso.give("grants", whose, {"app": "Paperboat"}, {"app": "Doodlejar"})
    sso.give("tokens", whose, {"type": "app-password", "label": "Phone"}, {"type": "api", "label": "script"})
    sso.sign_in(whose)


def leave(lives: Lives, moment: datetime = NOON, **words: str) -> Ended:
    """The leaver's last day was the day before; returns how the run went."""
    lives.say("3", last=str(moment.date() - timedelta(days=1)), **words)
    [ended] = [e for e in lives.sync(moment) if e.person_id == "3"]
    return ended


def theirs(lives: Lives, address: str) -> list[str]:
    """Names of all the things that this person's accounts own."""
    sso, crm, desk = (lives.state(name) for name in ("sso", "crm", "desk"))
    user = found(sso["users"], "userName", address).get("id")
    seller = found(crm["users"], "email", address).get("id")
    agent = found(desk["agents"], "login", address).get("id")
    names = [d["title"] for d in crm["deals"] if d["owner_id"] == seller]
    names += [k["name"] for k in crm["api_keys"] if k["owner_id"] == seller]
    names += [t["subject"] for t in desk["tickets"] if t["assignee_id"] == agent]
    names += [m["title"] for m in desk["macros"] if m["agent_id"] == agent]
    names += [s["name"] for s in sso["service_accounts"] if s["ownerId"] == user]
    names += [g["app"] for g in sso["grants"] if g["userId"] == user]
    names += [t["label"] for t in sso["tokens"] if t["userId"] == user]
    return sorted(names + [f"session of {s['userId']}" for s in sso.get("sessions", []) if s["userId"] == user])


HANDED_OVER = ["Ink", "Sorry", "Tea for Larkspur", "Where is my tea?", "ci-deploy", "nightly-export"]


IN_CRM = ["Ink", "Tea for Larkspur", "ci-deploy"]


def steps(lives: Lives, person: str = "3") -> list[str]:
    """The steps of the person's last run, in the order in which they were begun."""
    run = history.runs_of(lives.site.db, person)[0].run_id
    return [row.step_id for row in history.steps(lives.site.db, run)]


def plans(lives: Lives, person: str = "3") -> dict[str, Any]:
    """The person's last plan."""
    return dict(history.runs_of(lives.site.db, person)[0].body)


def evidence(lives: Lives) -> dict[str, Any]:
    """Step id -> what was read back, from the last signed packet."""
    payload = chain.payload_of(list(packets(lives.site.db))[-1])
    return {step["id"]: step["after"] for step in body_of(payload)["steps"]}


def body_of(payload: dict[str, Any]) -> dict[str, Any]:
    """The Evidence within a packet."""
    return payload if "steps" in payload else next(v for v in payload.values() if isinstance(v, dict) and "steps" in v)


def asked(lives: Lives, person: str = "3") -> list[TaskRow]:
    return list(tasks.open_tasks(lives.site.db, person))


# what a leaver owns


def test_everything_is_the_managers_or_revoked(lives: Lives) -> None:
    possess(lives)

    ended = leave(lives)

    assert (ended.good, lives.access(LEAVER), theirs(lives, LEAVER)) == (True, set(), [])
    assert theirs(lives, BOSS) == HANDED_OVER


def test_what_others_own_stays_theirs(lives: Lives) -> None:
    lives.hire("4", "Otto", "Other", manager="2")
    lives.sync(NOON - timedelta(hours=20))
    possess(lives)
    possess(lives, other := f"otto.other@{DOMAIN}")
    before = theirs(lives, other)

    leave(lives)

    assert theirs(lives, other) == before != []


def test_the_sso_goes_first_and_the_desk_hands_over_before_its_suspension(lives: Lives) -> None:
    possess(lives)

    leave(lives)

    order = steps(lives)
    assert order[0] == "sso disable account"
    assert order.index("sso end sessions") < order.index("crm disable account")
    assert order.index("desk hand over") < order.index("desk disable account")
    assert order.index("crm disable account") < order.index("crm hand over")
    log = [
        f"{line['method']} {line['path']}" for line in lives.sandbox.control("desk").log() if line["method"] == "POST"
    ]
    assert [line.rpartition("/")[2] for line in log][-2:] == ["transfer", "suspend"]


def test_licences_go_last(lives: Lives) -> None:
    edit(lives.site.rules.folder, "apps/crm.yaml", leaving={"hand_over": "manager", "licences": ["Sales Rep"]})
    lives.reload()
    possess(lives)

    leave(lives)

    mine = [step for step in steps(lives) if step.startswith("crm ")]
    assert mine[-1] == "crm revoke Sales Rep"
    assert "crm hand over" in mine[:-1]


def test_evidence_lists_what_was_handed_over_and_revoked(lives: Lives) -> None:
    possess(lives)

    leave(lives)

    said = evidence(lives)
    assert said["crm hand over"] == {
        "handed_over": ["deal Tea for Larkspur", "deal Ink", "api key ci-deploy"],
        "to": BOSS,
        "left": 0,
    }
    assert sorted(said["desk hand over"]["handed_over"]) == ["macro Sorry", "ticket Where is my tea?"]
    assert said["sso hand over"]["handed_over"] == ["service account nightly-export"]
    assert sorted(said["sso revoke tokens"]["revoked"]) == [
        "api_key script",
        "app_password Phone",
        "oauth Doodlejar",
        "oauth Paperboat",
    ]


@pytest.mark.parametrize("why", ["no account there", "account disabled", "no manager"])
def test_without_a_receiver_somebody_is_asked_and_the_account_ends_all_the_same(lives: Lives, why: str) -> None:
    possess(lives)
    words = {"no account there": {"manager": "1"}, "account disabled": {}, "no manager": {"manager": ""}}[why]
    if why == "account disabled":
        seller = found(lives.state("crm")["users"], "email", BOSS)
        lives.site.app("crm").disable(str(seller["id"]))

    ended = leave(lives, NOON, **words)

    [task] = [row for row in asked(lives) if row.app == "crm"]
    assert ended.state == "Completed with open tasks" and task.verb == "hand over"
    assert task.owner == "sales-ops@juniperfinch.example"
    assert all(name in task.instructions for name in ("Tea for Larkspur", "Ink", "ci-deploy")), task.instructions
    assert lives.access(LEAVER) == set()
    kept = theirs(lives, LEAVER)
    assert "Tea for Larkspur" in kept and "Paperboat" not in kept


def test_a_task_to_hand_over_closes_itself_once_there_is_a_receiver(lives: Lives) -> None:
    possess(lives)
    leave(lives, manager="1")
    assert [row.app for row in asked(lives)].count("crm") == 1

    lives.say("3", manager="2")
    lives.sync(NOON + timedelta(hours=1))

    assert "crm" not in [row.app for row in asked(lives)] and theirs(lives, BOSS) == IN_CRM


def test_a_later_run_does_not_take_the_task_to_hand_over_back(lives: Lives) -> None:
    possess(lives)
    leave(lives, manager="1")

    lives.end_now("3", NOON + timedelta(days=1))

    assert [row.verb for row in asked(lives) if row.app == "crm"] == ["hand over"]


def test_what_came_to_a_disabled_account_is_handed_over_before_its_deletion(lives: Lives) -> None:
    deleting(lives, leaving={"hand_over": "manager", "delete_after_days": 30})
    leave(lives)
    lives.sandbox.control("crm").give("deals", LEAVER, {"title": "Late order"})

    lives.sync(NOON + timedelta(days=31))

    assert not in_crm(lives) and theirs(lives, BOSS) == ["Late order"]


@pytest.mark.parametrize(
    ("twin", "match"),
    [
        ("crm", "PATCH .*/deals"),
        ("crm", "PATCH .*/api_keys"),
        ("desk", "POST .*/transfer"),
        ("sso", "PATCH .*service-accounts"),
        ("sso", "DELETE .*/grants"),
        ("sso", "DELETE .*/tokens"),
        ("sso", "DELETE .*/sessions"),
    ],
)
def test_an_answer_that_is_lost_loses_nothing(lives: Lives, twin: str, match: str) -> None:
    possess(lives)
    lives.sandbox.control(twin).faults([{"match": match, "kind": "lost-answer", "times": 1}])

    ended = leave(lives)

    assert ended.good, ended.message
    assert [line["fault"] for line in lives.sandbox.control(twin).log() if line["fault"]] == ["lost-answer"]
    assert theirs(lives, LEAVER) == [] and theirs(lives, BOSS) == HANDED_OVER


@pytest.mark.parametrize(("twin", "match"), [("crm", "PATCH .*/deals"), ("sso", "DELETE .*/grants")])
def test_an_app_that_only_says_so_is_found_out(
    lives: Lives, twin: str, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.steps.READ_BACK_SECONDS", 0.3)
    possess(lives)
    lives.sandbox.control(twin).faults([{"match": match, "kind": "silent-noop"}])

    ended = leave(lives)

    assert ended.state == "Failed" and lives.access(LEAVER) == set()
    lives.sandbox.control(twin).faults([])
    assert lives.run("offboard_user", "3", NOON).good
    assert theirs(lives, LEAVER) == [] and theirs(lives, BOSS) == HANDED_OVER


# deletion


def deleting(lives: Lives, **crm: Any) -> None:
    """Other rules for the CRM's leavers."""
    edit(lives.site.rules.folder, "apps/crm.yaml", **crm)
    lives.reload()


def in_crm(lives: Lives) -> bool:
    return bool(found(lives.state("crm")["users"], "email", LEAVER))


def test_an_account_is_deleted_on_the_day_and_not_before(lives: Lives) -> None:
    deleting(lives, leaving={"hand_over": "manager", "delete_after_days": 30})
    possess(lives)
    leave(lives)

    early = lives.sync(NOON + timedelta(days=29))
    before = in_crm(lives)
    late = lives.sync(NOON + timedelta(days=31))

    assert [e.person_id for e in early] == [] and before
    assert [(e.person_id, e.state) for e in late] == [("3", "Completed")] and not in_crm(lives)
    assert steps(lives) == ["crm hand over", "crm delete account"]
    assert theirs(lives, BOSS) == HANDED_OVER
    assert lives.sync(NOON + timedelta(days=60)) == []


def test_a_rehire_cancels_the_deletion(lives: Lives) -> None:
    deleting(lives, leaving={"hand_over": "manager", "delete_after_days": 30})
    leave(lives)
    account = found(lives.state("crm")["users"], "email", LEAVER)["id"]

    lives.say("3", start=str(TODAY + timedelta(days=10)), last="")
    lives.sync(NOON + timedelta(days=10))
    lives.sync(NOON + timedelta(days=40))

    assert found(lives.state("crm")["users"], "email", LEAVER)["id"] == account
    assert "crm:Sales Rep" in lives.access(LEAVER)


def test_the_days_begin_anew_with_each_end(lives: Lives) -> None:
    deleting(lives, leaving={"delete_after_days": 30})
    leave(lives)
    holdings_ended(lives, days_ago=25)
    lives.say("3", start=str(TODAY), last="")
    lives.sync(NOON + timedelta(minutes=1))

    leave(lives, NOON + timedelta(days=1))
    lives.sync(NOON + timedelta(days=10))

    assert in_crm(lives)


def holdings_ended(lives: Lives, days_ago: int) -> None:
    """As if the CRM's account had ended so long ago."""
    from sqlmodel import col, update

    from flows.record.tables import HeldRow

    mine = (col(HeldRow.person_id) == "3", col(HeldRow.app) == "crm", col(HeldRow.entitlement) == "")
    when = datetime.now(UTC) - timedelta(days=days_ago)
    with lives.site.db.writing() as session:
        session.execute(update(HeldRow).where(*mine, col(HeldRow.ended).is_not(None)).values(ended=when, since=when))


def test_a_legal_hold_withholds_the_deletion_and_says_so(lives: Lives) -> None:
    deleting(lives, leaving={"hand_over": "manager", "delete_after_days": 30})
    leave(lives)
    holds.place(lives.site.db, "3", holds.LEGAL, "legal hold: case 12")

    lives.sync(NOON + timedelta(days=31))

    assert in_crm(lives)
    assert plans(lives)["notes"] == ["crm: the account is not deleted: legal hold: case 12"]

    holds.end_legal_hold(lives.site.db, "3", "released")
    lives.sync(NOON + timedelta(days=33))

    assert not in_crm(lives)


def test_an_account_that_is_deleted_at_once_is_emptied_first(lives: Lives) -> None:
    deleting(lives, leaver="delete")
    possess(lives)

    ended = leave(lives)

    mine = [step for step in steps(lives) if step.startswith("crm ")]
    assert ended.good and mine == ["crm disable account", "crm hand over", "crm delete account"]
    assert not in_crm(lives) and theirs(lives, BOSS) == HANDED_OVER


def test_an_account_is_not_deleted_while_it_owns_what_nobody_took(lives: Lives) -> None:
    deleting(lives, leaver="delete")
    possess(lives)

    ended = leave(lives, manager="1")

    assert in_crm(lives) and "Tea for Larkspur" in theirs(lives, LEAVER) and lives.access(LEAVER) == set()
    assert ended.state == "Failed" and "blocked: crm delete account" in ended.message

    lives.say("3", manager="2")
    lives.sync(NOON + timedelta(hours=1))

    assert not in_crm(lives) and theirs(lives, BOSS) == IN_CRM


def test_what_disabling_would_delete_stays_under_a_legal_hold(lives: Lives) -> None:
    deleting(lives, leaving={"hand_over": "manager", "disable_deletes": True})
    holds.place(lives.site.db, "3", holds.LEGAL, "legal hold: case 12")
    possess(lives)

    leave(lives)

    assert lives.access(LEAVER) == {"crm", *(a for a in lives.access(LEAVER) if a.startswith("crm:"))}
    assert not [step for step in steps(lives) if step in ("crm disable account", "crm delete account")]
    assert "crm: nothing is deleted: legal hold: case 12" in plans(lives)["notes"]


# apps that nobody manages


def expenses(lives: Lives, *rows: tuple[str, str]) -> None:
    """What the leaver paid for by card."""
    lines = [f"{day},{LEAVER},{merchant},9.00,EUR" for day, merchant in rows]
    text = "\n".join(["Date,Employee e-mail,Merchant,Amount,Currency", *lines, ""])
    (lives.site.rules.folder / "shadow" / "expenses.csv").write_text(text)


def unmanaged(lives: Lives) -> list[TaskRow]:
    return [row for row in asked(lives) if row.verb == END_ACCESS]


def test_each_unmanaged_app_is_asked_for_and_no_managed_one(lives: Lives) -> None:
    expenses(lives, ("2026-09-14", "Notely Inc."), ("2026-09-15", "Ledgerline CRM GmbH"), ("2026-10-02", "Notely"))
    lives.sandbox.control("sso").give("grants", LEAVER, {"app": "Doodlejar"}, {"app": "Parcel Desk"})

    ended = leave(lives)

    assert ended.state.startswith("Completed")
    assert {row.app: row.owner for row in unmanaged(lives)} == {
        "Notely": "finance@juniperfinch.example",
        "Doodlejar": "it@juniperfinch.example",
    }
    [notely] = [row for row in unmanaged(lives) if row.app == "Notely"]
    assert notely.instructions == (
        f"End {LEAVER}'s access to Notely, and the subscription if nobody else uses it. Last seen on 2026-10-02."
    )


def test_nobody_is_asked_twice_for_an_unmanaged_app(lives: Lives) -> None:
    expenses(lives, ("2026-09-14", "Notely"))
    leave(lives)
    [task] = unmanaged(lives)
    tasks.close_task(lives.site.db, task.id or 0, "done", "finance", "cancelled the seat")

    lives.site.app("crm").enable(str(found(lives.state("crm")["users"], "email", LEAVER)["id"]))
    lives.end_now("3", NOON + timedelta(days=2))

    assert "crm disable account" in steps(lives) and unmanaged(lives) == []


def test_a_rehire_takes_the_question_back(lives: Lives) -> None:
    expenses(lives, ("2026-09-14", "Notely"))
    leave(lives)
    [task] = unmanaged(lives)

    lives.say("3", start=str(TODAY + timedelta(days=2)), last="")
    lives.sync(NOON + timedelta(days=2))

    closed = tasks.task(lives.site.db, task.id or 0)
    assert unmanaged(lives) == [] and closed and closed.state == "void"


def test_a_question_about_an_unmanaged_app_outlives_later_runs_for_the_leaver(lives: Lives) -> None:
    expenses(lives, ("2026-09-14", "Notely"))
    leave(lives)

    lives.end_now("3", NOON + timedelta(days=1))

    assert [row.app for row in unmanaged(lives)] == ["Notely"]


def test_somebody_who_stays_is_asked_nothing(lives: Lives) -> None:
    expenses(lives, ("2026-09-14", "Notely"))

    lives.say("3", department="Finance")
    lives.sync(NOON)

    assert asked(lives) == []
