"""Prefect's server and UI in one process that ends with the process it was started for.

On SQLite every transaction takes the write lock when it begins. Prefect begins most of them as readers; one
that turns writer after another has written fails at once ("database is locked"), the client is told 503 and
stays away for 2, 4, 8 … seconds. Waiting milliseconds for the lock instead is what docs/engine.md measures."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import temporary_database_config
from prefect.settings import get_current_settings
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

from flows import lifeline


class PatientSqlite(AioSqliteConfiguration):
    """Prefect's SQLite whose transactions queue for the write lock instead of failing over it."""

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def serve() -> None:
    """Run the server until it is told to stop."""
    server = get_current_settings().server
    uvicorn.run(
        create_app(final=True),
        host=server.api.host,
        port=server.api.port,
        timeout_keep_alive=server.api.keepalive_timeout,
        timeout_graceful_shutdown=2,  # seconds; open UI pages and workers hold web sockets for ever
        log_level=server.logging_level.lower(),
    )


def main() -> None:
    """`python -m flows.server [LIFELINE_FD]`, in place of `prefect server start`."""
    if len(sys.argv) > 1:
        lifeline.watch(int(sys.argv[1]), lifeline.end_gently)
    url = get_current_settings().server.database.connection_url
    if url is None or url.get_secret_value().startswith("sqlite"):
        with temporary_database_config(PatientSqlite(url.get_secret_value() if url else "")):
            serve()
    else:
        serve()


if __name__ == "__main__":
    main()
