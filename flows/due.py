"""Who needs a run: people whose HR row, status or rules differ from those of their last clean run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import anyio
import numpy as np
import pandas as pd
from prefect import get_client, runtime
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from sqlmodel import col, select

from flows.case import instant
from flows.identities import resolve
from flows.record import history, holdings, holds, overrides, settled, tasks
from flows.record.database import Database, few
from flows.record.decided import ApprovalRow, Decision
from flows.site import Site
from mappings.day import standing
from mappings.exceptions import told, with_values
from mappings.people import Status
from mappings.plan import FAREWELL
from mappings.rules import fingerprints
from mappings.vocabulary import Tier

ACTIVE = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
"""Of runs that nobody else may overtake. One that is suspended for an approval waits for days and holds nothing up."""
AT_ONCE = 8  # requests to Prefect's server side by side
PAGE = 200  # Prefect's own limit for one answer
TAG = "person:"
COHORT = "cohort"
COHORT_FROM = 200  # joiners and movers; below it each has a run of their own, to be watched and retried alone
VERBS = {"offboard_user": "offboard", "zero_touch_onboarding": "onboard", "change_access": "move"}
"""Flow -> the verb in its runs' names, leavers first."""


@dataclass(frozen=True)
class Started:
    """A run that was started, or was under way already."""

    person_id: str
    flow: str
    name: str
    run_id: str | None
    """None: an earlier run of the person has not ended."""


def due(site: Site, people: pd.DataFrame, moment: datetime | date) -> pd.DataFrame:
    """The people who need a run, leavers first: person_id, flow, user_name."""
    people = resolve(site, people, moment, keep=False)
    exceptions = overrides.in_force(site.db, instant(moment))
    people = with_values(people, exceptions)
    status, here = standing(people, site.rules.company, moment)
    ids = people["employee_id"]
    here &= ~ids.isin(holds.people(site.db, holds.SENT_AWAY))
    now = fingerprints(people, status, here, site.rules, told(people, exceptions)).map(settled.text)
    mine = few(ids)
    last = ids.map(settled.all_of(site.db, mine))
    open_now = ids.isin(holdings.people_with_access(site.db, mine))
    undone = ids.isin(history.left_undone(site.db, mine))
    asked = ids.isin(tasks.people_asked_about(site.db, map(str, FAREWELL)))  # what HR says now may answer it
    again = ids.isin(settled.to_be_looked_at(site.db, instant(moment)))
    answered = now == ids.map(unapproved(site.db))  # the question waits, or was answered with no
    changed = ((last != now).fillna(True) & ~answered.fillna(False) | again).to_numpy(dtype=bool)
    flow = np.select(
        [~here & (open_now | undone | asked | again), here & (last.isna() | ~open_now), here],
        ["offboard_user", "zero_touch_onboarding", "change_access"],
        "",
    )
    name = people["work_email"].str.partition("@")[0].fillna(ids)
    known = (status != Status.UNKNOWN.value).to_numpy(dtype=bool)  # no hire date: held, not a leaver
    frame = pd.DataFrame({"person_id": ids, "flow": flow, "user_name": name})[changed & known & (flow != "")]
    order = frame["flow"].map(list(VERBS).index)
    ordered: pd.DataFrame = frame.take(np.argsort(order.to_numpy(dtype=int), kind="stable"))
    return ordered.reset_index(drop=True)


def unapproved(db: Database) -> dict[str, str]:
    """person_id -> fingerprint at the last question about the person that is open or was not answered with yes."""
    waits = (Decision.OPEN.value, Decision.REFUSED.value, Decision.EXPIRED.value)
    wanted = select(ApprovalRow.person_id, ApprovalRow.fingerprint).where(col(ApprovalRow.state).in_(waits))
    with db.session() as session:
        return dict(session.exec(wanted.order_by(col(ApprovalRow.id))).all())


def check_sso(site: Site) -> None:
    """One cheap read at the SSO, without which nobody can be given anything. Raises ConnectorError."""
    for name, rules in site.rules.apps.items():
        if rules.tier is Tier.SSO:
            site.app(name).check()


def leavers(who: pd.DataFrame) -> pd.DataFrame:
    """Those whose access ends: an SSO that does not answer holds nothing up for them."""
    return who[who["flow"] == "offboard_user"]


async def at_work() -> set[str]:
    """Ids of people with a run at work now."""
    async with get_client() as client:
        return await under_way(client)


