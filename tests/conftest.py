"""Fixtures that are dear to make and shared by the whole session."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from connectors.sandbox import Sandbox
from tests.stage import Stage, set_up

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's `&` says so, and what the tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One sandbox and one stack; see tests/stage.py."""
    with set_up(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """The vendors' servers, for the tests of one file."""
    with Sandbox() as running:
        yield running
