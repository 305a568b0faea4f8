"""The receiver of HR's webhooks, and the dispatcher of what they signal: one process of the stack."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.applications import Starlette

from flows import lifeline
from flows.record import signals
from flows.record.database import now
from flows.settings import Settings, load_settings
from flows.webhook_app import Door
from flows.webhook_dispatch import Dispatcher
from flows.webhook_inbox import Inbox
from flows.webhook_poll import Poll
from flows.webhook_site import Sites

CONNECTIONS = 1000  # at once; beyond it 503
LOG = logging.getLogger("rollcall.webhook")


def app_of(settings: Settings) -> Starlette:
    """The app, with the dispatcher and the poll at work as long as it is served."""
    sites = Sites(settings)
    dispatcher = Dispatcher(sites)
    app = Door(sites.signals, Inbox(sites.site.db, dispatcher.wake.set), settings.home).app()
    app.router.lifespan_context = beside(sites, dispatcher)
    return app


def beside(sites: Sites, dispatcher: Dispatcher):  # type: ignore[no-untyped-def]  # Starlette's own type is not exported
    """What runs beside the app."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(signals.forget, sites.site.db, now() - signals.KEPT)
        poll = Poll(sites, dispatcher.wake.set)
        works = [asyncio.create_task(dispatcher.run()), asyncio.create_task(poll.run())]
        dispatcher.wake.set()
        yield
        for work in works:
            work.cancel()
        for work in works:
            with suppress(asyncio.CancelledError):
                await work

    return lifespan


def main() -> None:
    """`python -m flows.webhook [LIFELINE_FD]`."""
    if len(sys.argv) > 1:
        lifeline.watch(int(sys.argv[1]), lifeline.end_gently)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = load_settings()
    uvicorn.run(
        app_of(settings),
        host=settings.webhook_host,
        port=settings.webhook_port,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
