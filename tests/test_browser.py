"""The browser at pages made for it: what recipes can say, what goes wrong, and what must not be seen."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import psutil
import pytest
from ruamel.yaml import YAML

from connectors.base import Outcome, Sessions
from connectors.browser_chromium import installed, stop_all
from connectors.catalogue import capabilities, connect
from connectors.errors import NeedsHuman, Refused, Retryable
from connectors.sandbox import Sandbox
from mappings.folder import plain
from mappings.vocabulary import AppRules
from tests.badge_recipe import BADGES
from tests.connectors_servers import Asked, Said, Scripted

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not installed(), reason="there is no Chromium or Chrome; `playwright install chromium`"),
]
CANARY = "canary-Assam-in-a-password"
DONE, ALREADY = Outcome.DONE, Outcome.ALREADY


@pytest.fixture(scope="module", autouse=True)
def browser_ended() -> Iterator[None]:
    yield
    stop_all()


class Site:
    """A small app whose pages use what browsers have: boxes, tabs, frames, scripts that draw later, files."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, str]] = {}
        self.signed_in: set[str] = set()
        self.extra = ""
        self.posts: list[str] = []
        self.pages = dict(PAGES)
        self.token = False
        """Whether the login leaves a token in the tab."""
        self.logins = 0
        self.server = Scripted(self.answer)

    def __enter__(self) -> Site:
        self.server.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.server.__exit__(*error)

    def answer(self, asked: Asked) -> Said:
        if asked.path.startswith("/login"):
            return self.login(asked)
        if f"sid={CANARY[::-1]}" not in (asked.headers.get("Cookie") or "") and self.signed_in:
            return Said(303, headers={"Location": "/login"})
        if asked.method == "POST":
            return self.change(asked)
        return self.pages.get(asked.path, lambda site, asked: Said(404, "<h1>Nothing here</h1>", HTML))(self, asked)

    def login(self, asked: Asked) -> Said:
        if asked.method == "POST":
            given = {k: v[0] for k, v in parse_qs(asked.text).items()}
            self.logins += 1
            if given.get("password") == CANARY and self.token:
                script = "sessionStorage.token = 'of-the-tab'; location.href = '/people'"
                return Said(200, f"<script>{script}</script>", HTML)
            if given.get("password") == CANARY:
                return Said(303, headers={"Location": "/people", "Set-Cookie": f"sid={CANARY[::-1]}; Path=/"})
        return Said(
            200, f"<form method=post>{field('User')}{field('Password', 'password')}<button>Enter</button>", HTML
        )

    def change(self, asked: Asked) -> Said:
        given = {k: v[0] for k, v in parse_qs(asked.text).items()}
        self.posts.append(asked.path)
        mail = given.pop("mail", "")
        if asked.path == "/off":
            self.people[mail]["state"] = "Off"
        elif mail in self.people:
            return Said(200, page("New", "<p role=alert>This address is taken.</p>"), HTML)
        else:
            self.people[mail] = {"name": given.get("name", ""), "state": "On", "roles": given.get("role", "")}
        return Said(303, headers={"Location": "/people"})


HTML = {"Content-Type": "text/html; charset=utf-8"}


def page(title: str, body: str) -> str:
    return f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>{body}"


def field(label: str, kind: str = "text", name: str = "") -> str:
    name = name or label.lower()
    return f"<label for={name}>{label}</label><input id={name} name={name} type={kind}>"


def people(site: Site, asked: Asked) -> Said:
    """Cards instead of a table, drawn by a script some time after the page has come; two a page."""
    start = int(asked.query.get("from", 0))
    some = list(site.people.items())[start : start + 2]
    cards = "".join(
        f"<li class=card><b>{mail}</b> <i>{p['name']}</i> <span title=State>{p['state']}</span>"
        f"<button onclick=\"if (confirm('Switch off {mail}?')) send('{mail}')\">Off</button></li>"
        for mail, p in some
    )
    more = f"<a href='/people?from={start + 2}'>Older</a>" if start + 2 < len(site.people) else ""
    drawn = json.dumps((f"<ul>{cards}</ul>{more}" if some else "<p>Nobody yet</p>") + site.extra)
    script = f"setTimeout(() => document.body.insertAdjacentHTML('beforeend', {drawn}), 120);"
    script += "function send(m) { const f = document.createElement('form'); f.method = 'post'; f.action = '/off';"
    script += "f.innerHTML = `<input name=mail value='${m}'>`; document.body.append(f); f.submit(); }"
    return Said(200, page("People", f"<a href=/new target=_blank>New person</a><script>{script}</script>"), HTML)


