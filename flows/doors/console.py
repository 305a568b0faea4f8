"""How the commands speak: tables and messages on a terminal, JSON for programs, one clear line for an error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import httpx
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError

from connectors.errors import ConnectorError
from flows.case import NotInHr, RowHeld
from flows.record.chain import ChainBroken
from flows.record.lease import Busy
from flows.record.signing import KeyUnusable
from flows.settings import UnreadableEnvFile, UnsafeEnvFile
from flows.stack import StackError
from mappings.feed import FeedError
from mappings.folder import RulesError

P = ParamSpec("P")
R = TypeVar("R")
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

EXPECTED = (
    ConnectorError,
    RulesError,
    FeedError,
    NotInHr,
    RowHeld,
    Busy,
    StackError,
    KeyUnusable,
    ChainBroken,
    UnsafeEnvFile,
    UnreadableEnvFile,
)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what went wrong on stderr and end."""
    err.print(message, style="red", markup=False, highlight=False)
    raise typer.Exit(code)


def plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the errors that can be expected into one message and exit status 1."""

    @wraps(command)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except EXPECTED as error:
            fail(str(error))
        except ValidationError as error:
            fail(
                "settings: "
                + "; ".join(f"ROLLCALL_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
            )
        except OperationalError as error:
            fail(f"record: the database cannot be used: {error.orig}. Check ROLLCALL_DATABASE_URL.")
        except (httpx.ConnectError, httpx.ReadError) as error:
            fail(f"Prefect's server does not answer ({error}). Start it with `rollcall up`, in another terminal.")

    return inner


def run(work: Coroutine[Any, Any, R]) -> R:
    """Run async work from a command."""
    return asyncio.run(work)


def show_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    typer.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def show_table(title: str, head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table on stdout."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    out.print(table)
