"""Random histories in HR, signals in any order, faults at the apps and kills between steps: in the end everybody has
what HR's history says for the day, and nothing else.

What people should have is worked out here by a small table of its own; what they have is read from the servers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from connectors.sandbox import Sandbox
from flows import cohort, steps
from flows.record import evidence, history, holds, overrides
from flows.record.chain import verify
from flows.record.decided import Effect
from tests.lives import Lives, company, edit
from tests.test_life_cycle import WIDE, names

LIMITS = {
    "trust": dict.fromkeys(("vanished", "leavers", "emptied", "changed", "identity", "held", "new", "old"), WIDE),
    "blast_radius": dict.fromkeys(("leavers", "disables", "deletes", "removals", "changes"), WIDE),
}
EVERYBODY = {"sso", "sso:All Staff"}
GRANTED = {"crm", "crm:Read Only"}
RIGHTS = {
    "Sales": {"sso:Sales", "crm", "crm:Sales Rep", "desk", "desk:Support"},
    "Finance": {"sso:Finance", "crm", "crm:Finance Viewer"},
    "Operations": {"sso:Operations", "desk", "desk:Shipping"},
}
FIRST = datetime.now(UTC).date() + timedelta(days=1)  # overrides hold from the real present on
EXAMPLES = int(os.environ.get("ROLLCALL_HISTORIES", "12"))
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if os.environ.get("ROLLCALL_SHRINK") else []))
"""Shrinking takes half an hour, each attempt being a history of its own: only when somebody looks for the smallest."""
WRITES = "^(POST|PUT|PATCH|DELETE)"
FAULTS = (
    {"kind": "500", "match": WRITES},
    {"kind": "lost-answer", "match": WRITES},
    {"kind": "silent-noop", "match": WRITES},
    {"kind": "429", "match": "", "seconds": 0.05},
    {"kind": "503", "match": "^GET"},
)
days = st.integers(-12, 12)
departments = st.sampled_from(sorted(RIGHTS))


class Killed(BaseException):
    """The process ended here."""


def should_have(row: dict[str, str], on: date, until: date | None) -> set[str]:
    """What the table gives somebody whose row in HR this is, and a grant that holds until that noon."""
    first = date.fromisoformat(row["start"])
    last = date.fromisoformat(row["last"]) if row.get("last") else None
    if on < first or (last and on > last) or row.get("status") == "terminated":
        return set()
    given = EVERYBODY | RIGHTS[row["department"]] | (GRANTED if until and on < until else set())
    return {g for g in given if not g.startswith("crm")} if row.get("status") == "leave" else given


class Histories(RuleBasedStateMachine):
    """HR's people at work, and Rollcall looking on."""

    sandbox: ClassVar[Sandbox]
    people: Bundle[str] = Bundle("people")
    signals: Bundle[str] = Bundle("signals")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="histories-"))
        self.stack.callback(shutil.rmtree, self.folder, True)
        self.lives: Lives = self.stack.enter_context(company(self.sandbox, self.folder, **LIMITS))
        edit(self.lives.site.rules.folder, "apps/crm.yaml", leave="suspend")
        self.lives.reload()
        self.today, self.count = FIRST, 0
        self.sent_away: set[str] = set()
        self.granted: dict[str, date] = {}

    @initialize(target=people)
    def begin(self) -> Any:
        """Three people who work here, in place."""
        at_work = [self.hire_one(-10, department) for department in RIGHTS]
        self.lives.sync(self.today)
        return multiple(*at_work)

    # HR

    @rule(target=people, start=days, department=departments)
    def hire(self, start: int, department: str) -> str:
        return self.hire_one(start, department)

    def hire_one(self, start: int, department: str) -> str:
        self.count += 1
        id = f"{100 + self.count}"
        self.lives.hire(id, **names(id), start=self.day(start), department=department)
        return id

    @rule(target=signals, who=people, department=departments)
    def move(self, who: str, department: str) -> Any:
        self.lives.say(who, department=department)
        return who

    @rule(target=signals, who=people, last=days)
    def leave(self, who: str, last: int) -> Any:
        """Told in time, late, or for a day before the first one."""
        day = self.day(last)
        early = day < date.fromisoformat(self.row(who)["start"])
        self.lives.say(who, last=str(day), status="terminated" if early else "active")
        return who

    @rule(target=signals, who=people)
    def withdraw(self, who: str) -> Any:
        """The termination was a mistake."""
        self.lives.say(who, last="", status="active")
        return who

    @rule(target=signals, who=people, start=days)
    def rehire_or_postpone(self, who: str, start: int) -> Any:
        self.lives.say(who, start=str(self.day(start)), last="", status="active")
        return who

    @rule(target=signals, who=people, away=st.booleans())
    def rest(self, who: str, away: bool) -> Any:
        """On leave, or back from it."""
        if self.row(who).get("status") != "terminated":
            self.lives.say(who, status="leave" if away else "active")
        return who

    @rule(target=signals, who=people, length=st.integers(1, 9))
    def grant(self, who: str, length: int) -> Any:
        """A grant for some days, which ends by itself."""
        until = self.day(length)
        if who not in self.granted or self.granted[who] <= self.today:
            end = datetime.combine(until, time(12), UTC)
            overrides.add(self.lives.site.db, who, Effect.GIVE, "crm:Read Only", "a test", "a test", end)
            self.granted[who] = until
        return who

    @rule(who=people)
    def send_away(self, who: str) -> None:
        """At once, whatever HR says."""
        self.lives.write()
        self.lives.end_now(who, self.today)
        self.sent_away.add(who)

    @rule(target=signals, who=people)
    def readmit(self, who: str) -> Any:
        holds.lift(self.lives.site.db, who, holds.SENT_AWAY, "readmitted")
        self.sent_away.discard(who)
        return who

    @rule(number=st.integers(1, 9))
    def days_pass(self, number: int) -> None:
        self.today += timedelta(days=number)

    # Rollcall

    @rule(
        fault=st.none() | st.tuples(st.sampled_from(FAULTS), st.sampled_from(("sso", "crm", "desk")), st.integers(0, 6))
    )
    def sync(self, fault: Any) -> None:
        with self.trouble(fault), suppress(cohort.ConnectorError):
            self.lives.sync(self.today)

    @rule(at=st.integers(0, 12), done=st.booleans())
    def sync_and_kill(self, at: int, done: bool) -> None:
        """The process ends at a step: before the call, or after it and before its outcome is noted."""
        with dies(at, done), suppress(Killed):
            self.lives.sync(self.today)

    @rule(who=consumes(signals), again=st.booleans(), target=signals)
    def deliver(self, who: str, again: bool) -> Any:
        """A signal from HR, in whatever order, perhaps twice; it only says whom to look at."""
        self.lives.write()
        for flow in ("change_access", "offboard_user", "zero_touch_onboarding"):
            self.lives.run(flow, who, self.today)
        return who if again else multiple()

    # what must hold

    def teardown(self) -> None:
        try:
            self.check()
        finally:
            self.stack.close()

    def check(self) -> None:
        for _ in range(4):
            if not self.lives.sync(self.today):
                break
        assert self.lives.sync(self.today) == [], "something is always left to do"
        users = [u["externalId"] for u in self.lives.state("sso")["users"]]
        assert len(users) == len(set(users)), "an account twice"
        for id, row in self.lives.rows.items():
            if id != "1":
                expected = self.expected(id)
                assert self.lives.access_of(id) == expected, f"{id} on {self.today}: {row}"
            assert list(history.unfinished(self.lives.site.db, id)) == []
        site = self.lives.site
        assert verify(evidence.packets(site.db), [site.signer.public_key], site.signer.noted()).ok

    def expected(self, id: str) -> set[str]:
        """Whoever was sent away stays away until HR shows the end, or somebody readmits."""
        away = holds.reason(self.lives.site.db, id, holds.SENT_AWAY)
        assert not away or id in self.sent_away
        return set() if away else should_have(self.lives.rows[id], self.today, self.granted.get(id))

    def day(self, number: int) -> date:
        return self.today + timedelta(days=number)

    def row(self, who: str) -> dict[str, str]:
        return self.lives.rows[who]

    @contextmanager
    def trouble(self, fault: Any) -> Iterator[None]:
        """One app misbehaves once, after some calls."""
        if fault is None:
            yield
            return
        kind, app, after = fault
        self.sandbox.control(app).faults([kind | {"times": 1, "after": after}])
        yield
        self.sandbox.control(app).faults([])


