"""Django's own admin (PyPI) as a process of its own: users and groups, a superuser with a password and a TOTP device.

Run as a program it is that server; imported it starts one. What goes wrong on purpose is asked for in faults.json.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.foreign import GROUPS, Shown

USER, PASSWORD = "rollcall-robot", "canary-Pekoe-4711-of-the-robot"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ROOT = Path(__file__).parents[1]
PRESET = ROOT / "connectors" / "presets" / "django_admin.yaml"
PATIENCE = 60.0  # seconds a first start may take on a busy machine
FIELDS = {"work_email": "email", "given_name": "first_name", "family_name": "last_name"}


class DjangoAdmin:
    """The server, what its database holds, and what it does wrong."""

    name = "django_admin"

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.folder = Path()
        self.url = ""

    @property
    def rules_yaml(self) -> str:
        """The preset as it is shipped."""
        return PRESET.read_text(encoding="utf-8")

    def missing(self) -> str:
        """Why there can be no Django admin with TOTP and a browser here."""
        for module in ("django", "django_otp", "pyotp", "playwright"):
            if importlib.util.find_spec(module) is None:
                return f"{module} is not installed"
        if not PRESET.exists():
            return "connectors/presets/django_admin.yaml is not there yet"
        from connectors.browser_chromium import installed

        return "" if installed() else "there is no Chromium or Chrome"

    def start(self, folder: Path) -> dict[str, str]:
        """Make the database and listen; the variables of the preset."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-W", "ignore", "-m", "tests.servers_django", str(folder)]
        pipe = subprocess.PIPE
        with (folder / "django.log").open("w") as log:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True, cwd=ROOT)
        line = self.process.stdout.readline() if self.process.stdout else ""
        if "listening" not in line:
            self.stop()
            raise RuntimeError(f"Django did not start: {(folder / 'django.log').read_text()[-2000:]}")
        self.url = line.split()[-1]
        return self.environment

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs."""
        given = {"URL": self.url, "USER": USER, "PASSWORD": PASSWORD, "TOTP_SEED": SEED}
        return {f"DJANGO_ADMIN_{name}": value for name, value in given.items()}

    def stop(self) -> None:
        """End the process by its own id."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def account(self, email: str) -> Shown | None:
        """Straight from the database."""
        found = self.rows("SELECT * FROM auth_user WHERE lower(username) = lower(?)", email)
        if not found:
            return None
        names = {ours: found[0][theirs] for ours, theirs in FIELDS.items()}
        return Shown(str(found[0]["id"]), bool(found[0]["is_active"]), self.groups(found[0]["id"]), names)

    def groups(self, user: int) -> frozenset[str]:
        """Names of a user's groups."""
        query = "SELECT g.name FROM auth_group g JOIN auth_user_groups m ON m.group_id = g.id WHERE m.user_id = ?"
        return frozenset(row["name"] for row in self.rows(query, user))

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of Django's database, or the effect of a statement on it."""
        with closing(sqlite3.connect(self.folder / "django.db", timeout=30)) as db:
            db.row_factory = sqlite3.Row
            found = [dict(row) for row in db.execute(query, values).fetchall()]
            db.commit()
            return found

    def count(self) -> int:
        """How many users there are."""
        return len(self.rows("SELECT id FROM auth_user"))

    def reset(self) -> None:
        """Only the robot is left, and nothing is wrong."""
        self.faults()
        for table in ("auth_user_groups", "django_admin_log", "auth_user"):
            column = "id" if table == "auth_user" else "user_id"
            self.rows(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT id FROM auth_user WHERE username = ?)", USER)
        self.log(clear=True)

    def sign_everybody_out(self) -> None:
        """End all sessions, as a restart with another key would."""
        self.rows("DELETE FROM django_session")

    def fill(self, many: int) -> None:
        """Make users behind the admin's back."""
        values = "(username, first_name, last_name, email, password, is_staff, is_superuser, is_active, date_joined)"
        with closing(sqlite3.connect(self.folder / "django.db", timeout=30)) as db:
            for n in range(many):
                mail = f"many.{n:04}@juniperfinch.example"
                row = (mail, "Many", f"N{n}", mail, "!", 0, 0, n % 7 != 0, "2026-01-01 00:00:00")
                db.execute(f"INSERT INTO auth_user {values} VALUES (?,?,?,?,?,?,?,?,?)", row)
            db.commit()

    def faults(self, *faults: dict[str, Any]) -> None:
        """Replace what goes wrong: {match: regex on `VERB /path`, kind, times, seconds}."""
        (self.folder / "faults.tmp").write_text(json.dumps(faults))
        os.replace(self.folder / "faults.tmp", self.folder / "faults.json")

    def log(self, clear: bool = False) -> list[str]:
        """Requests so far, `VERB /path`."""
        path = self.folder / "requests.log"
        lines = path.read_text().splitlines() if path.exists() else []
        if clear:
            path.write_text("")
        return lines


FOREIGN = (DjangoAdmin,)


# the server's side