def new(site: Site, asked: Asked) -> Said:
    return Said(200, page("New", "<iframe title=Form src=/form style='width:600px;height:300px'></iframe>"), HTML)


def form(site: Site, asked: Asked) -> Said:
    roles = "<label for=r>Role</label><select id=r name=role><option>Reader<option>Editor</select>"
    inner = (
        f"<form method=post action=/new target=_top>{field('Mail')}{field('Name')}{roles}<button>Save</button></form>"
    )
    return Said(200, inner + "<button>Save as draft</button>", HTML)


def export(site: Site, asked: Asked) -> Said:
    lines = ["Mail;Name;State", *(f"{mail};{p['name']};{p['state']}" for mail, p in site.people.items())]
    headers = {"Content-Type": "text/csv", "Content-Disposition": "attachment; filename=people.csv"}
    return Said(200, "﻿" + "\n".join(lines), headers)


def tools(site: Site, asked: Asked) -> Said:
    return Said(200, page("Tools", "<a href=/export.csv>Export</a>"), HTML)


PAGES = {"/people": people, "/new": new, "/form": form, "/export.csv": export, "/tools": tools}
RECIPE: dict[str, Any] = {
    "url": "${SITE_URL}",
    "patience": 4,
    "problems": [{"role": "alert"}],
    "accounts": {
        "open": "/people",
        "rows": {"css": ".card"},
        "empty": {"text": "Nobody yet"},
        "fields": {"mail": {"css": "b"}, "name": {"css": "i"}},
        "active": {"title": "State", "is": "On"},
        "next": {"link": "Older"},
    },
    "create": [
        {"open": "/people"},
        {"click": {"link": "New person"}, "tab": True},
        {"fill": {"label": "Mail", "frame": {"css": "iframe"}}, "with": "{mail}"},
        {"fill": {"label": "Name", "frame": {"title": "Form"}}, "with": "{name}"},
        {"fill": {"label": "Role", "frame": {"title": "Form"}}, "with": "editor"},
        {"click": {"button": "Save", "frame": {"title": "Form"}}},
        {"at": "/people"},
        {"first_tab": True},
    ],
    "disable": [
        {"open": "/people"},
        {"when": {"listitem": "{mail}"}, "or": {"link": "Older"}, "then": [{"expect": {"listitem": "{mail}"}}]},
        {"click": {"button": "Off", "within": {"listitem": "{mail}"}}, "confirm": "Switch off"},
        {"expect": {"text": "Off", "within": {"listitem": "{mail}"}, "exact": True, "nth": 1}},
    ],
}
RULES: dict[str, Any] = {
    "title": "Little App",
    "tier": "app",
    "connector": "browser",
    "owner": "front-desk@juniperfinch.example",
    "key": "mail",
    "attributes": {"mail": "{work_email}", "name": "{display_name}"},
    "instructions": {"disable": "Switch it off by hand."},
}
ANN = {"mail": "ann@juniperfinch.example", "name": "Ann"}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def app_at(site: Site, keep: Path | None = None, secret: str = "", **options: Any) -> Any:
    rules = AppRules.model_validate(RULES | {"options": RECIPE | options})
    return connect("little", rules, {"SITE_URL": site.server.url, "SITE_PASSWORD": secret or CANARY}, keep=keep)


