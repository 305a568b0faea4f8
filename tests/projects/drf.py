"""An in-house tool on Django REST Framework: staff and teams behind a login page. Run by tests/servers_drf.py."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any


def configure(folder: Path) -> None:
    """A project as `django-admin startproject` makes it, in one call."""
    from django.conf import settings

    apps = ["auth", "contenttypes", "sessions", "messages"]
    middleware = ["sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware"]
    settings.configure(
        SECRET_KEY="of-a-test",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="__main__",
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


def prepare(user: str, password: str, groups: list[str]) -> None:
    """Tables, the groups, and the robot."""
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    for name in groups:
        Group.objects.get_or_create(name=name)
    if not User.objects.filter(username=user).exists():
        User.objects.create_superuser(user, "robot@juniperfinch.example", password)


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


def serve(folder: Path, user: str, password: str, *groups: str) -> None:
    """Listen on a free port until standard input closes."""
    configure(folder)
    import django
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    django.setup()
    prepare(user, password, list(groups))
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.daemon_threads = True
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"listening on http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), *sys.argv[2:])