async def start(
    who: pd.DataFrame,
    on: date | None,
    by: str,
    once: str = "",
    put_back: bool = False,
    before: Collection[str] = (),
) -> list[Started]:
    """Start one run per row of `who`, in order; people with a run under way are left to it.

    `by`: id of the run that starts them. `once`: a word that makes starting the same person's run again, with
    the same word, do nothing; a column `once` of `who` has it for each row. `put_back`: see change_access.
    `before`: people with a run at work when it was looked who is due; it may have ended since.
    Very many joiners and movers share one run.
    """
    who = who.assign(put_back=put_back)
    async with get_client() as client:
        busy = {*before, *await under_way(client)}
        many = who[(who["flow"] != "offboard_user") & ~who["person_id"].isin(busy)]
        together: list[Started] = []
        if len(many) >= COHORT_FROM and not put_back:
            together = await start_together(client, many, on, by, once)
            who = who.drop(many.index)
        ids = {flow: (await client.read_deployment_by_name(f"{flow}/{flow}")).id for flow in who["flow"].unique()}
        rows: Sequence[dict[str, Any]] = who.to_dict("records")  # type: ignore[assignment]
        found: dict[int, Started] = {}
        limit = anyio.CapacityLimiter(AT_ONCE)

        async def one(number: int, row: dict[str, Any]) -> None:
            async with limit:
                waits = row["person_id"] in busy
                run = None if waits else await start_one(client, ids[row["flow"]], row, on, by, once)
                found[number] = Started(row["person_id"], row["flow"], run_name(row), run)

        async with anyio.create_task_group() as group:
            for number, row in enumerate(rows):
                group.start_soon(one, number, row)
        return [*(found[number] for number in sorted(found)), *together]


async def start_together(
    client: PrefectClient, who: pd.DataFrame, on: date | None, by: str, once: str
) -> list[Started]:
    """One run for all of them."""
    deployment = await client.read_deployment_by_name("cohort/cohort")
    verbs = {str(row["person_id"]): VERBS[row["flow"]] for row in who.to_dict("records")}
    run = await client.create_flow_run_from_deployment(
        deployment.id,
        parameters={"people": verbs} | ({"on": on.isoformat()} if on else {}),
        name=f"{len(who)} people together",
        tags=[COHORT, f"by:{by}"],
        idempotency_key=f"{once or attempt(by)}:cohort:{hashlib.sha256(repr(sorted(verbs)).encode()).hexdigest()}",
    )
    names = zip(who["person_id"], who["flow"], map(run_name, who.to_dict("records")), strict=True)  # type: ignore[arg-type]
    return [Started(person, flow, name, str(run.id)) for person, flow, name in names]


async def start_one(
    client: PrefectClient, deployment: UUID, row: dict[str, Any], on: date | None, by: str, once: str
) -> str:
    """Start a run; returns its id."""
    parameters: dict[str, Any] = {"person_id": row["person_id"]} | ({"on": on.isoformat()} if on else {})
    if row.get("put_back") and row["flow"] == "change_access":
        parameters["put_back"] = True
    run = await client.create_flow_run_from_deployment(
        deployment,
        parameters=parameters,
        name=run_name(row),
        tags=[TAG + row["person_id"], f"by:{by}"],
        idempotency_key=f"{row.get('once') or once or attempt(by)}:{row['flow']}:{row['person_id']}",
    )
    return str(run.id)


def attempt(by: str) -> str:
    """One word for each time that the starting run is run: a request that the client sends twice starts one run,
    and a retry of the whole starts them anew."""
    return f"{by}:{runtime.flow_run.run_count}"


def run_name(row: dict[str, Any]) -> str:
    """`onboard ken.sanchez`."""
    return f"{VERBS[row['flow']]} {row['user_name']}"


async def under_way(client: PrefectClient) -> set[str]:
    """Ids of people with a run at work; one that waits for a human is not."""
    found: set[str] = set()
    active = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=ACTIVE)),
        tags=FlowRunFilterTags(is_null_=False),
    )
    for offset in range(0, 1_000_000, PAGE):
        runs = await client.read_flow_runs(flow_run_filter=active, limit=PAGE, offset=offset)
        found |= {tag.removeprefix(TAG) for run in runs for tag in run.tags if tag.startswith(TAG)}
        found |= {person for run in runs if COHORT in run.tags for person in run.parameters.get("people", {})}
        if len(runs) < PAGE:
            break
    return found