def signing_in(site: Site, **more: Any) -> dict[str, Any]:
    site.signed_in.add("everybody must")
    steps = [
        {"fill": {"label": "User"}, "with": "{user}"},
        {"fill": {"label": "Password"}, "with": "{password}"},
        {"click": {"button": "Enter"}},
    ]
    return {"login": {"page": "/login", "user": "robot", "password": "${SITE_PASSWORD}", "steps": steps} | more}


def test_tabs_frames_boxes_and_pages_that_draw_themselves_later(site: Site) -> None:
    app = app_at(site)

    assert app.find(ANN["mail"]) is None
    assert app.create(ANN) == (DONE, ANN["mail"])
    assert site.people == {ANN["mail"]: {"name": "Ann", "state": "On", "roles": "Editor"}}
    assert [app.disable(ANN["mail"]), app.disable(ANN["mail"])] == [DONE, ALREADY]
    assert site.people[ANN["mail"]]["state"] == "Off" and site.posts == ["/new", "/off"]
    assert capabilities(app) >= {"accounts", "create", "disable"} and not capabilities(app) & {"delete", "grant"}
    assert not isinstance(app, Sessions)
    with pytest.raises(NeedsHuman, match="declares no `delete`"):
        app.delete(ANN["mail"])


def test_what_has_no_value_is_left_empty_and_nobody_is_looked_for_by_it(site: Site) -> None:
    app = app_at(site)
    assert app.create({"mail": ANN["mail"]}) == (DONE, ANN["mail"])
    assert site.people[ANN["mail"]]["name"] == ""

    steps = [{"open": "/people"}, {"click": {"button": "Off", "within": {"listitem": "{name}"}}, "confirm": True}]
    words = RECIPE["accounts"] | {"fields": {"mail": {"css": "b"}}}
    with pytest.raises(NeedsHuman, match="there is no value for {name}"):
        app_at(site, disable=steps, accounts=words).disable(ANN["mail"])


def test_a_list_of_cards_over_pages(site: Site) -> None:
    site.people = {f"p{n}@x.example": {"name": f"P{n}", "state": "On" if n % 2 else "Off"} for n in range(5)}

    found = list(app_at(site).accounts())

    assert [(a.key, a.active, a.attributes["name"]) for a in found] == [
        (f"p{n}@x.example", bool(n % 2), f"P{n}") for n in range(5)
    ]


def test_a_list_as_a_csv_file(site: Site) -> None:
    site.people = {f"p{n}@x.example": {"name": f"P{n}", "state": "On" if n else "Off"} for n in range(3)}
    columns = {"mail": {"column": "mail"}, "name": {"column": "Name"}}
    words = {"open": "/tools", "download": {"link": "Export"}, "fields": columns}

    found = list(app_at(site, accounts=words | {"active": {"column": "State", "is": "On"}}).accounts())

    assert [(a.id, a.active) for a in found] == [
        ("p0@x.example", False),
        ("p1@x.example", True),
        ("p2@x.example", True),
    ]


def test_a_list_that_is_not_there_is_not_an_empty_one(site: Site) -> None:
    app = app_at(site, patience=1, accounts=RECIPE["accounts"] | {"open": "/tools"})

    with pytest.raises(NeedsHuman, match="there is no css '.card' on the page 'Tools'"):
        app.find(ANN["mail"])
    with pytest.raises(NeedsHuman):
        app.create(ANN)
    assert site.posts == []


def test_two_accounts_with_one_key_are_for_a_person(site: Site) -> None:
    site.people = {"a": {"name": "A", "state": "On"}, "A ": {"name": "B", "state": "On"}}
    words = RECIPE["accounts"] | {"id": {"css": "i"}}

    with pytest.raises(NeedsHuman, match="2 accounts with one key"):
        app_at(site, accounts=words).find("a")


def test_what_the_page_refuses_is_told_in_its_words(site: Site) -> None:
    site.people[ANN["mail"].upper() + "x"] = {"name": "Ann", "state": "On"}
    site.people[ANN["mail"]] = {"name": "Ann", "state": "On"}
    only_others = RECIPE["accounts"] | {"next": None, "rows": {"css": ".card", "nth": 1}}

    with pytest.raises(Refused, match="the page says: This address is taken"):
        app_at(site, accounts=only_others).create(ANN)


