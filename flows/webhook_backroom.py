"""The room behind the door: the dispatcher and the poll in a process of their own, so that no look at people makes HR
wait for its answer. A pipe joins the two: a byte says that something was stored, its end that the door is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from flows.record import signals
from flows.record.database import now
from flows.settings import load_settings
from flows.webhook_dispatch import Dispatcher
from flows.webhook_pipe import logs
from flows.webhook_poll import Poll
from flows.webhook_site import Sites


async def work(pipe: int) -> None:
    """Dispatch and poll; this process ends with the pipe."""
    sites = await asyncio.to_thread(Sites, load_settings())
    dispatcher = Dispatcher(sites)

    def heard() -> None:
        if not os.read(pipe, 1 << 16):
            os._exit(0)  # as if killed, which everything here bears; whatever is waited for could take long
        dispatcher.wake.set()

    asyncio.get_running_loop().add_reader(pipe, heard)
    await asyncio.to_thread(signals.forget, sites.site.db, now() - signals.KEPT)
    dispatcher.wake.set()
    await asyncio.gather(dispatcher.run(), Poll(sites, dispatcher.wake.set).run())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the door says when it ends
    logs()
    asyncio.run(work(int(sys.argv[1])))
