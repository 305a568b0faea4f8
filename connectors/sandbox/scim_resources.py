"""What all resources of a SCIM twin have in common: listing, filtering, showing, versions, deletion."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from uuid import uuid4

from connectors.sandbox.scim_body import as_query, etag, listed, names_of, scim, scim_error, timestamp
from connectors.sandbox.scim_filter import parsed, passes
from connectors.sandbox.scim_schema import ENTERPRISE, GROUP, USER, BadValue
from connectors.sandbox.store import Row
from connectors.sandbox.twin import Twin
from connectors.sandbox.wire import Answer, Call, Rejection, page_number


class Resources(Twin):
    """Users and groups as rows; vendors say by these words what is different at them."""

    base = "/scim/v2"
    """The path below the twin's prefix that /Users hangs on."""
    most = 100
    """Resources on a page at the most."""
    filters: Mapping[str, str] = {}
    """Table -> regular expression on the filters that are taken; others are refused. Any where it is left out."""

    def root(self, call: Call) -> str:
        return f"{call.base}{self.base}"

    def list_users(self, call: Call) -> Answer:
        return self.listing(call, "users")

    def list_groups(self, call: Call) -> Answer:
        return self.listing(call, "groups")

    def search_users(self, call: Call) -> Answer:
        return self.listing(as_query(call), "users")

    def search_groups(self, call: Call) -> Answer:
        return self.listing(as_query(call), "groups")

    def search_all(self, call: Call) -> Answer:
        """Users, then groups; no more than a page of them."""
        call = as_query(call)
        found = [self.shown(call, t, row) for t in ("users", "groups") for row in self.asked_for(call, t)]
        return listed(found[: page_number(call.query.get("count"), self.most, self.most, 0)], len(found))

    def asked_for(self, call: Call, table: str) -> Sequence[Row]:
        filter = call.query.get("filter")
        return self.filtered(call, table, filter) if filter else list(call[table].rows.values())

    def listing(self, call: Call, table: str) -> Answer:
        query, rows = call.query, call[table].rows
        count = page_number(query.get("count"), self.most, self.most, 0)
        start = page_number(query.get("startIndex"), 1, 10**9)
        if "filter" not in query:
            page = islice(rows.values(), start - 1, start - 1 + count)
            return listed([self.shown(call, table, row) for row in page], len(rows), start)
        found = self.filtered(call, table, query["filter"])
        if call.wrong_first_hit:
            found = [row for row in rows.values() if row not in found][:1] + found
        page_rows = found[start - 1 : start - 1 + count]
        return listed([self.shown(call, table, row) for row in page_rows], len(found), start)

    def filtered(self, call: Call, table: str, text: str) -> list[Row]:
        """Rows that pass a filter, by index where it asks for one indexed value."""
        if table in self.filters and not re.fullmatch(self.filters[table], text, re.IGNORECASE):
            raise BadValue(f"unsupported filter: {text}", "invalidFilter")
        try:
            test = parsed(text)
        except ValueError as error:
            raise BadValue(str(error), "invalidFilter") from error
        if test.op == "eq" and isinstance(test.value, str):
            if test.attr.lower() in call[table].indexes:
                return call[table].by(test.attr.lower(), test.value)
            if test.attr.lower() == "id":
                return [r for r in [call[table].rows.get(test.value)] if r]
        return [row for row in call[table].rows.values() if passes(test, self.whole(call, table, row))]

    def show(self, call: Call) -> Answer:
        table = self.table(call)
        row = self.resource(call, table)
        if call.header(b"if-none-match") == row["meta"]["version"]:
            return Answer(304)
        return scim(200, self.shown(call, table, row), etag(row))

    def delete(self, call: Call) -> Answer:
        table = self.table(call)
        key = self.resource(call, table)["id"]
        self.forget(call, table, key)
        call[table].drop(key)
        return Answer(204)

    def forget(self, call: Call, table: str, key: str) -> None:
        """What goes along with a resource."""
        mine = "user" if table == "users" else "group"
        for row in call["members"].by(mine, key):
            call["members"].drop(f"{row['group']}/{row['user']}")

    def table(self, call: Call) -> str:
        return call.path.removeprefix(self.base).split("/")[1].lower()

    def resource(self, call: Call, table: str) -> Row:
        """The resource of the path, at the version the client knows where it says one."""
        row = call[table].rows.get(call.params["id"])
        if not row:
            raise Rejection(self.problem(404, f"no such resource: {call.params['id']}"))
        expected = call.header(b"if-match")
        if expected and expected not in ("*", row["meta"]["version"]):
            raise Rejection(self.problem(412, "the resource has changed"))
        return row

    def unique(self, call: Call, table: str, attribute: str, row: Row) -> None:
        others = call[table].by(attribute.lower(), str(row[attribute]))
        if any(other["id"] != row.get("id") for other in others):
            raise Rejection(scim_error(409, f"{attribute} {row[attribute]!r} is taken", "uniqueness"))

    def made(self, call: Call, table: str, row: Row) -> Answer:
        key, now = self.new_id(call, table), timestamp()
        row |= {"id": key, "meta": {"created": now, "lastModified": now, "version": 'W/"1"'}}
        call[table].put(key, row)
        where = ("Location", f"{self.root(call)}/{table.capitalize()}/{key}")
        return scim(201, self.shown(call, table, row), where, etag(row))

    def new_id(self, call: Call, table: str) -> str:
        """An id as the vendor makes them."""
        return str(uuid4())

    def changed(self, call: Call, table: str, row: Row) -> Row:
        number = int(row["meta"]["version"][3:-1]) + 1
        meta = row["meta"] | {"lastModified": timestamp(), "version": f'W/"{number}"'}
        return call[table].put(row["id"], row | {"meta": meta})

    def shown(self, call: Call, table: str, row: Row) -> Row:
        """The resource as it goes out, with the attributes asked for."""
        query = call.query if call.query_string else {}
        only, without = names_of(query.get("attributes")), names_of(query.get("excludedAttributes"))
        skip_derived = (only and not only & {"members", "groups"}) or without & {"members", "groups"}
        whole = self.whole(call, table, row, derived=not skip_derived)
        if only:
            return {k: v for k, v in whole.items() if k.lower() in only | {"id", "schemas"}}
        return {k: v for k, v in whole.items() if k.lower() not in without - {"id", "schemas"}}

    def whole(self, call: Call, table: str, row: Row, derived: bool = True) -> Row:
        kind, plural = ("User", "Users") if table == "users" else ("Group", "Groups")
        meta = {"resourceType": kind, "location": f"{self.root(call)}/{plural}/{row['id']}"} | row["meta"]
        urns = [USER, ENTERPRISE] if ENTERPRISE in row else [USER] if table == "users" else [GROUP]
        full = {"schemas": urns} | row | {"meta": meta}
        if derived and table == "users":
            found = [self.membership(call, m) for m in call["members"].by("user", row["id"])]
            return full | ({"groups": found} if found else {})
        if derived:
            found = [self.member(call, m) for m in call["members"].by("group", row["id"])]
            return full | ({"members": found} if found else {})
        return full

    def member(self, call: Call, row: Row) -> Row:
        return {"value": row["user"], "$ref": f"{self.root(call)}/Users/{row['user']}", "type": "User"}

    def membership(self, call: Call, row: Row) -> Row:
        group = call["groups"].rows[row["group"]]
        where = f"{self.root(call)}/Groups/{group['id']}"
        return {"value": group["id"], "$ref": where, "display": group["displayName"], "type": "direct"}