def test_a_box_that_no_step_confirms_is_denied(site: Site) -> None:
    site.people[ANN["mail"]] = {"name": "Ann", "state": "On"}
    steps = [{"open": "/people"}, {"click": {"button": "Off"}}]

    with pytest.raises(NeedsHuman, match="the page asks 'Switch off ann@"):
        app_at(site, disable=steps).disable(ANN["mail"])

    assert site.people[ANN["mail"]]["state"] == "On"


def test_a_session_that_has_ended_is_renewed(site: Site, tmp_path: Path) -> None:
    site.people[ANN["mail"]] = {"name": "Ann", "state": "On"}
    app = app_at(site, keep=tmp_path, **signing_in(site))
    assert app.find(ANN["mail"]).id == ANN["mail"]
    saved = json.loads((tmp_path / "session.json").read_text())
    (tmp_path / "session.json").write_text(json.dumps(saved | {"cookies": []}))

    again = app_at(site, keep=tmp_path, **signing_in(site))

    assert again.disable(ANN["mail"]) == DONE and site.people[ANN["mail"]]["state"] == "Off"


def test_a_session_that_only_a_person_can_make(site: Site, tmp_path: Path) -> None:
    words = signing_in(site)
    app_at(site, keep=tmp_path, **words).check()
    login = {"login": {"page": "/login"}}

    assert "Little App" in app_at(site, keep=tmp_path, **login).check()
    (tmp_path / "session.json").unlink()
    with pytest.raises(Refused, match=r"rollcall app record little --session"):
        app_at(site, keep=tmp_path, **login).check()


def test_secrets_are_typed_at_known_hosts_only(site: Site) -> None:
    with Site() as other:
        words = signing_in(site, page=f"{other.server.url}/login")

        with pytest.raises(Refused, match="`login.hosts` does not name; nothing was typed"):
            app_at(site, **words).check()


def test_a_wrong_password_is_refused_without_showing_it(site: Site) -> None:
    with pytest.raises(Refused, match="SITE_PASSWORD") as caught:
        app_at(site, secret="canary-wrong-one", patience=2, **signing_in(site)).check()

    assert caught.value.status == 401 and "canary" not in str(caught.value)


def test_a_login_that_does_not_fit_is_shown_without_the_password(site: Site, tmp_path: Path) -> None:
    words = signing_in(site)
    steps = [*words["login"]["steps"][:2], {"click": {"button": "Log me in"}}]

    with pytest.raises(NeedsHuman, match=r"login, step 3 \(click button 'Log me in'\)") as caught:
        app_at(site, keep=tmp_path, patience=1, **{"login": words["login"] | {"steps": steps}}).create(ANN)

    (picture,) = caught.value.pictures
    assert picture.shows == "failure" and pink(Path(picture.file)) > 1000


def test_pictures_cover_what_is_secret(site: Site, tmp_path: Path) -> None:
    site.people[ANN["mail"]] = {"name": "Ann", "state": "On"}
    shown = f"<p>The password is {CANARY}</p>{field('Code', name='code')}<script>code.value = '{CANARY}'</script>"
    site.extra = shown.replace("<script>", '<img src=x onerror="').replace("</script>", '">')
    app = app_at(site, keep=tmp_path, **signing_in(site))

    app.disable(ANN["mail"])

    before, after = app.pictures()
    assert (before.shows, after.shows) == ("before", "after") and before.sha256 != after.sha256
    assert pink(Path(before.file)) > 1000, "nothing is covered"


def pink(file: Path) -> int:
    """How many pixels are covered, in Playwright's colour for it."""
    from PIL import Image

    colours = Image.open(BytesIO(file.read_bytes())).convert("RGB").getcolors(1 << 24) or []
    return sum(int(many) for many, colour in colours if colour == (255, 0, 255))


