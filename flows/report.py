"""What a run leaves behind in the Prefect UI: what was planned and why, what was done, what is open."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from prefect.artifacts import acreate_markdown_artifact

from flows.case import Case
from flows.record import history, tasks


async def carried_out(verb: str, case: Case, run_id: str) -> None:
    """The artifact of a person's run."""
    text = await asyncio.to_thread(told, case, run_id)
    await acreate_markdown_artifact(
        markdown=text, key=key(case.person.employee_id), description=f"{verb} {case.user_name}: {case.kind}"
    )


async def refused(verb: str, person_id: str, why: str) -> None:
    """The artifact of a run that could not begin."""
    text = f"# {verb} {person_id}\n\nNothing was done: {escape(why)}\n"
    await acreate_markdown_artifact(markdown=text, key=key(person_id), description=f"{verb} {person_id}: not begun")


def key(person_id: str) -> str:
    """`person-aw0001`: artifacts of one person are versions of one key."""
    return f"person-{re.sub(r'[^a-z0-9]+', '-', person_id.lower()).strip('-')}"


def told(case: Case, run_id: str) -> str:
    """The artifact's text."""
    done = {row.step_id: row for row in history.steps(case.site.db, run_id)}
    rows = []
    for step in case.plan.steps:
        row = done.get(step.id)
        waits = "waits for an approval" if step.approver else "not reached"
        outcome = row.outcome if row and row.outcome else waits
        rows.append((step.layer, step.id, step.why, outcome, (row.error if row else None) or ""))
    open_tasks = tasks.open_tasks(case.site.db, case.person.employee_id)
    parts = [
        f"# {case.user_name} ({case.person.employee_id}): {case.kind}",
        f"HR status on {case.on}: **{case.status}**."
        + (f" No access: {escape(case.leaving)}." if case.leaving else ""),
        f"Plan `{case.plan.hash[:12]}`, rules `{case.site.rules.hash[:12]}`.",
        "## Planned and done",
        table(("layer", "step", "why", "outcome", "message"), rows)
        if rows
        else "Nothing to do: every app agrees with HR.",
        "## Open",
        table(("task", "owner", "what"), [(t.id, t.owner, t.title) for t in open_tasks]) if open_tasks else "Nothing.",
    ]
    if case.plan.notes:
        parts += ["## Notes", "\n".join(f"- {escape(note)}" for note in case.plan.notes)]
    return "\n\n".join(parts) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    names = list(head)
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(escape(str(cell)) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def escape(text: str) -> str:
    """A cell's text on one line, without the characters that end a cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
