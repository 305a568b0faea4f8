"""connectors.rest at apps with all sorts of habits, each declared in words; what was sent is what the app holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
import xmltodict
from connectors_servers import Asked, Said, Scripted

from connectors.base import Outcome
from connectors.catalogue import capabilities, connect
from connectors.errors import NeedsHuman, Refused, Retryable
from mappings.vocabulary import AppRules

ANN = {"email": "ann@x.example", "name": "Ann Lee"}
USERS = {
    "list": {"path": "/users"},
    "read": "/users/{id}",
    "create": {"verb": "POST", "path": "/users"},
    "update": {"verb": "PATCH", "path": "/users/{id}"},
}
Handler = Callable[[Asked], Said | None]


class Odd:
    """An app as small as can be: accounts and groups in memory; tests replace what it does with a call."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.groups = [{"id": n, "name": name} for n, name in ((1, "Staff"), (2, "Sales"), (3, "Suspended"))]
        self.members = set[tuple[str, str]]()
        self.on: dict[str, Handler] = {}
        self.read: Callable[[Asked], Any] = lambda asked: asked.json

    def __call__(self, asked: Asked) -> Said:
        for pattern, handler in self.on.items():
            verb, _, path = pattern.partition(" ")
            if asked.method == verb and asked.path.startswith(path) and (said := handler(asked)):
                return said
        return self.plain(asked)

    def plain(self, asked: Asked) -> Said:
        kind, _, id = asked.path.strip("/").partition("/")
        if kind == "groups":
            return Said(200, self.groups)
        if asked.method == "POST":
            row = {"id": len(self.users) + 1, "active": True, **self.read(asked)}
            self.users[str(row["id"])] = row
            return Said(201, row)
        if not id:
            return Said(200, list(self.users.values()))
        if id not in self.users:
            return Said(404, {"message": "no such user"})
        if asked.method == "DELETE":
            return Said(200, self.users.pop(id))
        if asked.method in ("PATCH", "PUT"):
            self.users[id] = ({} if asked.method == "PUT" else self.users[id]) | self.read(asked) | {"id": int(id)}
        return Said(200, self.users[id])


@pytest.fixture
def odd() -> Odd:
    return Odd()


@pytest.fixture
def server(odd: Odd) -> Iterator[Scripted]:
    with Scripted(odd) as running:
        yield running


def app(server: Scripted, attributes: dict[str, str] | None = None, **options: Any) -> Any:
    """The app with these options; `users` are added to the plain ones."""
    users = USERS | options.pop("users", {})
    words = {"url": "${ODD_URL}", "auth": {"bearer": "${ODD_TOKEN}"}, "users": users, **options}
    held = attributes or {"email": "{work_email}", "name": "{display_name}"}
    raw = {"title": "Odd", "tier": "app", "connector": "rest", "owner": "it", "key": "email", "attributes": held}
    rules = AppRules.model_validate(raw | {"options": words})
    found: Any = connect("odd", rules, {"ODD_URL": server.url, "ODD_TOKEN": "token-of-odd"})
    found.http.sleep = lambda _: None
    return found


def sent(server: Scripted) -> Asked:
    """The last write."""
    return next(asked for asked in reversed(server.asked) if asked.method != "GET" or asked.text)


# what disabled means


@pytest.mark.parametrize(
    ("active", "usable", "not_usable"),
    [
        ({"field": "active"}, {"active": True}, {"active": False}),
        ({"field": "locked", "on": False, "off": True}, {"locked": False}, {"locked": True}),
        ({"field": "locked", "on": 0, "off": 1}, {"locked": 0}, {"locked": 1}),
        ({"field": "state", "on": "active", "off": ["off", "gone"]}, {"state": "Active"}, {"state": "OFF"}),
        ({"field": "state.now", "on": "in", "off": "out"}, {"state": {"now": "in"}}, {"state": {"now": "out"}}),
        ({"field": "deleted_at", "set": True}, {"deleted_at": None}, {"deleted_at": "2026-01-01T10:00:00Z"}),
        ({"field": "until", "past": True}, {"until": None}, {"until": "2020-01-01"}),
        ({"field": "until", "past": True}, {"until": "2999-01-01T00:00:00+02:00"}, {"until": "2020-01-01"}),
        ({"field": "until", "past": True, "date": "%d.%m.%Y"}, {"until": "31.12.2999"}, {"until": "31.12.2019"}),
        ({"field": "until", "past": True, "date": "epoch"}, {"until": 0}, {"until": 1_600_000_000}),
        ({"field": "until", "future": True}, {"until": "2020-01-01"}, {"until": "2999-01-01T00:00:00Z"}),
        ({"field": "role", "on": "member", "off": "none"}, {"role": "admin"}, {"role": "none"}),
    ],
    ids=lambda value: str(value)[:50],
)
def test_disabled_in_any_field(
    active: dict[str, Any], usable: dict[str, Any], not_usable: dict[str, Any], odd: Odd, server: Scripted
) -> None:
    odd.users = {"1": ANN | {"id": 1} | usable, "2": ANN | {"id": 2} | not_usable}
    there = app(server, active=active)

    seen = [there.read("1").active, there.read("2").active]
    done = [there.disable("1"), there.disable("1"), there.enable("2"), there.enable("2")]

    assert seen == [True, False]
    assert done == [Outcome.DONE, Outcome.ALREADY] * 2
    assert [there.read("1").active, there.read("2").active] == [False, True]
    assert odd.users["1"]["name"] == odd.users["2"]["name"] == "Ann Lee"


