"""The sandbox's Badge Office as a browser app: a recipe as a company would write it."""

from __future__ import annotations

from typing import Any

BADGES: dict[str, Any] = {
    "url": "${BADGE_URL}",
    "login": {
        "page": "/login",
        "user": "${BADGE_USER}",
        "password": "${BADGE_PASSWORD}",
        "steps": [
            {"fill": {"label": "E-mail"}, "with": "{user}"},
            {"fill": {"label": "Password"}, "with": "{password}"},
            {"click": {"button": "Sign in"}},
        ],
    },
    "problems": {"role": "alert"},
    "accounts": {
        "open": "/list",
        "empty": {"text": "0 badges, page 1 of 1", "exact": True},
        "fields": {"email": {"column": "E-mail"}, "name": {"column": "Name"}, "site": {"column": "Site"}},
        "id": {"column": "Name", "attribute": "href", "like": "/badges/{}"},
        "active": {"column": "Status", "is": "Active"},
        "next": {"link": "Next page"},
        "total": {"role": "status", "like": "{} badges"},
    },
    "find": {"open": "/list?q={key}"},
    "account": {
        "open": "/{id}",
        "fields": {
            "email": {"label": "E-mail"},
            "name": {"label": "Name"},
            "site": {"label": "Site"},
        },
        "active": {"label": "Status", "is": "Active"},
    },
    "create": [
        {"open": "/issue"},
        {"fill": {"label": "Name"}, "with": "{name}"},
        {"fill": {"label": "E-mail"}, "with": "{email}"},
        {"select": {"label": "Site"}, "option": "{site}"},
        {"click": {"button": "Issue badge"}},
        {"expect": {"heading": "Badge of {name}"}},
    ],
    "disable": [
        {"open": "/{id}"},
        {"click": {"button": "Deactivate"}},
        {"expect": {"button": "Reactivate"}},
    ],
    "enable": [
        {"open": "/{id}"},
        {"click": {"button": "Reactivate"}},
        {"expect": {"button": "Deactivate"}},
    ],
}
