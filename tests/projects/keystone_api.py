"""OpenStack Keystone on SQLite, made from nothing by its own keystone-manage. Run by tests/servers_keystone.py."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

CONF = """\
[DEFAULT]
debug = false
[database]
connection = sqlite:///{folder}/keystone.db
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[identity]
password_hash_rounds = 4
[cache]
enabled = false
"""


class Threaded(ThreadingMixIn, WSGIServer):
    """A thread for each call."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Writes nothing."""

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def prepare(folder: Path, conf: Path, user: str, password: str) -> None:
    """Tables, keys, the admin."""
    conf.write_text(CONF.format(folder=folder))
    steps = [["db_sync"]]
    if hasattr(os, "getuid"):
        who = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
        steps += [["fernet_setup", *who], ["credential_setup", *who]]
    first = ["--bootstrap-username", user, "--bootstrap-password", password, "--bootstrap-project-name", "ops"]
    steps += [["bootstrap", *first, "--bootstrap-role-name", "admin", "--bootstrap-region-id", "one"]]
    manage = str(Path(sys.executable).with_name("keystone-manage"))
    for step in steps:
        done = subprocess.run([manage, "--config-file", str(conf), *step], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"keystone-manage {step[0]}: {done.stderr[-1500:]}")


def serve(folder: Path, user: str, password: str) -> None:
    """Listen on a free port until standard input closes."""
    conf = folder / "keystone.conf"
    if not conf.exists():
        prepare(folder, conf, user, password)
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(conf)
    sys.argv = sys.argv[:1]
    from keystone.server.wsgi import initialize_public_application

    application = initialize_public_application()
    server = make_server("127.0.0.1", 0, application, server_class=Threaded, handler_class=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"listening on http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve(Path(sys.argv[1]).resolve(), *sys.argv[2:])