def test_a_last_day_is_over_when_the_day_is(odd: Odd, server: Scripted) -> None:
    today = datetime.now(UTC).date()
    days = {"1": today, "2": today - timedelta(days=1)}
    odd.users = {key: ANN | {"id": int(key), "until": day.strftime("%d.%m.%Y")} for key, day in days.items()}
    there = app(server, active={"field": "until", "past": True, "date": "%d.%m.%Y"})
    assert [there.read(key).active for key in days] == [True, False]


def test_a_date_that_is_none_is_told(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1, "until": "31/12/2020"}}

    with pytest.raises(Refused, match="31/12/2020.*Check `active.date`"):
        app(server, active={"field": "until", "past": True}).read("1")


def test_disabled_by_delete_and_restore(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1, "deleted": None}}

    def bury(asked: Asked) -> Said:
        odd.users["1"]["deleted"] = "now"
        return Said(204)

    def restore(asked: Asked) -> Said:
        odd.users["1"]["deleted"] = None
        return Said(200, {})

    odd.on = {"DELETE /users/1": bury, "POST /users/1/restore": restore}
    calls = {"disable": {"verb": "DELETE", "path": "/users/{id}"}}
    calls |= {"enable": {"verb": "POST", "path": "/users/{id}/restore"}}
    there = app(server, active={"field": "deleted", "set": True, **calls})

    assert [there.disable("1"), there.disable("1")] == [Outcome.DONE, Outcome.ALREADY]
    assert not there.read("1").active
    assert [there.enable("1"), there.enable("1")] == [Outcome.DONE, Outcome.ALREADY]
    assert there.read("1").active


MEMBERS = {
    "list": {"path": "/groups"},
    "held": {"field": "groups"},
}


@pytest.mark.parametrize(
    ("mark", "first"), [({"has": "Suspended"}, [1]), ({"lacks": "Staff"}, [1, 2])], ids=["has", "lacks"]
)
def test_disabled_by_a_group(mark: dict[str, str], first: list[int], odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1, "groups": first}}
    there = app(server, active=mark, entitlements=MEMBERS)

    before = there.read("1")
    done = [there.disable("1"), there.disable("1")]
    gone = there.read("1")
    done += [there.enable("1"), there.enable("1")]

    assert done == [Outcome.DONE, Outcome.ALREADY] * 2
    assert before.active and not gone.active and there.read("1").active
    assert not {"Suspended"} & (before.entitlements | gone.entitlements)
    assert set(odd.users["1"]["groups"]) == set(first)
    assert next(iter(mark.values())) not in set(there.entitlements())


# who holds what


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        ({"field": "groups"}, {"groups": [1]}),
        ({"field": "groups"}, {"groups": ["1"]}),
        ({"field": "groups", "names": True}, {"groups": ["Staff"]}),
        ({"field": "groups"}, {"groups": [{"id": 1, "name": "Staff"}]}),
        ({"field": "groups"}, {"groups": [{"id": 1}]}),
        ({"field": "access.*.group"}, {"access": [{"group": {"id": 1}}]}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_reads_what_an_account_shows(held: Any, shown: Any, odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1} | shown}
    calls = {"grant": {"verb": "POST", "path": "/g"}, "revoke": {"verb": "DELETE", "path": "/g"}}
    there = app(server, entitlements={"list": {"path": "/groups"}, "held": held, **calls})

    assert there.read("1").entitlements == {"Staff"}
    assert [account.entitlements for account in there.accounts()] == [{"Staff"}]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({"held": {"field": "groups"}}, {"groups": [1, 2]}),
        ({"held": {"field": "groups", "names": True}}, {"groups": ["Staff", "Sales"]}),
        ({"held": {"field": "groups"}, "set": "{entitlements}"}, {"only": [1, 2]}),
        ({"held": {"field": "groups"}, "set": "{entitlements}", "each": {"id": "{entitlement}"}}, None),
        ({"held": {"field": "groups"}, "set": "{entitlements|comma}"}, {"only": "1,2"}),
    ],
    ids=["ids", "names", "set", "objects", "comma"],
)
def test_writes_the_whole_list(words: dict[str, Any], wanted: Any, odd: Odd, server: Scripted) -> None:
    names = words["held"].get("names")
    odd.users = {"1": ANN | {"id": 1, "groups": ["Staff"] if names else [1]}}
    if "set" in words:
        call = {"verb": "PATCH", "path": "/users/{id}", "body": {"only": words["set"]}}
        words = words | {"set": call | ({"each": words["each"]} if "each" in words else {})}
        words.pop("each", None)
    there = app(server, entitlements={"list": {"path": "/groups"}, **words})

    done = [there.grant("1", "Staff"), there.grant("1", "sales")]

    assert done == [Outcome.ALREADY, Outcome.DONE]
    assert sent(server).json == (wanted or {"only": [{"id": 1}, {"id": 2}]}) if not names else True
    assert names is None or odd.users["1"]["groups"] == ["Staff", "sales"]


