"""Commands about the record: access, evidence, tasks."""

from __future__ import annotations

import getpass
import hashlib
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import pandas as pd
import typer
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import aresume_flow_run

from flows.doors.console import fail, out, plainly, run, show_json, show_table
from flows.doors.people import Json
from flows.human import answered
from flows.record import chain, evidence, holdings, identities, signing, tasks
from flows.record.tables import TaskState
from flows.site import Site

evidence_app = typer.Typer(no_args_is_help=True, help="Signed proof of every plan that was carried out.")
task_app = typer.Typer(no_args_is_help=True, help="Steps that wait for a human.")


@plainly
def access(
    on: Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="At the end of this day.")] = None,
    person: Annotated[str | None, typer.Option(help="Only this person.")] = None,
    app: Annotated[str | None, typer.Option(help="Only this app.")] = None,
    as_json: Json = False,
) -> None:
    """Who has, or had, which access, since when, and why; of a person also under older HR records.

    Example: rollcall access --on 2026-11-01 --app crm
    """
    at = datetime.combine(on.date() + timedelta(days=1), time(), UTC) - timedelta(microseconds=1) if on else None
    db = Site.open(looking=True).db
    ids = [person, *identities.former_ids(db, person)] if person else [None]
    frame = pd.concat([holdings.access(db, at, each, app) for each in ids], ignore_index=True)
    if as_json:
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        show_json(rows)
        return
    columns = ["person_id", "app", "entitlement", "since", "why"]
    shown = frame.assign(
        since=frame["since"].dt.strftime("%Y-%m-%d %H:%M"), entitlement=frame["entitlement"].replace("", "(account)")
    )
    show_table(f"Access {'on ' + str(on.date()) if on else 'now'}", columns, shown[columns].to_numpy().tolist())


@evidence_app.command("verify")
@plainly
def verify(
    folder: Annotated[Path | None, typer.Argument(help="An exported folder; without it, the record itself.")] = None,
    key: Annotated[list[Path] | None, typer.Option(help="Public key (PEM); several after a rotation.")] = None,
    as_json: Json = False,
) -> None:
    """Check every signature and the chain. Needs only the public key.

    Example: rollcall evidence verify ./evidence --key ./evidence/public-key.pem
    """
    if folder is not None:
        if not folder.is_dir():
            fail(f"{folder}: no such folder; `rollcall evidence export {folder}` makes one")
        keys = signing.read_public(key or [folder / "public-key.pem"])
        verdict = chain.verify_export(folder, keys)
    else:
        site = Site.open(looking=True)
        keys = signing.read_public(key) if key else [site.signer.public_key]
        verdict = chain.verify(evidence.packets(site.db), keys, site.signer.noted() if not key else None)
    if as_json:
        show_json({"packets": verdict.count, "ok": verdict.ok, "broken_at": verdict.seq, "why": verdict.what})
    elif verdict.ok:
        out.print(f"evidence verify: {verdict.count} packets, chain intact")
    if not verdict.ok:
        fail(f"evidence verify: BROKEN at packet {verdict.seq}: {verdict.what}")


@evidence_app.command("export")
@plainly
def export(
    folder: Annotated[Path, typer.Argument(help="Where to write packets.jsonl, head.json, public-key.pem.")],
) -> None:
    """Write all packets and the public key to a folder for the auditor.

    Example: rollcall evidence export ./evidence
    """
    site = Site.open(looking=True)
    head = evidence.export(site.db, folder)
    (folder / "public-key.pem").write_bytes(signing.public_pem(site.signer))
    out.print(f"{head.seq} packets written to {folder}; head {head.sha256[:16]}")


@task_app.command("list")
@plainly
def task_list(as_json: Json = False) -> None:
    """What waits for a human.

    Example: rollcall task list
    """
    rows = tasks.open_tasks(Site.open(looking=True).db)
    if as_json:
        show_json([r.model_dump(mode="json") for r in rows])
    else:
        show_table(
            "Open tasks",
            ("id", "owner", "task", "what to do"),
            [(r.id, r.owner, r.title, r.instructions) for r in rows],
        )


@task_app.command("done")
@plainly
def task_done(
    task_id: int,
    statement: Annotated[str, typer.Option(help="What was done, for the record.")],
    by: Annotated[str, typer.Option(help="Who did it.")] = "",
    attach: Annotated[str, typer.Option(help="A proof: a link, or a file, of which the SHA-256 is kept.")] = "",
    declined: Annotated[bool, typer.Option("--cannot", help="It cannot be done; the statement says why.")] = False,
) -> None:
    """Answer a manual task, as its form in the Prefect UI does. Where the app can be read, it must show it.

    Example: rollcall task done 7 --statement "badge 0815 issued" --attach receipt.pdf
    """
    site = Site.open()
    if tasks.task(site.db, task_id) is None:
        fail(f"there is no task {task_id}; `rollcall task list` shows those that are open")
    who = by or getpass.getuser()
    state = TaskState.DECLINED if declined else TaskState.DONE
    try:
        row = answered(site, task_id, state, who, statement, datetime.now(UTC), attachment(attach))
    except ValueError as error:
        fail(str(error))
    run(release(task_id, "cannot be done" if declined else "done", statement, who))
    out.print(f"task {task_id}: {row.state} by {row.closed_by}")


def attachment(where: str) -> dict[str, str] | None:
    """Where a proof is kept, with the SHA-256 of a file that is here."""
    path = Path(where)
    if not where or "://" in where:
        return {"attachment": where} if where else None
    if not path.is_file():
        fail(f"--attach: {where} is neither a file nor a link")
    return {"attachment": where, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


async def release(task_id: int, decision: str, statement: str, by: str) -> None:
    """Let the run that waits for this task end. The record has the answer whether or not there is one."""
    wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"task:{task_id}"]))
    try:
        async with get_client() as client:
            for waiting in await client.read_flow_runs(flow_run_filter=wanted):
                if waiting.state and waiting.state.is_paused():
                    answer = {"decision": decision, "statement": statement, "by": by}
                    await aresume_flow_run(waiting.id, run_input=answer)
    except (httpx.HTTPError, ObjectNotFound) as error:
        out.print(f"[yellow]The waiting run could not be released ({error}); resume it in the Prefect UI.[/]")
