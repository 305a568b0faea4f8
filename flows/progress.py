"""How far a long reading of HR is, for whoever waits for it: in the run's log, else on the terminal."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

SPOKEN = logging.getLogger("connectors.hr")
"""Where connectors tell it: `bamboohr: read 12,000 of 100,000 people (12 of 100 pages)`."""


@contextmanager
def heard() -> Iterator[None]:
    """What connectors tell in this thread meanwhile is passed on, once."""
    me, say = threading.get_ident(), listener()

    def passed_on(record: logging.LogRecord) -> bool:
        if record.thread != me:
            return True
        say(record.getMessage())
        return False

    SPOKEN.setLevel(logging.INFO)
    SPOKEN.addFilter(passed_on)
    try:
        yield
    finally:
        SPOKEN.removeFilter(passed_on)


def listener() -> Callable[[str], object]:
    """The run's log; where there is no run the terminal, or nobody."""
    try:
        log = get_run_logger()
        return lambda line: log.info("%s", line)
    except MissingContextError:
        return lambda line: sys.stderr.write(f"{line}\n") if sys.stderr.isatty() else None
