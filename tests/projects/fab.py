"""An application on Flask-AppBuilder with its security API on. Run by tests/servers_fab.py."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any


def serve(folder: Path, user: str, password: str, *groups: str) -> None:
    """Listen on a free port until standard input closes."""
    from flask import Flask
    from flask_appbuilder import AppBuilder
    from flask_appbuilder.utils.legacy import get_sqla_class
    from werkzeug.serving import make_server

    app, db = Flask("dashboards"), get_sqla_class()()
    app.config |= {
        "SECRET_KEY": "of-a-test-that-is-long-enough-for-anybody",
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'fab.db'}?timeout=30",
        "FAB_ADD_SECURITY_API": True,
        "FAB_PASSWORD_HASH_METHOD": "pbkdf2:sha256:1",
        "RATELIMIT_ENABLED": False,
    }
    with app.app_context():
        db.init_app(app)
        builder: Any = AppBuilder(app, db.session)
        for name in groups:
            builder.sm.add_role(name)
        public = builder.sm.find_role("Public")
        if public.id != 2:
            raise SystemExit(f"Public is role {public.id}")
        if not builder.sm.find_user(user):
            admin = builder.sm.find_role("Admin")
            builder.sm.add_user(user, "Roll", "Call", "robot@juniperfinch.example", admin, password)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"listening on http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), *sys.argv[2:])
