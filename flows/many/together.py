"""Bringing many people in line at once, from one look at HR and the apps to the signed packets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from connectors.errors import ConnectorError
from flows.approval import Gate
from flows.graph import well
from flows.loose_ends import adopt, asked_beyond, note_ends
from flows.many import ledger
from flows.many.ledger import Work
from flows.many.line import AT_ONCE, Line, read
from flows.many.view import look_at_many
from flows.many.work import Tell, Together
from flows.record.lease import Leases, leases
from flows.record.tables import StepOutcome
from flows.site import Site
from flows.steps import shows
from flows.taskgraph import OK
from mappings.access import Account
from mappings.plan import Step, Verb

CARRIED_ON = "Left to a look of the person's own"
GAVE_WAY = "Gave way"
SIGNED = 200  # people whose packets are signed at once, while an urgent run for one of them waits
Said = Callable[[str], None]


class Outcome(NamedTuple):
    """How it went."""

    ended: Mapping[str, tuple[str, str]]
    """Person id -> the state and message that a run of their own would have ended in."""
    rest: list[str]
    """Ids of the people who still need a run, or a look, of their own."""


def bring_in_line(
    site: Site, people: Sequence[str], moment: datetime | date, run_id: str, say: Said, tell: Tell
) -> Outcome:
    """Carry out the plans of those of the people for whom it can be done together.

    Raises ConnectorError where HR or the SSO cannot be read; then nothing was done.
    """
    started = datetime.now(UTC)
    with leases(site.db, people, f"run {run_id}") as mine:
        with mine.giving_way():
            view = look_at_many(site, [person for person in people if person in mine.people], moment, say)
        cases = [case for case in view.cases if case.person.employee_id in mine.people]
        works = ledger.open_plans(site.db, cases, run_id)
        for work in works:
            adopt(work.case)
            note_ends(work.case)
        say(f"{sum(len(work.case.plan.steps) for work in works)} steps for {len(works)} people")
        crew = Together(site, works, run_id, view.sizes, tell, mine)
        crew.carry_out()
        say("reading everything once more")
        with mine.giving_way():
            check(works, crew.lines.values())
        say("signing")
        ended = sign(site, [work for work in works if not work.failed], run_id, started, mine)
        failed = [work for work in works if work.failed and work.person_id in mine.people]
        ledger.close_all(site.db, {work.hash: CARRIED_ON for work in failed}, run_id)
    ended |= {person: (GAVE_WAY, "an urgent run waited for the person") for person in mine.gave}
    return Outcome(ended, [person for person in people if person not in ended])


def sign(site: Site, works: Sequence[Work], run_id: str, started: datetime, mine: Leases) -> dict[str, tuple[str, str]]:
    """Prove and close what is done, some people at a time, who are nobody's then: person id -> state and message."""
    ended: dict[str, tuple[str, str]] = {}
    for first in range(0, len(works), SIGNED):
        mine.give_way()
        part = [work for work in works[first : first + SIGNED] if work.person_id in mine.people]
        if part:
            ledger.prove_all(site, part, run_id, started)
            ledger.settle_all(site.db, part)
            ended |= (states := {work.person_id: state(work, run_id) for work in part})
            ledger.close_all(site.db, {work.hash: states[work.person_id][0] for work in part}, run_id)
            mine.end(states)
    return ended


def check(works: Iterable[Work], lines: Iterable[Line]) -> None:
    """Read every app once more; a person of whom something is not as planned is left to a look of their own."""
    for line in lines:
        mine = [work for work in works if not work.failed and steps_of(work, line.app.name)]
        jobs = [ledger.Job(w, step, id=w.case.ids[line.app.name]) for w in mine for step in steps_of(w, line.app.name)]
        try:
            shown = read(line.app, jobs, line.pages) if jobs else {}
        except ConnectorError as error:
            leave(mine, str(error))
            continue
        for work in mine:
            if wrong := [step.id for step in steps_of(work, line.app.name) if not right(work, step, shown)]:
                work.failed = f"not verified: {', '.join(wrong)}"


def leave(works: Iterable[Work], why: str) -> None:
    """Leave these people to a look of their own."""
    for work in works:
        work.failed = why


def steps_of(work: Work, app: str) -> list[Step]:
    """The person's steps at an app that a machine did, and that a reading shows."""
    steps = (step for step in work.case.plan.steps if step.app == app and step.verb in AT_ONCE)
    return [step for step in steps if work.results.get(step.id) in OK]


def right(work: Work, step: Step, shown: Mapping[str, Account | None]) -> bool:
    """Whether the app still shows the step's effect."""
    return shows(shown.get(work.case.ids[step.app]), step)


def state(work: Work, run_id: str) -> tuple[str, str]:
    """The state that a run of the person's own would have ended in."""
    asked = [ident for ident, outcome in work.results.items() if outcome is StepOutcome.TASK]
    if any(step.verb is Verb.EMAIL for step in work.case.plan.steps):
        asked += asked_beyond(work.case, run_id)
    told = well(work.results, asked, Gate())
    return told.name or "", told.message or ""
