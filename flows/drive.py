"""A dummy person who joins, moves and leaves on the real connectors, by the company's own rules. HR is neither read nor
told, and the record stays as it is: an empty one in a temporary place stands in for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd

from connectors.catalogue import capabilities
from connectors.errors import ConnectorError
from flows import dummy
from flows.case import Case, look
from flows.record import history
from flows.record.database import Database
from flows.record.tables import StepOutcome
from flows.settings import passing_folder
from flows.site import Site
from flows.steps import apply
from flows.trial import Occupied
from mappings.folder import Rules
from mappings.people import COLUMNS, Person
from mappings.plan import Step, Verb
from mappings.vocabulary import HrSource

ENDED = timedelta(days=2)  # the last day was so long ago, wherever the person is
PLAIN = HrSource(connector="csv", fields={name: name for name in COLUMNS})


class OnePerson:
    """An HR system with one person in it; keeps Source."""

    name = "test-drive"

    def __init__(self, person: Person) -> None:
        self.person = person

    def check(self) -> str:
        """Says what it is."""
        return "a dummy person in place of HR"

    def read(self) -> pd.DataFrame:
        """The one row, all text."""
        row = {k: "" if v is None else str(v) for k, v in self.person.model_dump(include=set(COLUMNS)).items()}
        frame = pd.DataFrame([row], dtype="string", index=pd.Index([2], name="row"))
        frame.attrs["source"] = self.name
        return frame

    def read_one(self, employee_id: str) -> pd.DataFrame:
        """The same, whoever is asked for: nobody else is there."""
        return self.read()


@dataclass(frozen=True)
class Passed:
    """One step of the drive, and how it went."""

    phase: str
    step: str
    outcome: StepOutcome
    says: str = ""

    @property
    def good(self) -> bool:
        return self.outcome not in (StepOutcome.FAILED, StepOutcome.BLOCKED)


class Drive:
    """One dummy and what it does."""

    def __init__(self, site: Site, person: Person, then: str) -> None:
        self.real, self.person, self.then = site, person, then
        self.site = stand_in(site, person)
        self.accounts: dict[str, str] = {}

    def go(self, keep: bool = False) -> Iterator[Passed]:
        """Join, move, leave, step by step. Afterwards, also when interrupted, the accounts are deleted, or disabled
        where that cannot be. Raises Occupied before anything is written."""
        today = datetime.now(UTC).date()
        moved = self.person.model_copy(update={"department": self.then})
        phases = {"join": self.person, "move": moved, "leave": moved.model_copy(update={"last_day": today - ENDED})}
        self.refuse_others(self.seen(self.person))
        try:
            for phase, person in phases.items():
                yield from self.live(phase, person)
        finally:
            if not keep:
                self.clean()

    def seen(self, person: Person) -> Case:
        """The case of the person as it is now."""
        self.site.hr = OnePerson(person)
        return look(self.site, person.employee_id, datetime.now(UTC))

    def refuse_others(self, case: Case) -> None:
        """Where an account with the dummy's key is, an earlier drive must have made it."""
        for app, known in case.known.items():
            if known.account and not self.note(app).is_of(known.account.key, known.account.id):
                why = f"account {known.account.id} has the key {known.account.key}, and no test drive made it"
                raise Occupied(
                    app, "drive a dummy through it", why, "Name another address: --key. Nothing was changed."
                )

    def live(self, phase: str, person: Person) -> Iterator[Passed]:
        """Carry out what one change in HR means, then look whether anything is left to do."""
        case = self.seen(person)
        open_plan(case, phase)
        done: dict[str, StepOutcome] = {}
        for step in case.plan.steps:
            passed = self.carried_out(phase, case, step, done)
            done[step.id] = passed.outcome
            yield passed
        asked = {i for i, outcome in done.items() if outcome is StepOutcome.TASK}
        left = [s.id for s in self.seen(person).plan.steps if s.id not in asked]
        if left and all(outcome in (StepOutcome.DONE, StepOutcome.ALREADY) for outcome in done.values()):
            yield Passed(phase, "look again", StepOutcome.FAILED, f"still to do: {', '.join(left)}")

    def carried_out(self, phase: str, case: Case, step: Step, done: dict[str, StepOutcome]) -> Passed:
        """One step, as a run does it."""
        missing = [i for i in step.needs if done.get(i) in (StepOutcome.FAILED, StepOutcome.BLOCKED)]
        if missing:
            return Passed(phase, step.id, StepOutcome.BLOCKED, f"needs {', '.join(missing)}")
        if step.verb is Verb.CREATE:
            self.note(step.app).write(step.attributes[self.site.rules.apps[step.app].key])
        try:
            outcome = apply(case, step, phase)
        except ConnectorError as error:
            return Passed(phase, step.id, StepOutcome.FAILED, str(error))
        finally:
            self.remember(case, step)
        return Passed(phase, step.id, outcome, f"a run would first ask {step.approver}" if step.approver else "")

    def remember(self, case: Case, step: Step) -> None:
        """Which account it is."""
        if id := case.ids.get(step.app):
            self.accounts[step.app] = id

    def clean(self) -> None:
        """The dummy's accounts go. What cannot be deleted is disabled, and its note stays for the next drive."""
        for app, id in self.accounts.items():
            can = capabilities(self.site.app(app))
            if "delete" in can:
                self.site.app(app).delete(id)
                self.note(app).tear_up()
            elif "disable" in can:
                self.site.app(app).disable(id)
                self.note(app).write(self.person.work_email or "", id)

    def note(self, app: str) -> dummy.Note:
        """The note about the dummy's account in one app."""
        return dummy.Note(self.real.settings.home, app)


def open_plan(case: Case, run_id: str) -> None:
    """The plan goes into the record that goes with this process: steps are done only of plans that are there."""
    body = case.plan.model_dump(mode="json")
    history.open_plan(
        case.site.db, case.plan.hash, case.person.employee_id, case.user_name, case.kind, case.on, run_id, body
    )


def stand_in(site: Site, person: Person) -> Site:
    """The same installation with an empty record, and the dummy for an HR system."""
    db = Database(f"sqlite:///{passing_folder()}/drive.db")
    db.migrate()
    rules: Rules = replace(site.rules, hr=PLAIN)
    made = Site(site.settings, site.values, rules, db)
    made.hr = OnePerson(person)
    return made


def someone(rules: Rules, key: str, department: str, on: date) -> Person:
    """The dummy in this department, or in the first that playbooks know."""
    found = dummy.person(rules, key or dummy.address(rules), on - timedelta(days=30))
    return found.model_copy(update={"department": department}) if department else found


def next_department(rules: Rules, first: str) -> str:
    """Where the dummy moves to: another department that playbooks know."""
    return next((name for name in dummy.departments(rules) if name != first), f"{first} 2")