def test_one_role_at_a_time(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1, "role": 1}}
    there = app(server, entitlements={**MEMBERS, "held": {"field": "role"}, "single": True, "none": 0})

    assert there.grant("1", "Sales") == Outcome.DONE and odd.users["1"]["role"] == 2
    assert there.read("1").entitlements == {"Sales"}
    assert there.revoke("1", "Staff") == Outcome.ALREADY and odd.users["1"]["role"] == 2
    assert there.revoke("1", "Sales") == Outcome.DONE and odd.users["1"]["role"] == 0
    assert there.read("1").entitlements == set()


def memberships(odd: Odd) -> dict[str, Handler]:
    """Memberships with ids of their own, as Box has them."""

    def listed(asked: Asked) -> Said:
        mine = [m for m in odd.members if m[0] == asked.path.split("/")[2]]
        return Said(200, [{"id": f"m{u}-{g}", "group": {"id": int(g)}} for u, g in mine])

    def join(asked: Asked) -> Said:
        odd.members.add((str(asked.json["user"]["id"]), str(asked.json["group"]["id"])))
        return Said(201, {})

    def leave(asked: Asked) -> Said:
        user, _, group = asked.path.rpartition("/")[2][1:].partition("-")
        odd.members.remove((user, group))
        return Said(204)

    return {"GET /users/1/memberships": listed, "POST /memberships": join, "DELETE /memberships": leave}


def test_memberships_have_ids_of_their_own(odd: Odd, server: Scripted) -> None:
    odd.users, odd.on = {"1": ANN | {"id": 1}}, memberships(odd)
    join = {"verb": "POST", "path": "/memberships", "body": {"user.id": "{id|number}", "group.id": "{entitlement}"}}
    held = {"list": {"path": "/users/{id}/memberships"}, "at": "group", "membership": "id"}
    leave = {"verb": "DELETE", "path": "/memberships/{membership}"}
    there = app(server, entitlements={"list": {"path": "/groups"}, "held": held, "grant": join, "revoke": leave})

    assert [there.grant("1", "Sales"), there.grant("1", "Sales")] == [Outcome.DONE, Outcome.ALREADY]
    assert odd.members == {("1", "2")} and there.read("1").entitlements == {"Sales"}
    assert [there.revoke("1", "Sales"), there.revoke("1", "Sales")] == [Outcome.DONE, Outcome.ALREADY]
    assert odd.members == set()


def test_groups_that_stand_in_one_text(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1, "roles": "Staff, Sales"}, "2": ANN | {"id": 2, "roles": ""}}
    there = app(server, entitlements={"held": {"field": "roles", "names": True, "split": ","}})

    seen = there.read("1").entitlements, there.read("2").entitlements
    done = [
        there.grant("1", "Payroll"),
        there.grant("1", "staff"),
        there.revoke("1", "Sales"),
        there.grant("2", "Staff"),
    ]

    assert seen == ({"Staff", "Sales"}, set())
    assert done == [Outcome.DONE, Outcome.ALREADY, Outcome.DONE, Outcome.DONE]
    assert [odd.users[id]["roles"] for id in ("1", "2")] == ["Staff,Payroll", "Staff"]


def test_groups_alone_know_their_members(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1}}
    rows = {"/groups/1/members": [{"user": {"id": 1}}], "/groups/2/members": []}
    odd.on = {"GET /groups/": lambda asked: Said(200, rows.get(asked.path, []))}
    words = {"members": {"path": "/groups/{entitlement}/members"}, "member": "user.id"}
    calls = {"grant": {"verb": "PUT", "path": "/x"}, "revoke": {"verb": "DELETE", "path": "/x"}}
    there = app(server, entitlements={"list": {"path": "/groups"}, **words, **calls})

    assert there.read("1").entitlements == {"Staff"}
    assert next(there.accounts()).entitlements == {"Staff"}
    assert there.grant("1", "Staff") == Outcome.ALREADY and there.revoke("1", "Sales") == Outcome.ALREADY


def test_several_kinds_are_told_apart_by_their_prefix(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1, "groups": [1], "role": "viewer"}}
    roles = {"prefix": "role ", "held": {"field": "role", "names": True}, "single": True}
    there = app(server, entitlements=[{**MEMBERS, "prefix": "team "}, roles])

    assert there.read("1").entitlements == {"team Staff", "role viewer"}
    assert there.grant("1", "role editor") == Outcome.DONE and odd.users["1"]["role"] == "editor"
    assert there.grant("1", "Team Sales") == Outcome.DONE and odd.users["1"]["groups"] == [1, 2]
    with pytest.raises(Refused, match="no prefix that is known; there are 'team ', 'role '"):
        there.grant("1", "Sales")


