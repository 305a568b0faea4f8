"""Apply a step, read it back, record it. Plain functions: Prefect's tasks are thin wrappers over them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_exponential

from connectors.base import App, Grants, Outcome
from connectors.errors import ConnectorError, Mismatch, NeedsHuman, Refused
from connectors.hr.base import WriteBack
from flows import pictures
from flows.case import Case
from flows.farewells import farewell
from flows.hr_entry import can_write, to_enter
from flows.record import emails, history, holdings, identities, tasks
from flows.record.tables import StepOutcome, TaskRow
from mappings.access import Account
from mappings.plan import FAREWELL, Step, Verb
from mappings.rules import fill

READ_BACK_SECONDS = 20  # how long an app may take to show what it was told


def apply(case: Case, step: Step, run_id: str, again: bool = False) -> StepOutcome:
    """Carry out one step: intent first, then the call, then the proof read from the app, then the outcome.

    `again`: this run has tried it before, so that what the case saw may hold no more.
    Returns DONE, ALREADY or TASK (a human was asked). Raises ConnectorError, after recording it.
    """
    row = history.intend(
        case.site.db, case.plan.hash, run_id, step.id, step.app, step.verb, step.entitlement, before_of(case, step)
    )
    try:
        outcome, after = perform(case, step, looked=not again and fresh(case, step, row))
    except NeedsHuman as error:
        task, _ = ask(case, step, run_id, error.todo or str(error), error)
        seen = pictures.beside(None, error.pictures)
        history.finish(case.site.db, row, StepOutcome.TASK, seen, f"task {task.id} for {task.owner}: {error.why}")
        return StepOutcome.TASK
    except Exception as error:
        history.finish(case.site.db, row, StepOutcome.FAILED, pictures.beside(None, pictures.of(error)), told(error))
        raise
    with case.site.db.writing():
        history.finish(case.site.db, row, StepOutcome(outcome.value), after)
        believe(case, step, after)
        if step.verb is Verb.EMAIL and not after["in_hr"]:
            ask_hr(case, step, run_id)
        else:
            void_task(case, step)
    return StepOutcome(outcome.value)


def block(case: Case, step: Step, run_id: str, missing: list[str]) -> str:
    """Record that a step was not tried because of these others; returns the sentence."""
    why = f"not tried: it needs {', '.join(missing)}"
    row = history.intend(case.site.db, case.plan.hash, run_id, step.id, step.app, step.verb, step.entitlement)
    history.finish(case.site.db, row, StepOutcome.BLOCKED, error=why)
    return why


def told(error: Exception) -> str:
    """An error for the record: a connector's own words are free of secrets; of others only the kind is kept."""
    return str(error) if isinstance(error, (ConnectorError, ValueError, LookupError)) else type(error).__name__


def before_of(case: Case, step: Step) -> dict[str, Any]:
    """What the app showed before, as far as the step may change it."""
    account = case.known[step.app].account if step.app in case.known else None
    if account is None:
        return {"account": None}
    return {"account": account.id, "active": account.active, "attributes": step.before}


def fresh(case: Case, step: Step, row: int) -> bool:
    """Whether what the case saw can be built upon: the app was read, and no earlier attempt may still be under way."""
    tried = history.tried_before(case.site.db, case.person.employee_id, step.id, row)
    return step.app in case.read and not tried


def perform(case: Case, step: Step, looked: bool) -> tuple[Outcome, dict[str, Any]]:
    """Do it and prove it; returns what was read back. `looked`: the app was read for this very plan."""
    if step.verb is Verb.EMAIL:
        return assign_email(case, step)
    app = case.site.app(step.app)
    if step.verb is Verb.CREATE:
        outcome = create(case, step, app, looked)
    elif step.verb in FAREWELL:
        return farewell(case.values, step, app, account_id(case, step, app), READ_BACK_SECONDS)
    else:
        outcome = WRITES[step.verb](app, account_id(case, step, app), step, looked)
    after = read_back(case, step, app)
    return outcome, pictures.beside(after, pictures.taken(app)) or after


