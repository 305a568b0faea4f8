"""A small in-house tool on Django REST Framework (PyPI), as a process of its own: staff and teams behind a login page.

Run as a program it is that server; imported it starts one. Its YAML is the one that docs/rest.md arrives at.
"""

from __future__ import annotations

import importlib.util
import re
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.foreign import GROUPS, Shown

USER, PASSWORD = "rollcall-robot", "canary-Keemun-0815"
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "rest.md"
FIELDS = {"work_email": "email", "given_name": "first_name", "family_name": "last_name"}


class Drf:
    """The server, and what its database holds."""

    name = "shelf"

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.folder = Path()
        self.url = ""

    @property
    def rules_yaml(self) -> str:
        """The YAML that the page ends with."""
        return re.findall(r"```yaml\n# apps/shelf\.yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]

    def missing(self) -> str:
        """Why there can be no such tool here."""
        return "" if importlib.util.find_spec("rest_framework") else "djangorestframework is not installed"

    def start(self, folder: Path) -> dict[str, str]:
        """Make the database and listen; the variables of the YAML."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-W", "ignore", "-m", "tests.servers_drf", str(folder)]
        pipe = subprocess.PIPE
        with (folder / "django.log").open("w") as log:
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True, cwd=ROOT)
        line = self.process.stdout.readline() if self.process.stdout else ""
        if "listening" not in line:
            self.stop()
            raise RuntimeError(f"Django did not start: {(folder / 'django.log').read_text()[-2000:]}")
        self.url = line.split()[-1]
        return {"SHELF_URL": self.url, "SHELF_USER": USER, "SHELF_PASSWORD": PASSWORD}

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
        found = self.rows("SELECT * FROM auth_user WHERE lower(email) = lower(?)", email)
        if not found:
            return None
        query = "SELECT g.name FROM auth_group g JOIN auth_user_groups m ON m.group_id = g.id WHERE m.user_id = ?"
        names = frozenset(row["name"] for row in self.rows(query, found[0]["id"]))
        told = {ours: found[0][theirs] for ours, theirs in FIELDS.items()}
        return Shown(str(found[0]["id"]), bool(found[0]["is_active"]), names, told)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of the database, or the effect of a statement on it."""
        with closing(sqlite3.connect(self.folder / "django.db", timeout=30)) as db:
            db.row_factory = sqlite3.Row
            found = [dict(row) for row in db.execute(query, values).fetchall()]
            db.commit()
            return found

    def sign_everybody_out(self) -> None:
        """End all sessions, as a restart with another key would."""
        self.rows("DELETE FROM django_session")


FOREIGN = (Drf,)


# the server's side


def configure(folder: Path) -> None:
    """A project as `django-admin startproject` makes it, in one call."""
    from django.conf import settings

    apps = ["auth", "contenttypes", "sessions", "messages"]
    middleware = ["sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware"]
    settings.configure(
        SECRET_KEY="of-a-test",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="tests.servers_drf",
        STATIC_URL="/static/",
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(folder / "django.db"),
                "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
            }
        },
        INSTALLED_APPS=[f"django.contrib.{a}" for a in apps] + ["rest_framework"],
        MIDDLEWARE=[
            f"django.contrib.{middleware[0]}",
            "django.middleware.csrf.CsrfViewMiddleware",
            f"django.contrib.{middleware[1]}",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
            "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
            "DEFAULT_FILTER_BACKENDS": ["rest_framework.filters.SearchFilter"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "PAGE_SIZE": 5,
        },
    )


def prepare() -> None:
    """Tables, the groups, and the robot."""
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    for name in GROUPS:
        Group.objects.get_or_create(name=name)
    if not User.objects.filter(username=USER).exists():
        User.objects.create_superuser(USER, "robot@juniperfinch.example", PASSWORD)


def __getattr__(name: str) -> Any:
    """`urlpatterns`, made when Django asks for them: the login page, staff and teams."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.contrib.auth.models import Group, User
    from django.urls import include, path
    from rest_framework import routers, serializers, viewsets

    class StaffSerializer(serializers.ModelSerializer):
        teams = serializers.PrimaryKeyRelatedField(
            source="groups", many=True, queryset=Group.objects.all(), required=False
        )

        class Meta:
            model = User
            fields = ("id", "username", "email", "first_name", "last_name", "is_active", "date_joined", "teams")
            extra_kwargs = {"email": {"required": True}}

    class TeamSerializer(serializers.ModelSerializer):
        class Meta:
            model = Group
            fields = ("id", "name")

    class Staff(viewsets.ModelViewSet):
        queryset, serializer_class = User.objects.order_by("id"), StaffSerializer
        search_fields = ("email",)

    class Teams(viewsets.ModelViewSet):
        queryset, serializer_class = Group.objects.order_by("id"), TeamSerializer

    router = routers.DefaultRouter()
    router.register("staff", Staff)
    router.register("teams", Teams)
    pages = include("rest_framework.urls")
    globals()["urlpatterns"] = [path("api/", include(router.urls)), path("accounts/", pages)]
    return globals()["urlpatterns"]


def serve(folder: Path) -> None:
    """Listen on a free port until standard input closes."""
    configure(folder)
    import django
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    django.setup()
    prepare()
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.daemon_threads = True
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"listening on http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    sys.modules.setdefault("tests.servers_drf", sys.modules["__main__"])
    serve(Path(sys.argv[1]))