def switchboard(site: Site, asked: Asked) -> Said:
    """One person on a page whose button says what would come next, and a plain table without any marked headings."""
    if not site.people:
        return Said(200, page("Switchboard", "<p>Nobody yet</p>"), HTML)
    state = site.people[ANN["mail"]]["state"]
    verb = "Deactivate" if state == "On" else "Activate"
    rows = "<tr><th>Who<th>What</tr>" + "".join(f"<tr><td>{m}<td>{p['name']}</tr>" for m, p in site.people.items())
    button = f"<form method=post action=/turn>{field('Mail')}<button>{verb}</button></form>"
    facts = f"<dl><dt>Address:</dt><dd>{ANN['mail']}</dd><dt>Name</dt><dd>Ann</dd></dl>"
    return Said(200, page("Switchboard", f"<table>{rows}</table>{facts}{button}"), HTML)


SWITCHED: dict[str, Any] = {
    "accounts": {
        "open": "/switchboard",
        "empty": {"text": "Nobody yet"},
        "fields": {"mail": {"column": "who"}, "name": {"column": "What"}},
        "active": {"button": "Deactivate", "shown": True, "within": {"css": "body"}},
    },
    "account": {
        "open": "/switchboard",
        "fields": {"mail": {"term": "Address"}, "name": {"term": "Name"}},
        "active": {"button": "Deactivate", "shown": True},
    },
    "enable": [{"open": "/switchboard"}, {"click": {"button": "Activate"}}],
}


def test_a_word_that_yaml_takes_for_a_value_is_told_with_its_mend(site: Site) -> None:
    accounts = RECIPE["accounts"] | {"active": {"column": "Active", "is": True}}

    with pytest.raises(Refused, match=r"accounts\.active\.is\.0: .* valid string; write it in quotes\.$"):
        app_at(site, accounts=accounts)


def test_a_name_is_taken_by_whole_words(site: Site) -> None:
    """Playwright by itself would press `Deactivate` where the recipe says `Activate`."""
    site.people[ANN["mail"]] = {"name": "Ann", "state": "On"}
    site.pages["/switchboard"] = switchboard
    words = SWITCHED | {"disable": SWITCHED["enable"], "patience": 1}
    words["accounts"] = words["accounts"] | {"active": None}

    app = app_at(site, **words)

    assert app.read(ANN["mail"]).attributes == ANN and [a.attributes for a in app.accounts()] == [ANN]
    with pytest.raises(NeedsHuman, match="there is no button 'Activate' .*; there are 'Deactivate'"):
        app.disable(ANN["mail"])
    assert site.posts == []


def tab_only(site: Site, asked: Asked) -> Said:
    """An app that keeps its session in the tab, as scripts see it."""
    script = "if (!sessionStorage.token) location.href = '/login';"
    return Said(200, page("Tab", f"<script>{script}</script><p>Nobody yet</p>"), HTML)


def test_a_session_that_lives_in_the_tab(site: Site, tmp_path: Path) -> None:
    site.pages["/people"] = tab_only
    words = signing_in(site)
    site.signed_in.clear()
    keep_it = {"press": "Enter", "on": {"label": "Password"}}
    steps = [*words["login"]["steps"][:2], keep_it]
    site.token = True

    app = app_at(site, keep=tmp_path, **{"login": words["login"] | {"steps": steps}})

    assert app.find(ANN["mail"]) is None
    assert app_at(site, keep=tmp_path, **{"login": words["login"] | {"steps": steps}}).find(ANN["mail"]) is None
    assert site.logins == 1