WRITES: dict[Verb, Callable[[Any, str, Step, bool], Outcome]] = {
    Verb.ENABLE: lambda app, id, step, looked: app.enable(id, looked),
    Verb.UPDATE: lambda app, id, step, looked: app.update(id, step.attributes),
    Verb.GRANT: lambda app, id, step, looked: granting(app).grant(id, step.entitlement or "", looked),
    Verb.REVOKE: lambda app, id, step, looked: granting(app).revoke(id, step.entitlement or "", looked),
    Verb.DISABLE: lambda app, id, step, looked: app.disable(id, looked),
    Verb.DELETE: lambda app, id, step, looked: app.delete(id),
}


def granting(app: App) -> Grants:
    """The app as one that has entitlements."""
    if not isinstance(app, Grants):
        raise NeedsHuman(app.name, "grant", "its connector has no entitlements", "Do it by hand in the app.")
    return app


def create(case: Case, step: Step, app: App, looked: bool) -> Outcome:
    """Make the account. One that was there already must be this person's, and is brought up to date."""
    outcome, ident = app.create(step.attributes, looked)
    if outcome is Outcome.ALREADY:
        account = refuse_anothers(case, step, app, ident)
        if account is None or not account.active:
            app.enable(ident)
        if account is None or wrong_fields(account, step):
            app.update(ident, step.attributes)
    case.ids[step.app] = ident
    return outcome


def refuse_anothers(case: Case, step: Step, app: App, ident: str) -> Account | None:
    """The account, as it is read; Refused where it carries somebody else's employee_id: it is never taken over."""
    account = app.read(ident)
    mine = identities.human(case.site.db, case.person.employee_id)
    for field, template in case.site.rules.apps[step.app].attributes.items():
        theirs = account.attributes.get(field) if account else None
        if template == "{employee_id}" and theirs and theirs not in mine:
            doing = f"create the account of {case.user_name}"
            why = f"the account {account.key if account else ident} belongs to employee {theirs}"
            todo = "Give one of the two another address in HR, then run this again."
            raise Refused(step.app, doing, why, todo, status=409)
    return account


def account_id(case: Case, step: Step, app: App) -> str:
    """The account's id: known, recorded by an earlier run, or found by key."""
    if step.app not in case.ids:
        link = holdings.links(case.site.db, case.person.employee_id).get(step.app)
        if link is None:
            raise Refused(step.app, f"{step.verb} for {case.user_name}", "there is no account", "Run this again.")
        case.ids[step.app] = link.external_id
    return case.ids[step.app]


def assign_email(case: Case, step: Step) -> tuple[Outcome, dict[str, Any]]:
    """Reserve the address and, where HR can be written, put it there."""
    address, person_id = step.attributes["work_email"], case.person.employee_id
    if not emails.reserve(case.site.db, address, person_id):
        raise Refused("hr", "assign e-mail", f"{address} was taken meanwhile", "Run this again.")
    source = case.site.hr
    if can_write(case.site) and isinstance(source, WriteBack):
        with suppress(NeedsHuman):
            outcome = source.write_work_email(person_id, address, instead_of=case.person.work_email or "")
            emails.told_hr(case.site.db, person_id, address)
            return outcome, {"work_email": address, "in_hr": True}
    return Outcome.DONE, {"work_email": address, "in_hr": False}


def ask_hr(case: Case, step: Step, run_id: str) -> None:
    """Have the address entered in HR by hand, unless HR has no place for it or somebody has answered that."""
    todo = to_enter(case, step)
    if todo and not tasks.answered(case.site.db, case.person.employee_id, step.app, step.verb):
        ask(case, step, run_id, todo)


