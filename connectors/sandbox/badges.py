"""Badge Office: an app without an API, made of pages; a browser is the only way in."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from html import escape

from connectors.sandbox.quotas import Limit
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, Route, page_number, route

USER = "badge.office@juniperfinch.example"
PASSWORD = "earl-grey-of-the-sandbox"
SITES = ("Berlin", "Lisbon", "Auckland", "Denver")
PER_PAGE = 25
COOKIE = "badge_session"
STYLE = "body{font:16px/1.5 sans-serif;max-width:48rem;margin:2rem auto}label{display:block}[role=alert]{color:#a00}"


class Badges(Twin):
    """Badges, found and changed on pages after signing in; every form carries a token of its session."""

    quotas = (Limit(20),)

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.sessions: dict[str, str] = {}

    def make_tables(self) -> dict[str, Table]:
        return {"badges": Table("badges", {"email": Index(lambda row: str(row["email"]))})}

    def make_routes(self) -> Sequence[Route]:
        return (
            route("", get=lambda call: see(f"{self.prefix}/list")),
            route("/", get=lambda call: see(f"{self.prefix}/list")),
            route("/login", get=self.login_page, post=self.login),
            route("/logout", post=self.logout),
            route("/list", get=self.list_page),
            route("/issue", get=self.issue_page, post=self.issue),
            route("/{id:int}", get=self.badge_page),
            route("/{id:int}/deactivate", post=self.deactivate),
            route("/{id:int}/reactivate", post=self.reactivate),
        )

    def authorise(self, call: Call) -> None:
        """Anybody may see the login page; the other pages send strangers there."""
        if call.path != "/login" and self.cookie(call) not in self.sessions:
            raise Rejection(see(f"{self.prefix}/login"))
        if call.method == "POST" and call.path != "/login" and call.form().get("csrf") != self.token(call):
            raise Rejection(self.problem(403, "This form is too old. Go back, reload the page and try again."))

    def problem(self, status: int, message: str, *headers: tuple[str, str]) -> Answer:
        body = self.page("Something went wrong", alert(message))
        return Answer(status, body.body, body.content_type, headers)

    def cookie(self, call: Call) -> str:
        pairs = (pair.strip().partition("=") for pair in call.header(b"cookie").split(";"))
        return next((value for name, _, value in pairs if name == COOKIE), "")

    def token(self, call: Call) -> str:
        return self.sessions.get(self.cookie(call), "")

    # signing in

    def login_page(self, call: Call) -> Answer:
        """The token is kept in a cookie until there is a session to keep it in."""
        return self.login_form("", 200)

    def login_form(self, error: str, status: int) -> Answer:
        token = secrets.token_urlsafe(16)
        fields = text_field("user", "E-mail", "email") + text_field("password", "Password", "password")
        body = alert(error) + self.form("login", token, fields, "Sign in")
        page = self.page("Sign in", body, status)
        return page._replace(
            headers=(("Set-Cookie", f"badge_login={token}; Path={self.prefix}; HttpOnly; SameSite=Lax"),)
        )

    def login(self, call: Call) -> Answer:
        form = call.form()
        if f"badge_login={form.get('csrf')}" not in call.header(b"cookie"):
            return self.login_form("This form is too old. Try again.", 403)
        if (form.get("user"), form.get("password")) != (USER, PASSWORD):
            return self.login_form("E-mail or password is wrong.", 401)
        session = secrets.token_urlsafe(24)
        self.sessions[session] = secrets.token_urlsafe(16)
        cookie = f"{COOKIE}={session}; Path={self.prefix}; HttpOnly; SameSite=Lax"
        return see(f"{self.prefix}/list", ("Set-Cookie", cookie))

    def logout(self, call: Call) -> Answer:
        self.sessions.pop(self.cookie(call), None)
        return see(f"{self.prefix}/login")

    # badges

    def list_page(self, call: Call) -> Answer:
        """All badges, or those whose name or e-mail contains `q`."""
        query = call.query
        wanted, number = query.get("q", ""), page_number(query.get("page"), 1, 10**6)
        rows = [row for row in call["badges"].rows.values() if contains(row, wanted)]
        if call.wrong_first_hit:
            rows = [row for row in call["badges"].rows.values() if row not in rows][:1] + rows
        shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
        pages = max(1, -(-len(rows) // PER_PAGE))
        links = nav(wanted, number, pages)
        found = f'<p role="status">{len(rows)} badges, page {number} of {pages}</p>'
        return self.page("Badges", search_form(self.prefix, wanted) + found + self.table(shown) + links)

    def issue_page(self, call: Call) -> Answer:
        return self.issue_form(call, {}, "", 200)

    def issue_form(self, call: Call, filled: Row, error: str, status: int) -> Answer:
        options = "".join(f"<option{' selected' if s == filled.get('site') else ''}>{s}</option>" for s in SITES)
        fields = text_field("name", "Name", "text", filled.get("name", ""))
        fields += text_field("email", "E-mail", "email", filled.get("email", ""))
        fields += f'<label for="site">Site</label><select id="site" name="site">{options}</select>'
        body = alert(error) + self.form("issue", self.token(call), fields, "Issue badge")
        return self.page("Issue a badge", body, status)

    def issue(self, call: Call) -> Answer:
        form = {name: call.form().get(name, "").strip() for name in ("name", "email", "site")}
        if not form["name"] or "@" not in form["email"] or form["site"] not in SITES:
            return self.issue_form(call, form, "Name, e-mail and site are needed.", 422)
        if call["badges"].by("email", form["email"]):
            return self.issue_form(call, form, "This e-mail has a badge already.", 409)
        number = call["badges"].next_number()
        call["badges"].put(str(number), {"id": number, **form, "status": "Active"})
        return see(f"{self.prefix}/{number}")

    def badge_page(self, call: Call) -> Answer:
        badge = self.badge(call)
        facts = {"Badge": str(badge["id"]), "Name": badge["name"], "E-mail": badge["email"]}
        facts |= {"Site": badge["site"], "Status": badge["status"]}
        items = "".join(
            f'<dt id="t-{k}">{k}</dt><dd aria-labelledby="t-{k}">{escape(v)}</dd>' for k, v in facts.items()
        )
        active = badge["status"] == "Active"
        verb, label = ("deactivate", "Deactivate") if active else ("reactivate", "Reactivate")
        button = self.form(f"{badge['id']}/{verb}", self.token(call), "", label)
        return self.page(f"Badge of {badge['name']}", f"<dl>{items}</dl>{button}")

    def deactivate(self, call: Call) -> Answer:
        return self.switch(call, "Deactivated")

    def reactivate(self, call: Call) -> Answer:
        return self.switch(call, "Active")

    def switch(self, call: Call, status: str) -> Answer:
        badge = self.badge(call)
        call["badges"].put(str(badge["id"]), badge | {"status": status})
        return see(f"{self.prefix}/{badge['id']}")

    def badge(self, call: Call) -> Row:
        found = call["badges"].rows.get(call.params["id"])
        if not found:
            raise Rejection(self.problem(404, "There is no such badge."))
        return found

    # pages

    def page(self, title: str, body: str, status: int = 200) -> Answer:
        links = f'<nav><a href="{self.prefix}/list">Badges</a> <a href="{self.prefix}/issue">Issue a badge</a></nav>'
        head = f'<meta charset="utf-8"><title>{escape(title)} · Badge Office</title><style>{STYLE}</style>'
        html = f'<!doctype html><html lang="en">{head}{links}<main><h1>{escape(title)}</h1>{body}</main></html>'
        return Answer(status, html.encode(), "text/html; charset=utf-8")

    def form(self, action: str, token: str, fields: str, button: str) -> str:
        hidden = f'<input type="hidden" name="csrf" value="{token}">'
        return f'<form method="post" action="{self.prefix}/{action}">{hidden}{fields}<button>{button}</button></form>'

    def table(self, rows: Sequence[Row]) -> str:
        head = "".join(f'<th scope="col">{name}</th>' for name in ("Name", "E-mail", "Site", "Status"))
        lines = "".join(
            f'<tr><td><a href="{self.prefix}/{r["id"]}">{escape(r["name"])}</a></td><td>{escape(r["email"])}</td>'
            f"<td>{escape(r['site'])}</td><td>{r['status']}</td></tr>"
            for r in rows
        )
        return f"<table><caption>Badges</caption><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def see(where: str, *headers: tuple[str, str]) -> Answer:
    """303: the browser asks for another page."""
    return Answer(303, headers=(("Location", where), *headers))


def alert(text: str) -> str:
    return f'<p role="alert">{escape(text)}</p>' if text else ""


def text_field(name: str, label: str, kind: str, value: str = "") -> str:
    field = f'<input id="{name}" name="{name}" type="{kind}" value="{escape(value)}" required>'
    return f'<label for="{name}">{label}</label>{field}'


def search_form(prefix: str, wanted: str) -> str:
    field = f'<label for="q">Search</label><input id="q" name="q" type="search" value="{escape(wanted)}">'
    return f'<form role="search" action="{prefix}/list">{field}<button>Search</button></form>'


def nav(wanted: str, number: int, pages: int) -> str:
    link = '<a rel="next" href="?q={}&amp;page={}">Next page</a>'
    return link.format(escape(wanted), number + 1) if number < pages else ""


def contains(row: Row, wanted: str) -> bool:
    return wanted.casefold() in f"{row['name']} {row['email']}".casefold()


TWIN = Badges


def environment(root: str) -> dict[str, str]:
    """What a client needs."""
    return {
        "BADGE_URL": root,
        "BADGE_USER": USER,
        "BADGE_PASSWORD": PASSWORD,
    }