def test_a_server_that_is_not_there_may_be_tried_later(site: Site) -> None:
    site.server.__exit__(None, None, None)

    with pytest.raises(Retryable, match="cannot open the page"):
        app_at(site).check()
    site.server = Scripted(site.answer)
    site.server.__enter__()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"create": [{"clik": {"button": "Save"}}]}, "unknown word 'clik' under options.create.0"),
        ({"create": [{"click": {"buton": "Save"}}]}, "did you mean 'button'"),
        ({"create": [{"fill": {"label": "Mail"}}]}, "options.create.0: fill needs 'with'"),
        ({"create": [{"click": {"button": "A", "label": "B"}}]}, "name the thing in exactly one way"),
        ({"create": [{"open": "/x", "option": "y"}]}, "'option' goes with select, not with open"),
        (
            {"create": [{"open": "/new/{nmae}"}]},
            r"unknown place {nmae} in options.create, step 1 \(open '/new/{nmae}'\)",
        ),
        ({"accounts": {"open": "/", "fields": {"mail": {"css": "b"}}}}, "what is shown where the list is empty"),
        ({"accounts": RECIPE["accounts"] | {"fields": {"name": {"css": "b"}}}}, "lacks the key 'mail'"),
        ({"accounts": None}, "what is written must be read back"),
    ],
)
def test_a_recipe_with_wrong_words_is_refused_when_it_is_loaded(options: dict[str, Any], words: str) -> None:
    rules = AppRules.model_validate(RULES | {"options": RECIPE | options})

    with pytest.raises(Refused, match=words) as caught:
        connect("little", rules, {"SITE_URL": "http://127.0.0.1:9"})

    assert "apps/little.yaml" in str(caught.value)


def test_the_recipe_of_the_documentation_is_one() -> None:
    text = (Path(__file__).parents[1] / "docs" / "browser.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    whole = "\n".join(line for block in blocks for line in block.splitlines() if not line.endswith("…"))
    values = {f"DESK_{name}": "x" for name in ("USER", "PASSWORD", "TOTP_SEED")} | {"DESK_URL": "http://127.0.0.1:9"}

    app = connect("desk", AppRules.model_validate(plain(YAML().load(whole))), values)

    assert capabilities(app) >= {"accounts", "find", "create", "update", "disable", "grant", "revoke"}


# the browser's own life

CHILD = """
import os, sys
from connectors.browser_chromium import Choice, ours
print("parent has none:", "playwright.async_api" not in sys.modules, flush=True)
if os.fork() == 0:
    chromium = ours(Choice())
    chromium.run(chromium.ready())
    print("child", os.getpid(), flush=True)
    sys.stdin.readline()
    sys.exit(0)
os.wait()
print("parent ended its child", flush=True)
"""


@pytest.mark.parametrize("how", ["orderly", "killed"])
def test_a_browser_ends_with_the_run_that_started_it(how: str) -> None:
    command = [sys.executable, "-c", CHILD]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=Path(__file__).parents[1]
    ) as run:
        assert run.stdin and run.stdout and run.stderr
        assert run.stdout.readline() == "parent has none: True\n"
        child = psutil.Process(int(run.stdout.readline().split()[1]))
        started = child.children(recursive=True)
        assert any("chrom" in each.name() for each in started)

        if how == "killed":
            os.kill(child.pid, signal.SIGKILL)
        else:
            run.stdin.write("\n")
            run.stdin.flush()

        gone, left = psutil.wait_procs(started, timeout=30)
        assert not left, f"still there: {left}"
        run.communicate(timeout=30)


def test_the_badge_office_from_its_pages_alone(sandbox: Sandbox) -> None:
    fields = {"email": "{work_email}", "name": "{display_name}", "site": "{location}"}
    rules = AppRules.model_validate(RULES | {"key": "email", "attributes": fields, "options": BADGES})
    badges, twin = connect("badges", rules, sandbox.environment), sandbox.control("badges")
    ann = {"email": "ann@juniperfinch.example", "name": "Ann Lee", "site": "Lisbon"}

    assert badges.find(ann["email"]) is None
    outcome, id = badges.create(ann)
    assert (outcome, badges.create(ann)) == (DONE, (ALREADY, id))
    account = badges.read(id)
    assert account is not None and account.attributes == ann and account.active
    assert [badges.disable(id), badges.disable(id), badges.enable(id)] == [DONE, ALREADY, DONE]
    assert badges.read("999999") is None and badges.disable("999999") == ALREADY
    listed = list(badges.accounts())
    assert sorted(a.id for a in listed) == sorted(str(row["id"]) for row in twin.state()["badges"])