def read_back(case: Case, step: Step, app: App) -> dict[str, Any]:
    """Read until the app shows the step's effect; Mismatch when it does not in time."""
    ident = case.ids[step.app]
    reading = Retrying(
        retry=retry_if_result(lambda account: not shows(account, step)),
        wait=wait_exponential(0.1, max=3),
        stop=stop_after_delay(READ_BACK_SECONDS),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    account: Account | None = reading(app.read, ident)
    if not shows(account, step):
        doing = f"{step.verb} {step.entitlement or ''}".strip() + f" for {case.user_name}"
        why = f"it answered that this was done, but {READ_BACK_SECONDS} s later it shows {seen(account, step)}"
        raise Mismatch(step.app, doing, why, "Look at the account in the app; running this again tries it again.")
    return evidence_of(account)


def shows(account: Account | None, step: Step) -> bool:
    """Whether the account is as the step should leave it."""
    if step.verb in (Verb.DISABLE, Verb.DELETE):
        return account is None or not account.active
    if account is None:
        return step.verb is Verb.REVOKE
    if step.verb is Verb.GRANT:
        return step.entitlement in account.entitlements
    if step.verb is Verb.REVOKE:
        return step.entitlement not in account.entitlements
    if step.verb is Verb.ENABLE:
        return account.active
    return account.active and not wrong_fields(account, step)


def wrong_fields(account: Account, step: Step) -> list[str]:
    """Names of the attributes that are not as they should be."""
    return [k for k, v in step.attributes.items() if account.attributes.get(k, "").casefold() != v.casefold()]


def seen(account: Account | None, step: Step) -> str:
    """What is wrong, without values: they may be personal."""
    if account is None:
        return "no account"
    if wrong := wrong_fields(account, step):
        return f"other values in {', '.join(wrong)}"
    return f"an {'active' if account.active else 'inactive'} account"


def evidence_of(account: Account | None) -> dict[str, Any]:
    """The read-back for the record: ids and entitlements, no attribute values."""
    if account is None:
        return {"account": None}
    return {"account": account.id, "active": account.active, "entitlements": sorted(account.entitlements)}


def believe(case: Case, step: Step, after: dict[str, Any]) -> None:
    """Note in the record what is now in place."""
    db, person, plan = case.site.db, case.person.employee_id, case.plan.hash
    if step.verb is Verb.GRANT:
        holdings.hold(db, person, step.app, step.entitlement, step.why, plan)
    elif step.verb is Verb.REVOKE:
        holdings.end(db, person, step.app, step.entitlement, step.why, plan)
    elif step.verb in (Verb.DISABLE, Verb.DELETE):
        holdings.end(db, person, step.app, None, step.why, plan)
    if step.verb is Verb.DELETE:
        holdings.unlink(db, person, step.app)
    elif step.verb in (Verb.CREATE, Verb.ENABLE, Verb.UPDATE, Verb.DISABLE):
        link(case, step)
    if step.verb in (Verb.CREATE, Verb.ENABLE):
        holdings.hold(db, person, step.app, None, step.why, plan)


def link(case: Case, step: Step) -> None:
    """Remember which account is the person's and what was last written to it."""
    db, person = case.site.db, case.person.employee_id
    old = holdings.links(db, person).get(step.app)
    account = case.known[step.app].account if step.app in case.known else None
    attributes = (account.attributes if account else {}) | step.attributes
    key = attributes.get(case.site.rules.apps[step.app].key) or (old.key if old else "")
    active = old.active if old and step.verb is Verb.UPDATE else step.verb is not Verb.DISABLE
    holdings.link(db, person, step.app, case.ids[step.app], key, active, attributes)


def ask(case: Case, step: Step, run_id: str, todo: str, error: ConnectorError | None = None) -> tuple[TaskRow, bool]:
    """Open a manual task for the app's owner, unless it is open. `error`: what led to it, with its pictures."""
    rules = case.site.rules.apps.get(step.app)
    what = f"{rules.title if rules else step.app}: {step.verb} {step.entitlement or ''}".strip()
    return tasks.open_task(
        case.site.db,
        case.person.employee_id,
        step.app,
        step.verb,
        step.entitlement,
        f"{what} for {case.user_name}",
        todo_of(case, step, todo) + pictures.told(error.pictures if error else ()),
        rules.owner if rules else "HR",
        case.plan.hash,
        run_id,
    )


def todo_of(case: Case, step: Step, why: str) -> str:
    """The app's own words for the verb, else `why`; a hand-over says both, since only `why` names the things."""
    words = instructions(case, step)
    return f"{words} {why}" if words and step.verb is Verb.HAND_OVER else words or why


def instructions(case: Case, step: Step) -> str | None:
    """The app's own words for this verb, filled in."""
    rules = case.site.rules.apps.get(step.app)
    template = rules.instructions.get(step.verb.name.lower()) if rules else None
    named = {"entitlement": step.entitlement or ", ".join(step.entitlements)}
    values = case.values | step.attributes | named
    return fill(template, values) if template else None


def void_task(case: Case, step: Step) -> None:
    """A machine has done it after all: whoever was asked need not."""
    for row in tasks.open_tasks(case.site.db, case.person.employee_id):
        if (row.app, row.verb, row.entitlement) == (step.app, step.verb, step.entitlement or ""):
            tasks.close_task(case.site.db, row.id or 0, "void", "rollcall", "a later run did the step itself")
