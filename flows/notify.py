"""Messages to people's own channels (Slack, Teams, e-mail, …) by Apprise: for what waits for somebody or went wrong.

Quiet otherwise: the same news is told once. A message that cannot be sent is told again at the next occasion, and
fails no run. Messages name ids and user names, no more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.settings import get_current_settings

from flows.record import holds, marks
from flows.record.decided import ApprovalRow
from flows.record.identities import SOURCE as IDENTITY
from flows.record.tables import TaskRow
from flows.site import Site

SHOWN = 10  # lines of a message; the rest is counted


async def tell(site: Site, news: str, title: str, body: str) -> bool:
    """Tell this news, unless it was told before; True when it was sent now.

    `news`: the same words for the same news. Does nothing where ROLLCALL_NOTIFY names nobody.
    """
    urls = addresses(site)
    if not urls or not await asyncio.to_thread(marks.swap, site.db, mark(news), None, True):
        return False
    sent = await asyncio.to_thread(send, urls, title, body)
    if not sent:
        await asyncio.to_thread(marks.set, site.db, mark(news), None)
        log().warning("nobody could be told %r; check ROLLCALL_NOTIFY and the network", title)
    return sent


def mark(news: str) -> str:
    """Where it is kept that this was told."""
    return f"told: {news}"


def addresses(site: Site) -> list[str]:
    """Whom to tell, as Apprise URLs."""
    secret = site.settings.notify
    return [url.strip() for url in secret.get_secret_value().split(",") if url.strip()] if secret else []


def send(urls: Iterable[str], title: str, body: str) -> bool:
    """Send to all; True where at least one of them took it."""
    from apprise import Apprise  # slow to import, and seldom needed

    logging.getLogger("apprise").disabled = True  # it tells addresses, which hold secrets
    sent = False
    for number, url in enumerate(urls, start=1):
        channel = Apprise()
        try:
            took = bool(channel.add(url) and channel.notify(title=title, body=body))
        except Exception as error:  # a plugin's fault is no reason to fail a run; its words may hold the address
            took = False
            log().warning("address %d of ROLLCALL_NOTIFY: %s", number, type(error).__name__)
        if not took:
            log().warning("address %d of ROLLCALL_NOTIFY did not take a message", number)
        sent = sent or took
    return sent


def log() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    """The run's log, where there is a run."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("rollcall.notify")


def page_of(site: Site, run_id: str) -> str:
    """The address of a run's page in the Prefect UI."""
    return f"{get_current_settings().ui_url or site.settings.ui_url}/runs/flow-run/{run_id}"


async def approval_waits(site: Site, row: ApprovalRow) -> bool:
    """Somebody must say yes or no."""
    body = (
        f"{row.approver or 'Somebody'} is asked to approve: {row.title}\n"
        f"Without an answer until {row.expires_at:%Y-%m-%d} it counts as refused.\n"
        f"{page_of(site, row.run_id)}\nor: rollcall approve {row.id}"
    )
    return await tell(site, f"approval {row.id}", f"Rollcall: approval {row.id} waits", body)


async def tasks_wait(site: Site, rows: Iterable[TaskRow], run_id: str) -> bool:
    """Somebody must do something by hand: one message for all that a run asks."""
    fresh = [row for row in rows if row.run_id == run_id]
    if not fresh:
        return False
    body = f"{lines(f'task {row.id} for {row.owner}: {row.title}' for row in fresh)}\n{page_of(site, run_id)}"
    news = f"tasks {', '.join(str(row.id) for row in fresh)}"
    return await tell(site, news, f"Rollcall: {len(fresh)} manual tasks wait", body)


async def feed_refused(site: Site, why: str, run_id: str, digest: str = "") -> bool:
    """HR's feed was not believed; the same feed and reason are told once."""
    return await tell(
        site, f"feed {digest} {why}", "Rollcall: HR's feed was refused", f"{why}\n{page_of(site, run_id)}"
    )


async def questions(site: Site) -> int:
    """New records that look like a human whom HR meant before; each is told of once, by number alone."""
    waiting = await asyncio.to_thread(holds.people, site.db, IDENTITY)
    news = {f"who is {person}": f"{person} waits: see `rollcall link list`" for person in sorted(waiting)}
    return await tell_new(site, "Rollcall: the same human, or somebody new?", news)


async def tell_new(site: Site, title: str, news: Mapping[str, str]) -> int:
    """One message with those lines that were not told before (news -> line); returns how many there were."""
    told = await asyncio.to_thread(lambda: {n for n in news if marks.get(site.db, mark(n))})
    fresh = {n: line for n, line in news.items() if n not in told}
    if not fresh or not await tell(site, f"{title}: {', '.join(sorted(fresh))}", title, lines(fresh.values())):
        return 0
    await asyncio.to_thread(note, site, fresh)
    return len(fresh)


def note(site: Site, news: Iterable[str]) -> None:
    """Keep that all of this was told."""
    with site.db.writing():
        for each in news:
            marks.set(site.db, mark(each), True)


def lines(items: Iterable[str]) -> str:
    """One line each; the rest is counted."""
    known = list(items)
    more = [f"… and {len(known) - SHOWN} more"] if len(known) > SHOWN else []
    return "\n".join([*known[:SHOWN], *more])