def test_a_missing_group_is_made_where_that_is_allowed(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1, "groups": []}}

    def make(asked: Asked) -> Said:
        odd.groups.append({"id": 9, "name": asked.json["group"]["title"]})
        return Said(201, {})

    odd.on = {"POST /groups": make}
    create = {"verb": "POST", "path": "/groups", "body": {"group.title": "{name}"}}
    there = app(server, entitlements={**MEMBERS, "create": create})

    assert there.grant("1", "Astronauts") == Outcome.DONE and odd.users["1"]["groups"] == [9]


# how things are written


def test_forms_as_php_and_rails_read_them(odd: Odd, server: Scripted) -> None:
    odd.read = lambda asked: {"email": dict(parse_qsl(asked.text)).get("user[email]")}
    create = {"verb": "POST", "path": "/users", "format": "form", "wrap": "user", "body": {"tags[]": ["a", "b"]}}

    app(server, users={"create": create}).create(ANN)

    pairs = [("user[tags][]", "a"), ("user[tags][]", "b"), ("user[email]", ANN["email"]), ("user[name]", "Ann Lee")]
    assert parse_qsl(sent(server).text) == pairs
    assert sent(server).headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_multipart(odd: Odd, server: Scripted) -> None:
    odd.read = lambda asked: {"email": ANN["email"]}

    app(server, users={"create": {"verb": "POST", "path": "/users", "format": "multipart"}}).create(ANN)

    assert sent(server).headers["Content-Type"].startswith("multipart/form-data")
    assert 'name="email"\r\n\r\nann@x.example' in sent(server).text


def test_json_patch(odd: Odd, server: Scripted) -> None:
    odd.users, odd.read = {"1": ANN | {"id": 1}}, lambda asked: {}

    app(server, users={"update": {"verb": "PATCH", "path": "/users/{id}", "format": "json-patch"}}).update(
        "1", {"name": "Ann Li"}
    )

    assert sent(server).json == [{"op": "add", "path": "/name", "value": "Ann Li"}]
    assert sent(server).headers["Content-Type"] == "application/json-patch+json"


def test_the_whole_account_goes_back_with_its_version(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1, "v": 1, "phone": "1", "links": {"self": "x"}}}
    odd.on = {"GET /users/1": lambda asked: Said(200, odd.users["1"], {"ETag": f'"{odd.users["1"]["v"]}"'})}
    others = ["2"]

    def put(asked: Asked) -> Said | None:
        if others:  # somebody else is faster, once
            odd.users["1"] |= {"phone": others.pop(), "v": 2}
        return Said(412, {}) if asked.headers["If-Match"] != f'"{odd.users["1"]["v"]}"' else None

    odd.on["PUT /users/1"] = put
    update = {"verb": "PUT", "path": "/users/{id}", "whole": True, "leave_out": ["links", "id"], "if_match": True}

    app(server, users={"update": update}).update("1", {"name": "Ann Li"})

    assert sent(server).json == ANN | {"name": "Ann Li", "v": 2, "phone": "2"}


@pytest.mark.parametrize("status", [412, 428])
def test_what_is_missing_where_a_version_is_wanted_is_said(status: int, odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1}}
    odd.on = {"PATCH /users/1": lambda asked: Said(status, {"message": "If-Match is missing"})}

    with pytest.raises(Refused, match="If-Match is missing.* Say `if_match: true` there in apps/odd.yaml") as told:
        app(server).update("1", {"name": "Ann Li"})

    assert told.value.status == status


def test_numbers_in_a_query_need_no_quotes(odd: Odd, server: Scripted) -> None:
    listing = {"path": "/users", "query": {"limit": 50, "full": True}}

    list(app(server, users={"list": listing}, headers={"X-Version": 3}).accounts())

    asked = server.asked[-1]
    assert asked.query == {"limit": "50", "full": "true"}
    assert asked.headers["X-Version"] == "3"


def test_any_call_goes_with_the_version_that_its_path_shows(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1, "v": 1}}
    odd.on = {"GET /users/1": lambda asked: Said(200, odd.users["1"], {"ETag": f'"{odd.users["1"]["v"]}"'})}
    others = ["2"]

    def guarded(asked: Asked) -> Said | None:
        if others:  # somebody else is faster, once
            odd.users["1"] |= {"phone": others.pop(), "v": 2}
        return Said(412, {}) if asked.headers.get("If-Match") != f'"{odd.users["1"]["v"]}"' else None

    odd.on |= {"PATCH /users/1": guarded, "DELETE /users/1": guarded}
    update = {"verb": "PATCH", "path": "/users/{id}", "if_match": True}
    delete = {"verb": "DELETE", "path": "/users/{id}", "if_match": True}
    there = app(server, users={"update": update, "delete": delete})

    there.update("1", {"name": "Ann Li"})
    after = dict(odd.users["1"])
    there.delete("1")

    assert (after["name"], after["phone"]) == ("Ann Li", "2")
    assert odd.users == {}