@contextmanager
def dies(at: int, done: bool) -> Iterator[None]:
    """The process ends at the call number `at` of those that steps make."""
    original, calls = steps.perform, iter(range(10_000))

    def perform(*args: Any, **kwargs: Any) -> Any:
        if next(calls) != at:
            return original(*args, **kwargs)
        if done:
            original(*args, **kwargs)
        raise Killed

    steps.perform = perform
    try:
        yield
    finally:
        steps.perform = original


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that would only make the test longer."""
    monkeypatch.setattr(cohort, "RETRY_DELAYS", [0.01, 0.01, 0.01])
    monkeypatch.setattr(steps, "READ_BACK_SECONDS", 0.3)


@pytest.mark.timeout(3000)
def test_any_history_in_any_order_ends_as_hr_says(sandbox: Sandbox, hurried: None) -> None:
    Histories.sandbox = sandbox
    quick = settings(
        max_examples=EXAMPLES,
        stateful_step_count=14,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=PHASES,
    )
    run_state_machine_as_test(Histories, settings=quick)


def play(sandbox: Sandbox, story: Callable[[Histories, str], None]) -> None:
    """One history with somebody from Sales who works here, and what must hold in the end."""
    Histories.sandbox = sandbox
    life = Histories()
    try:
        life.begin()
        story(life, next(id for id, row in life.lives.rows.items() if row["department"] == "Sales" and id != "1"))
    finally:
        life.teardown()


# The smallest histories in which a guard that was taken out was missed.


def killed_before_the_outcome_was_noted(life: Histories, who: str) -> None:
    life.move(who, "Finance")
    life.sync_and_kill(1, True)
    life.move(who, "Operations")


def moved_with_nothing_else(life: Histories, who: str) -> None:
    life.move(who, "Finance")


def sent_away_and_rehired(life: Histories, who: str) -> None:
    life.send_away(who)
    life.rehire_or_postpone(who, -1)
    life.sync(None)


def left_with_a_grant_that_goes_on(life: Histories, who: str) -> None:
    life.grant(who, 9)
    life.sync(None)
    life.leave(who, -1)
    life.sync(None)
    life.withdraw(who)


KEPT = (
    killed_before_the_outcome_was_noted,
    moved_with_nothing_else,
    sent_away_and_rehired,
    left_with_a_grant_that_goes_on,
)


@pytest.mark.parametrize("story", KEPT, ids=lambda story: story.__name__)
def test_a_kept_history(sandbox: Sandbox, hurried: None, story: Callable[[Histories, str], None]) -> None:
    play(sandbox, story)