def configure(folder: Path) -> None:
    """A project as `django-admin startproject` makes it, in one call."""
    from django.conf import settings

    apps = ["admin", "auth", "contenttypes", "sessions", "messages", "staticfiles"]
    middleware = ["sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware"]
    middleware += ["messages.middleware.MessageMiddleware"]
    processors = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
    processors += ["django.contrib.messages.context_processors.messages"]
    settings.configure(
        SECRET_KEY="of-a-test",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="tests.servers_django",
        STATIC_URL="/static/",
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(folder / "django.db"),
                "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
            }
        },
        INSTALLED_APPS=[f"django.contrib.{a}" for a in apps] + ["django_otp", "django_otp.plugins.otp_totp"],
        MIDDLEWARE=[
            "tests.servers_django.going_wrong",
            "django.contrib." + middleware[0],
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib." + middleware[1],
            "django_otp.middleware.OTPMiddleware",
            "django.contrib." + middleware[2],
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": processors},
            }
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        ROLLCALL_FOLDER=folder,
    )


def prepare() -> None:
    """Tables, the groups, and the robot with its TOTP device."""
    import base64

    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django_otp.plugins.otp_totp.models import TOTPDevice

    call_command("migrate", verbosity=0)
    for name in GROUPS:
        Group.objects.get_or_create(name=name)
    if not User.objects.filter(username=USER).exists():
        robot = User.objects.create_superuser(USER, "robot@juniperfinch.example", PASSWORD)
        TOTPDevice.objects.create(user=robot, name="phone", key=base64.b32decode(SEED).hex())


Handler = Callable[[Any], Any]


def going_wrong(get_response: Handler) -> Handler:
    """Django middleware: writes the log of requests, and does wrong what faults.json asks for."""
    import re

    from django.conf import settings

    folder, lock = settings.ROLLCALL_FOLDER, threading.Lock()

    def due(line: str) -> dict[str, Any]:
        path = folder / "faults.json"
        with lock:
            with (folder / "requests.log").open("a") as log:
                log.write(f"{line}\n")
            faults = json.loads(path.read_text()) if path.exists() else []
            for fault in faults:
                if re.search(fault["match"], line) and fault.get("times", 1) > 0:
                    fault["times"] = fault.get("times", 1) - 1
                    path.write_text(json.dumps(faults))
                    return dict(fault)
        return {}

    def respond(request: Any) -> Any:
        fault = due(f"{request.method} {request.path}")
        return GOES_WRONG[fault.get("kind", "")](get_response, request, fault)

    return respond


def well(get_response: Handler, request: Any, fault: dict[str, Any]) -> Any:
    return get_response(request)


def status(get_response: Handler, request: Any, fault: dict[str, Any]) -> Any:
    """An error page, and nothing done."""
    from django.http import HttpResponse

    headers = {"Retry-After": str(fault["after"])} if "after" in fault else {}
    return HttpResponse(b"<h1>Something went wrong</h1>", status=fault.get("status", 500), headers=headers)


def slow(get_response: Handler, request: Any, fault: dict[str, Any]) -> Any:
    time.sleep(fault["seconds"])
    return get_response(request)


def lost_answer(get_response: Handler, request: Any, fault: dict[str, Any]) -> Any:
    """It is done, and nobody hears of it."""
    get_response(request)
    request.META["rollcall.lost"] = True
    return get_nothing()


def silent_noop(get_response: Handler, request: Any, fault: dict[str, Any]) -> Any:
    """The page says that it was saved, and nothing changed."""
    from django.db import transaction

    with transaction.atomic():
        mark = transaction.savepoint()
        response = get_response(request)
        transaction.savepoint_rollback(mark)
    return response


def signed_out(get_response: Handler, request: Any, fault: dict[str, Any]) -> Any:
    """The session ends just before this request."""
    from django.contrib.sessions.models import Session

    Session.objects.all().delete()
    return get_response(request)


def get_nothing() -> Any:
    from django.http import HttpResponse

    return HttpResponse(b"")


GOES_WRONG: dict[str, Callable[[Handler, Any, dict[str, Any]], Any]] = {
    "": well,
    "status": status,
    "slow": slow,
    "lost-answer": lost_answer,
    "silent-noop": silent_noop,
    "signed-out": signed_out,
}


def hanging_up(app: Callable[..., Any]) -> Callable[..., Any]:
    """WSGI: ends the connection without a word where an answer is to be lost."""

    def respond(environ: dict[str, Any], start_response: Any) -> Any:
        body = app(environ, start_response)
        if environ.get("rollcall.lost"):
            environ["rollcall.connection"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError
        return body

    return respond


def __getattr__(name: str) -> Any:
    """`urlpatterns`, made when Django asks for them: the admin with two factors."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.contrib.auth.admin import GroupAdmin, UserAdmin
    from django.contrib.auth.models import Group, User
    from django.urls import path
    from django_otp.admin import OTPAdminSite

    site = OTPAdminSite()
    site.register(User, UserAdmin)
    site.register(Group, GroupAdmin)
    globals()["urlpatterns"] = [path("admin/", site.urls)]
    return globals()["urlpatterns"]


def serve(folder: Path) -> None:
    """Listen on a free port until standard input closes."""
    configure(folder)
    import django
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    django.setup()
    prepare()

    class Handler(WSGIRequestHandler):
        def get_environ(self) -> Any:
            return super().get_environ() | {"rollcall.connection": self.connection}

    server = ThreadedWSGIServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.set_app(hanging_up(StaticFilesHandler(get_wsgi_application())))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"listening on http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


def running(folder: Path) -> Iterator[DjangoAdmin]:
    """For fixtures: a server of one's own, ended after use."""
    server = DjangoAdmin()
    try:
        server.start(folder)
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    sys.modules.setdefault("tests.servers_django", sys.modules["__main__"])
    serve(Path(sys.argv[1]))
