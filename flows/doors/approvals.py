"""`rollcall approve`: what waits for a yes or a no, and the answer."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import httpx
import typer
from prefect import get_client

from flows.doors.console import fail, out, plainly, run, show_json, show_table
from flows.doors.people import Json
from flows.record import approvals
from flows.record.database import Database
from flows.record.decided import ApprovalRow, Decision
from flows.site import Site
from flows.waiting import let_go_on

WORDS = {Decision.APPROVED: "approve", Decision.REFUSED: "refuse"}
Which = Annotated[str, typer.Argument(metavar="[list|ID]", help="The approval's number; without it, all that wait.")]


@plainly
def approve(
    what: Which = "list",
    yes: Annotated[bool | None, typer.Option("--yes/--no", help="Approve or refuse.", show_default=False)] = None,
    why: Annotated[str, typer.Option(help="Why, for the signed evidence.")] = "",
    by: Annotated[str, typer.Option(help="Who decides; your user name where it is left out.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Take back a refusal: the next run asks anew.")] = False,
    as_json: Json = False,
) -> None:
    """List what waits for an approval, show one, or answer it as its form in the Prefect UI does.

    Example: rollcall approve 7 --yes --why "agreed with the team lead"
    """
    if what == "list" and yes is None and not again:
        return show_open(Site.open(looking=True).db, as_json)
    if not what.isdecimal():
        fail(f"{what!r} is no approval's number; `rollcall approve` lists those that wait", code=2)
    if yes is None and not again:
        return show_one(known(Site.open(looking=True).db, int(what)), as_json)
    if yes is not None and len(why.strip()) < 3:
        fail("say why with --why; it stands in the signed evidence", code=2)
    site, who = Site.open(), by.strip() or getpass.getuser()
    row = decide(site.db, known(site.db, int(what)), yes, who, why.strip())
    goes_on = run(release(row)) if row.state in WORDS else False
    if as_json:
        return show_json(row.model_dump(mode="json") | {"run_goes_on": goes_on})
    out.print(f"approval {row.id}: {row.state} by {who}", markup=False)
    if again:
        out.print("The next run that wants the same asks anew.")
    elif not goes_on:
        out.print("[yellow]No run waits for it; the next one finds the answer.[/]")


def known(db: Database, approval_id: int) -> ApprovalRow:
    """The approval with this number."""
    row = approvals.get(db, approval_id)
    if row is None:
        fail(f"there is no approval {approval_id}; `rollcall approve` lists those that wait")
    return row


def decide(db: Database, row: ApprovalRow, yes: bool | None, by: str, why: str) -> ApprovalRow:
    """Put the answer into the record."""
    try:
        if yes is None:
            return approvals.ask_again(db, row.id or 0, by)
        return approvals.answer(db, row.id or 0, Decision.APPROVED if yes else Decision.REFUSED, by, why)
    except ValueError as error:
        fail(f"{error}. Nothing was changed.")


async def release(row: ApprovalRow) -> bool:
    """Let the run that waits go on; the record has the answer whether or not there is one."""
    answer = {"decision": WORDS[Decision(row.state)], "reason": row.reason, "by": row.by}
    try:
        async with get_client() as client:
            return await let_go_on(client, row.run_id, answer)
    except httpx.HTTPError as error:
        out.print(f"The waiting run was not reached ({error}).", style="yellow", markup=False)
        return False


def show_open(db: Database, as_json: bool) -> None:
    """What waits for an answer."""
    rows = approvals.open_ones(db)
    if as_json:
        return show_json([row.model_dump(mode="json") for row in rows])
    cells: list[tuple[Any, ...]] = [(r.id, r.approver, r.title, f"{r.expires_at:%Y-%m-%d %H:%M}") for r in rows]
    show_table("Waiting for an approval", ("id", "who", "what", "counts as refused after (UTC)"), cells)


def show_one(row: ApprovalRow, as_json: bool) -> None:
    """One approval, whole."""
    if as_json:
        return show_json(row.model_dump(mode="json"))
    answered = f"; {row.state} by {row.by} on {row.answered_at:%Y-%m-%d %H:%M} UTC: {row.reason}" if row.by else ""
    out.print(f"approval {row.id}: {row.title} ({row.state}){answered}\n\n{row.body}", markup=False)
    if row.state == Decision.OPEN:
        out.print(f"\nAnswer with `rollcall approve {row.id} --yes --why …`, or --no.", markup=False)
