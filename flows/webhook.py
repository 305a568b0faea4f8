"""The receiver of HR's webhooks: one process of the stack, with the dispatcher of what they signal behind it."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.applications import Starlette

from flows import lifeline
from flows.settings import Settings, load_settings
from flows.webhook_app import Door
from flows.webhook_inbox import Inbox
from flows.webhook_line import CONNECTIONS, Line
from flows.webhook_pipe import Backroom, logs
from flows.webhook_site import Sites


def app_of(settings: Settings) -> Starlette:
    """The app, with the dispatcher and the poll at work as long as it is served."""
    sites, room = Sites(settings), Backroom()
    sites.signals(sites.site.rules.company.hr)  # connected now, not while the first call waits
    app = Door(sites.signals, Inbox(sites.site.db, room.wake), settings.home).app()
    app.router.lifespan_context = before(room)
    return app


def before(room: Backroom):  # type: ignore[no-untyped-def]  # Starlette's own type is not exported
    """What runs behind the app."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(room.run())
        yield
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work

    return lifespan


def make_room() -> None:
    """As many open files as connections, and some for the record: the usual limit is 1,024, and less elsewhere."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 200
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def main() -> None:
    """`python -m flows.webhook [LIFELINE_FD]`."""
    if len(sys.argv) > 1:
        lifeline.watch(int(sys.argv[1]), lifeline.end_gently)
    logs()
    make_room()
    settings = load_settings()
    uvicorn.run(
        app_of(settings),
        http=Line,
        host=settings.webhook_host,
        port=settings.webhook_port,
        log_level="error",  # a stranger's broken calls fill no disk
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
