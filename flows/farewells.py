"""What the end of an account brings with it: sessions ended, tokens revoked, belongings handed over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_exponential

from connectors.base import App, Outcome, Owns, Sessions, Tokens
from connectors.errors import Mismatch, NeedsHuman
from flows import shadow
from flows.case import Case
from flows.record import tasks
from mappings.access import Account, Owned, Token
from mappings.plan import Step, Verb
from mappings.rules import fill
from mappings.shadow import ShadowUse

END_ACCESS = "end access"
"""What is asked of people for an app that nobody manages, in the place of a verb."""
ASKED_ONCE = timedelta(days=60)
NAMED = 5  # things told in a message
LISTED = 200  # things listed in the evidence

Done = tuple[Outcome, dict[str, Any]]
"""The outcome, and what was read back."""


def farewell(values: Mapping[str, str], step: Step, app: App, ident: str, patience: float) -> Done:
    """Do the step at the account and prove it, as far as the app shows what it is about.

    `values`: what templates may use. `patience`: seconds an app may take to show it.
    """
    if step.verb is Verb.END_SESSIONS:
        return end_sessions(app, ident)
    if step.verb is Verb.REVOKE_TOKENS:
        return revoke_tokens(step, app, ident, patience)
    return hand_over(values, step, app, ident, patience)


def end_sessions(app: App, ident: str) -> Done:
    """Sign the account out everywhere. Few apps list sessions, so the app's word has to do."""
    if not isinstance(app, Sessions):
        raise NeedsHuman(app.name, "end sessions", "its connector cannot", "Sign the person out by hand.")
    return app.end_sessions(ident), {"ended": True}


def revoke_tokens(step: Step, app: App, ident: str, patience: float) -> Done:
    """Revoke what lets somebody in without a password, and see that it is gone."""
    if not isinstance(app, Tokens):
        raise NeedsHuman(app.name, "revoke tokens", "its connector cannot", "Revoke keys and tokens by hand.")
    there = called(app.tokens(ident))
    outcome = app.revoke_tokens(ident)
    none_left(step, app, lambda: called(app.tokens(ident)), patience)
    return outcome, {"revoked": there[:LISTED], "left": 0}


def hand_over(values: Mapping[str, str], step: Step, app: App, ident: str, patience: float) -> Done:
    """Give what the account owns to whom the app's YAML names: the manager, or an account's key."""
    to = step.attributes["to"]
    key = values.get("manager_email", "") if to == "manager" else to
    doing = "hand over what the leaver owns"
    if not isinstance(app, Owns):
        raise NeedsHuman(app.name, doing, "its connector cannot", f"Hand it over to {key or 'somebody else'} by hand.")
    there = called(app.owned(ident))
    if not there:
        return Outcome.ALREADY, {"handed_over": [], "left": 0}
    outcome = app.hand_over(ident, receiver(app, key, doing, there).id)
    none_left(step, app, lambda: called(app.owned(ident)), patience)
    return outcome, {"handed_over": there[:LISTED], "to": key, "left": 0}


def receiver(app: App, key: str, doing: str, there: list[str]) -> Account:
    """The usable account that takes it over; without one somebody has to decide."""
    found = app.find(key) if key else None
    if found is None or not found.active:
        why = f"{key} has no usable account there" if key else "HR names no manager with a work e-mail"
        todo = f"Hand over by hand ({some(there)}), or name somebody in `leaving.hand_over`."
        raise NeedsHuman(app.name, doing, why, todo)
    return found


def none_left(step: Step, app: App, left: Callable[[], list[str]], patience: float) -> None:
    """Look until nothing is left; Mismatch when something is after that time."""
    looking = Retrying(
        retry=retry_if_result(bool),
        wait=wait_exponential(0.1, max=3),
        stop=stop_after_delay(patience),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else [],
    )
    if rest := looking(left):
        why = f"it answered that this was done, but {patience:g} s later it still shows {some(rest)}"
        raise Mismatch(
            app.name, str(step.verb), why, "Look at the account in the app; running this again tries it again."
        )


def called(things: Iterable[Token | Owned]) -> list[str]:
    """`api_key ci-deploy`."""
    return [f"{thing.kind} {thing.name}".strip() for thing in things]


def some(things: list[str]) -> str:
    """The first of them by name."""
    return ", ".join(things[:NAMED]) + (f" and {len(things) - NAMED} more" if len(things) > NAMED else "")


# apps that nobody manages


def ask_shadow(case: Case, run_id: str) -> list[str]:
    """Ask for the end of access to apps that no YAML knows; returns a note for each source that could not be read.

    To be called before tokens are revoked. Nobody is asked again for what was asked in the last weeks.
    """
    db, person = case.site.db, case.person.employee_id
    found, notes = shadow.uses(case.site, case.person, case.ids)
    for use in found:
        if not tasks.asked_since(db, person, use.app, END_ACCESS, datetime.now(UTC) - ASKED_ONCE):
            title = f"{use.app}: {END_ACCESS} of {case.user_name} (not managed; seen in {use.source})"
            tasks.open_task(
                db, person, use.app, END_ACCESS, None, title, todo(case, use), use.owner, case.plan.hash, run_id
            )
    return notes


def todo(case: Case, use: ShadowUse) -> str:
    """What to do about one of them."""
    source = case.site.rules.shadow.get(use.source)
    text = fill(source.instructions, case.values | {"app": use.app}) if source else None
    since = f" Last seen on {use.last_seen}." if use.last_seen else ""
    return (text or f"End the access of {case.user_name} to {use.app}, or say why there is none.") + since