def test_one_attribute_a_call_as_key_and_value(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1}}
    calls = [
        {
            "verb": "PUT",
            "path": "/x/{id}",
            "format": "form",
            "fields": [name],
            "into": {name: "value"},
            "body": {"key": name},
        }
        for name in ("email", "name")
    ]
    odd.on = {"PUT /x/1": lambda asked: Said(200, {})}

    app(server, users={"update": calls}).update("1", {"name": "Ann Li"})

    assert dict(parse_qsl(sent(server).text)) == {"key": "name", "value": "Ann Li"}


def test_attributes_inside_a_list_of_arguments(odd: Odd, server: Scripted) -> None:
    odd.read = lambda asked: {"email": ANN["email"]}
    create = {"verb": "POST", "path": "/users", "beside": {"params.args": [[7], {}]}, "wrap": "params.args.1"}

    app(server, users={"create": create}).create(ANN)

    assert sent(server).json == {"params": {"args": [[7], ANN]}}


def test_what_a_call_does_not_take_goes_by_the_next(odd: Odd, server: Scripted) -> None:
    create = {"verb": "POST", "path": "/users", "fields": ["email"]}
    update = [{"verb": "PATCH", "path": "/users/{id}", "fields": ["name"]}]
    there = app(server, {"email": "e", "name": "n", "badge": "b"}, users={"create": create, "update": update})

    _, id = there.create(ANN)

    assert [a.json for a in server.asked if a.method != "GET"] == [{"email": ANN["email"]}, {"name": "Ann Lee"}]
    assert odd.users[id]["name"] == "Ann Lee"
    with pytest.raises(NeedsHuman, match="no `users.update` for badge"):
        there.update(id, {"badge": "7"})


def test_lists_inside_bodies_by_the_item_that_is_meant(odd: Odd, server: Scripted) -> None:
    fields = {"phone": {"write": "custom.id=7.value", "shows": "custom.id=7.value"}}
    there = app(server, {"email": "e", "phone": "p"}, fields=fields)

    _, id = there.create({"email": ANN["email"], "phone": "+49 30"})

    assert odd.users[id]["custom"] == [{"id": 7, "value": "+49 30"}]
    assert there.read(id).attributes["phone"] == "+49 30"


