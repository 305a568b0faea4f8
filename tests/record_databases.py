"""Fresh databases for the record's tests: SQLite in a folder, and a PostgreSQL server of their own."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from flows.record.database import Database

KINDS = ("sqlite", "postgres")


@contextmanager
def fresh_database(kind: str, folder: Path) -> Iterator[Database]:
    """A migrated, empty record; skips where it would be on PostgreSQL and there is none."""
    db = Database(fresh_url(kind, folder))
    db.migrate()
    yield db
    db.close()


def fresh_url(kind: str, folder: Path) -> str:
    """Where an empty database is."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'record.db'}"
    server, name = postgres_socket(), f"record_{uuid4().hex}"
    with psycopg.connect(f"host={server} user=rollcall dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql://rollcall@/{name}?host={server}"


def postgres_socket() -> Path:
    """The folder with the socket of this test session's server."""
    folder = start_postgres()
    if folder is None:
        pytest.skip("no PostgreSQL here: neither initdb on the PATH nor under /usr/lib/postgresql")
    return folder


@cache
def start_postgres() -> Path | None:
    """Start a server on a Unix socket, as another user when this is root; it ends with the session."""
    initdb = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if initdb is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="rollcall-pg-"))
    user = unprivileged(folder)
    data, postgres = folder / "data", Path(initdb).with_name("postgres")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "user": user, "cwd": folder}
    subprocess.run([initdb, "-D", data, "-U", "rollcall", "-A", "trust", "-N"], check=True, **quiet)
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    server = subprocess.Popen([postgres, "-D", data, *settings], **quiet)
    atexit.register(stop, server, folder)
    wait_until_ready(folder, server)
    return folder


def unprivileged(folder: Path) -> int | None:
    """The user the server may run as (it refuses root), made owner of the folder."""
    if os.getuid() != 0:
        return None
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_uid


def wait_until_ready(folder: Path, server: subprocess.Popen[bytes]) -> None:
    """Until the server answers."""
    while server.poll() is None:
        try:
            psycopg.connect(f"host={folder} user=rollcall dbname=postgres").close()
            return
        except psycopg.OperationalError:
            continue
    raise RuntimeError(f"PostgreSQL did not start; its exit status was {server.returncode}")


def stop(server: subprocess.Popen[bytes], folder: Path) -> None:
    """End the server at once and remove what it kept."""
    server.send_signal(2)  # "fast shutdown"
    server.wait(30)
    shutil.rmtree(folder, ignore_errors=True)