@pytest.mark.parametrize(
    ("field", "value", "written"),
    [
        ({"as": "number"}, "7", 7),
        ({"as": "bool"}, "yes", True),
        ({"as": "list"}, "a, b", ["a", "b"]),
        ({"date": "%d.%m.%Y"}, "2026-11-30", "30.11.2026"),
        ({"date": "epoch_ms"}, "2026-11-30", 1_795_996_800_000),
        ({"values": {"employee": 1, "contractor": 2}}, "contractor", 2),
        ({"case": "lower"}, "Ann@X.example", "ann@x.example"),
        ({"empty": "null"}, "", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_values_in_the_forms_of_the_app(field: Any, value: str, written: Any, odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1}}
    there = app(server, {"email": "e", "x": "x"}, fields={"x": field})

    there.update("1", {"x": value})

    assert odd.users["1"]["x"] == written
    shown = there.read("1").attributes.get("x")
    assert shown == {"yes": "true", "": None}.get(value, value.lower() if "case" in field else value)


def test_a_value_that_is_none_of_its_kind_is_told(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1}}

    with pytest.raises(Refused, match="start is no date.*Correct the attribute"):
        app(server, {"email": "e", "start": "x"}, fields={"start": {"date": "%d.%m.%Y"}}).update("1", {"start": "soon"})


def test_a_name_that_the_app_puts_together(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": {"id": 1, "email": ANN["email"], "first": "Ann", "last": "Lee"}}
    fields = {"name": {"read_only": True, "shows": ["first", "last"]}}
    there = app(server, fields=fields)

    there.update("1", {"name": "Ann Lee"})

    assert there.read("1").attributes == ANN and "name" not in odd.users["1"]


def test_a_job_is_watched_to_its_end(odd: Odd, server: Scripted) -> None:
    odd.users, states = {"1": ANN | {"id": 1}}, ["running", "running", "done"]
    odd.on = {"POST /users/1/off": lambda asked: Said(202, {"job": {"id": "j/1"}})}
    odd.on["GET /jobs/"] = lambda asked: Said(200, {"state": states.pop(0)})
    job = {"path": "/jobs/{job}", "at": "job.id", "field": "state", "done": "done", "failed": "failed"}
    off = {"verb": "POST", "path": "/users/{id}/off", "job": job}

    app(server, active={"field": "active", "disable": off}).disable("1")
    states.append("failed")

    assert server.asked[-1].path == "/jobs/j%2F1"
    with pytest.raises(Refused, match="the app's job ended as 'failed'"):
        app(server, active={"field": "active", "disable": off}).disable("1")


# answers that do not mean what they say

LIES = {"field": "ok", "is": False, "code": "error", "means": {"user_not_found": 404, "busy": 429, "taken": 409}}


def test_a_200_may_be_a_404(odd: Odd, server: Scripted) -> None:
    odd.on = {"GET /users/7": lambda asked: Said(200, {"ok": False, "error": "user_not_found"})}

    assert app(server, failed_if=LIES).read("7") is None


def test_a_200_may_be_a_refusal_with_the_apps_own_words(odd: Odd, server: Scripted) -> None:
    odd.on = {"POST /users": lambda asked: Said(200, {"ok": False, "error": "seats_used_up"})}

    with pytest.raises(Refused, match="seats_used_up") as caught:
        app(server, failed_if=LIES).create(ANN)

    assert caught.value.status == 400


def test_a_200_may_ask_for_patience(odd: Odd, server: Scripted) -> None:
    answers = [Said(200, {"ok": False, "error": "busy"}, {"Retry-After": "0"})]
    odd.on = {"POST /users": lambda asked: answers.pop() if answers else None}

    assert app(server, failed_if=LIES).create(ANN)[0] == Outcome.DONE and len(odd.users) == 1


def test_a_400_may_mean_taken(odd: Odd, server: Scripted) -> None:
    odd.users = {"5": {"id": 5, "email": "ANN@x.example"}}
    odd.on = {"POST /users": lambda asked: Said(400, {"message": "This user already exists in here"})}
    words = {"code": "message", "statuses": [400], "means": {"already exists": 409}}

    assert app(server, failed_if=words).create(ANN, looked=True) == (Outcome.ALREADY, "5")


def test_errors_that_are_a_list(odd: Odd, server: Scripted) -> None:
    odd.on = {"POST /users": lambda asked: Said(200, {"data": None, "errors": [{"message": "no seat left"}]})}

    with pytest.raises(Refused, match="no seat left"):
        app(server, failed_if={"field": "errors"}).create(ANN)


def test_a_redirect_may_be_a_success(odd: Odd, server: Scripted) -> None:
    def make(asked: Asked) -> Said:
        odd.users["8"] = {"id": 8, "email": ANN["email"]}
        return Said(302, None, {"Location": "/users"})

    odd.on = {"POST /users": make}
    create = {"verb": "POST", "path": "/users", "format": "form", "accepts": [302]}

    assert app(server, users={"create": create}).create(ANN) == (Outcome.DONE, "8")


def test_xml(odd: Odd, server: Scripted) -> None:
    rows = {"ocs": {"data": {"users": {"element": [{"id": "1", "email": ANN["email"]}]}}}}

    def answer(asked: Asked) -> Said:
        if asked.method == "POST":
            rows["ocs"]["data"]["users"]["element"].append({"id": "2", **xmltodict.parse(asked.text)["user"]})
            return Said(200, xmltodict.unparse({"ocs": {"data": {"id": "2"}}}))
        return Said(200, xmltodict.unparse(rows))

    odd.on = {"GET /users": answer, "POST /users": answer}
    users = {"list": {"path": "/users", "items": "ocs.data.users"}, "read": None, "item": "ocs.data"}
    users["create"] = {"verb": "POST", "path": "/users", "format": "xml", "wrap": "user"}
    there = app(server, answers="xml", users=users)

    assert there.find(ANN["email"]).id == "1"
    assert there.create(ANN | {"email": "bo@x.example"})[1] == "2"
    assert there.read("2").key == "bo@x.example"


# how things are found


def test_only_the_list_shows_accounts(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": ANN | {"id": 1}}
    there = app(server, users={"read": None})

    assert there.read("1").key == there.find("ANN@x.example").key == ANN["email"]
    assert there.read("2") is None


def test_disabled_ones_have_a_list_of_their_own(odd: Odd, server: Scripted) -> None:
    rows = {"a": [ANN | {"id": 1}], "b": [{"id": 2, "email": "bo@x.example"}, ANN | {"id": 1}]}
    odd.on = {"GET /users": lambda asked: Said(200, rows[asked.query["of"]])}
    there = app(
        server, users={"list": [{"path": "/users", "query": {"of": "a"}}, {"path": "/users", "query": {"of": "b"}}]}
    )

    assert [account.id for account in there.accounts()] == ["1", "2"]
    assert there.find("bo@x.example").id == "2"


def test_a_list_by_id_and_a_list_of_bare_names(odd: Odd, server: Scripted) -> None:
    odd.users = {"ann": ANN | {"id": "ann"}}
    odd.on = {"GET /map": lambda asked: Said(200, {"users": {"ann": ANN}, "total": 1})}
    odd.on["GET /names"] = lambda asked: Said(200, {"data": {"users": ["ann"]}})
    keyed = app(server, users={"list": {"path": "/map", "items": "users", "keyed": "id"}})
    plain = app(server, users={"list": {"path": "/names", "items": "data.users", "plain": "id"}, "each": True})

    assert [a.id for a in keyed.accounts()] == ["ann"] and keyed.find(ANN["email"]).id == "ann"
    assert [a.attributes for a in plain.accounts()] == [ANN]


def test_everything_by_rpc(odd: Odd, server: Scripted) -> None:
    def rpc(asked: Asked) -> Said:
        method, params = asked.json["method"], asked.json["params"]
        if method == "createUser":
            odd.users["1"] = {"id": 1, "is_active": "1", **params}
            return Said(200, {"result": 1})
        if method == "updateUser":
            odd.users[str(params["id"])] |= params
        rows = [u for u in odd.users.values() if params.get("email", u.get("email")) == u.get("email")]
        found = {"getAllUsers": rows, "getUser": odd.users.get(str(params.get("id")))}
        return Said(200, {"result": found.get(method, True)} if method != "boom" else {"error": {"code": -32601}})

    odd.on = {"POST /rpc": rpc}

    def call(method: str, **body: Any) -> dict[str, Any]:
        named = {f"params.{name}": value for name, value in body.items()}
        return {"verb": "POST", "path": "/rpc", "body": {"jsonrpc": "2.0", "id": 1, "method": method, **named}}

    listed = call("getAllUsers") | {"items": "result"}
    listed["body"]["params"] = {}
    users = {
        "list": listed,
        "find": call("getAllUsers", email="{key}") | {"items": "result"},
        "read": call("getUser", id="{id|number}"),
        "item": "result",
        "create": call("createUser") | {"wrap": "", "item": "", "id": "result"},
        "update": call("updateUser", id="{id|number}"),
    }
    fields = {name: {"write": f"params.{name}", "shows": name} for name in ("email", "name")}
    active = {"field": "is_active", "write": "params.is_active", "on": 1, "off": 0}
    there = app(server, users=users, fields=fields, active=active, failed_if={"field": "error", "code": "error.code"})

    odd.on = {"POST /rpc": lambda asked, rest=[Said(503, {})]: rest.pop() if rest else rpc(asked)}  # type: ignore[misc]
    assert list(there.accounts()) == []
    assert there.create(ANN) == (Outcome.DONE, "1") and there.create(ANN) == (Outcome.ALREADY, "1")
    assert [there.disable("1"), there.disable("1")] == [Outcome.DONE, Outcome.ALREADY]
    assert there.read("1").attributes == ANN and not there.read("1").active
    assert odd.users["1"]["id"] == 1 and there.read("2") is None


def test_another_account_than_the_one_asked_for_is_not_believed(odd: Odd, server: Scripted) -> None:
    odd.on = {"GET /users/7": lambda asked: Said(200, ANN | {"id": 8})}

    with pytest.raises(Refused, match="the app showed account 8"):
        app(server).read("7")


# lists


def numbered(rows: int, per: int, **more: Any) -> Handler:
    """Numbered pages that say what `more` makes them say."""

    def answer(asked: Asked) -> Said:
        page = int(asked.query.get("page", 1))
        items = [{"id": n, "email": f"u{n}@x.example"} for n in range(rows)][(page - 1) * per : page * per]
        told = {name: what(page) if callable(what) else what for name, what in more.items()}
        return Said(200, {"data": items, **told}, {"X-Total": str(rows), "X-Pages": str(-(-rows // per))})

    return answer


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ({"page": {"total": "total"}}, {"total": 7}),
        ({"page": {"total": "header:X-Total"}}, {}),
        ({"page": {"last": "last"}}, {"last": 3}),
        ({"page": {"last": "header:X-Pages"}}, {}),
        ({"page": {"more": "more"}}, {"more": lambda page: page < 3}),
        ({"page": {}}, {}),
        (
            {"link": {"at": "@odata.nextLink"}},
            {"@odata.nextLink": lambda page: f"/users?page={page + 1}" if page < 3 else None},
        ),
        ({"cursor": {"param": "page", "at": "next"}}, {"next": lambda page: page + 1 if page < 3 else ""}),
        (
            {"cursor": {"param": "page", "at": "next", "more": "more"}},
            {"next": lambda p: p + 1, "more": lambda p: p < 3},
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_every_page_is_read(pages: Any, told: Any, odd: Odd, server: Scripted) -> None:
    odd.on = {"GET /users": numbered(7, 3, **told)}

    found = app(server, pages=pages, users={"list": {"path": "/users", "items": "data"}}).accounts()

    assert [account.id for account in found] == [str(n) for n in range(7)]


def test_the_last_item_is_the_cursor(odd: Odd, server: Scripted) -> None:
    rows = [{"id": n, "email": f"u{n}@x.example"} for n in range(1, 8)]
    odd.on = {"GET /users": lambda a: Said(200, [r for r in rows if r["id"] > int(a.query.get("after", 0))][:3])}

    found = app(server, pages={"cursor": {"param": "after", "last_item": "id"}}).accounts()

    assert [account.id for account in found] == [str(n) for n in range(1, 8)]


@pytest.mark.parametrize(
    ("pages", "told", "error", "said"),
    [
        ({"page": {"total": "total"}}, {"total": 9}, Retryable, "ended after 7 of 9"),
        ({"cursor": {"param": "x", "at": "n"}}, {"n": "again"}, Refused, "same page again and again"),
        ({"link": {"at": "n"}}, {"n": "https://elsewhere.example/users"}, Refused, "on another host"),
    ],
    ids=["total too high", "loop", "another host"],
)
def test_lists_that_lie_are_caught(pages: Any, told: Any, error: Any, said: str, odd: Odd, server: Scripted) -> None:
    odd.on = {"GET /users": numbered(7, 3, **told)}

    with pytest.raises(error, match=said):
        list(app(server, pages=pages, users={"list": {"path": "/users", "items": "data"}}).accounts())


def test_empty_pages_without_end_are_caught(odd: Odd, server: Scripted) -> None:
    odd.on = {"GET /users": lambda a: Said(200, {"data": [], "next": int(a.query.get("c", 0)) + 1})}

    with pytest.raises(Refused, match="page after page is empty"):
        list(
            app(
                server,
                pages={"cursor": {"param": "c", "at": "next"}},
                users={"list": {"path": "/users", "items": "data"}},
            ).accounts()
        )


def test_a_total_that_is_the_pages_own_count_loses_nobody(odd: Odd, server: Scripted) -> None:
    odd.on = {"GET /users": numbered(7, 3, total=3)}
    users = {"list": {"path": "/users", "items": "data"}}

    found = app(server, pages={"page": {"size": "n", "per": 3, "total": "total"}}, users=users).accounts()

    assert len(list(found)) == 7


# what a machine cannot do, and words that are wrong


@pytest.mark.parametrize(
    ("users", "verb", "told"),
    [
        ({"list": {"path": "/wrapped", "items": ""}}, "check", "no list at 'the top' of the answer; there is rows, n"),
        ({"list": {"path": "/wrapped", "items": "data"}}, "check", "no list at 'data' of the answer; there is rows, n"),
        ({"id": "uid"}, "check", "an account has no 'uid'; there is id, email, name"),
        ({"item": "user"}, "read", "there is no 'user' in the answer; there is id, email, name. Check `users.item`"),
    ],
    ids=["no items", "items", "id", "item"],
)
def test_a_wrong_path_is_told_with_what_is_there(users: Any, verb: str, told: str, odd: Odd, server: Scripted) -> None:
    odd.users = {"1": {"id": 1} | ANN}
    odd.on = {"GET /wrapped": lambda asked: Said(200, {"rows": list(odd.users.values()), "n": 1})}
    there = app(server, users=users)

    with pytest.raises(Refused) as caught:
        there.read("1") if verb == "read" else there.check()

    assert told in str(caught.value), str(caught.value)


def test_a_key_that_no_account_shows_is_told(odd: Odd, server: Scripted) -> None:
    odd.users = {"1": {"id": 1, "mail": ANN["email"]}}

    with pytest.raises(Refused, match="an account shows no 'email'; there is id, mail. Check `key`"):
        app(server).check()


def test_what_is_not_declared_is_for_people(server: Scripted) -> None:
    there = app(server, users={"create": None, "update": ()})

    assert {"create", "update", "delete", "enable", "disable"} & capabilities(there) == set()
    for act in (lambda: there.create(ANN), lambda: there.update("1", ANN), lambda: there.disable("1")):
        with pytest.raises(NeedsHuman, match="declares no"):
            act()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"users": {"read": "/users/{ident}"}}, "options.users.read.path: unknown place {ident}; known words are id"),
        ({"users": {"create": {"verb": "POST", "path": "/u", "body": {"a": "{id|numbr}"}}}}, "did you mean 'number'"),
        ({"users": {"create": {"verb": "PSOT", "path": "/u"}}}, "options.users.create.verb: Input should be 'GET'"),
        ({"active": {"on": True}}, "options.active: give exactly one of field, has, lacks"),
        ({"active": {"has": "Suspended"}}, "declare entitlements"),
        ({"entitlements": {"held": {}}}, "options.entitlements.0.held: give one of field, list"),
        ({"entitlements": {"list": {"path": "/g"}}}, "give held or members"),
        ({"pages": {"cursor": {"param": "c"}}}, "give one of at, last_item"),
        ({"fields": {"x": {"as": "nmber"}}}, "options.fields.x.as: Input should be 'text', 'number'"),
        ({"failed_if": {"feild": "ok"}}, "did you mean 'field'"),
        ({"auth": {"login": {"form": {"a": "b"}}}}, "the word 'path' is missing under options.auth.login"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_words_are_told_with_what_to_do(options: Any, told: str, server: Scripted) -> None:
    with pytest.raises(Refused) as caught:
        app(server, **options)

    assert "apps/odd.yaml" in str(caught.value) and told in str(caught.value), str(caught.value)
