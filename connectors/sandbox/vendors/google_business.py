"""Google's licences (Enterprise License Manager API) and data transfers, which take their time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import unquote
from uuid import uuid4

from connectors.sandbox.possessions import owned, passed
from connectors.sandbox.store import Index, Row, Table
from connectors.sandbox.vendors.google_listing import page
from connectors.sandbox.vendors.google_security import Security, now
from connectors.sandbox.wire import Answer, Call, Rejection, Route, json_answer, route

CUSTOMER = "C0juniper"
LICENCES = "/apps/licensing/v1/product/{product}"
TRANSFERS = "/admin/datatransfer/v1"
SKUS = {
    ("Google-Apps", "1010020025"): ("Google Workspace Business Plus", 100_000),
    ("Google-Apps", "1010020028"): ("Google Workspace Business Standard", 100_000),
    ("Google-Vault", "Google-Vault"): ("Google Vault", 2),
}
"""Product and SKU (developers.google.com/workspace/admin/licensing/v1/how-tos/products) -> name, seats bought."""
APPLICATIONS: dict[str, tuple[str, dict[str, list[str]]]] = {
    "55656082996": ("Drive and Docs", {"PRIVACY_LEVEL": ["PRIVATE", "SHARED"]}),
    "435070579839": ("Calendar", {"RELEASE_RESOURCES": ["TRUE"]}),
}
"""Ids of developers.google.com/workspace/admin/data-transfer/v1/parameters -> name, parameters."""


class Business(Security):
    """A user has at most one licence of a product. A transfer moves nothing until it is completed."""

    transfer_seconds = 0.05
    auto_licensing = False
    """Whether Business Standard is given, and kept, by Google itself."""
    transfers_fail = False

    def business_tables(self) -> dict[str, Table]:
        return {
            "licences": Table("licences", {"user": Index(lambda row: str(row["user"]))}),
            "transfers": Table("transfers", {"from": Index(lambda row: str(row["oldOwnerUserId"]))}),
        }

    def business_routes(self) -> Sequence[Route]:
        sku = f"{LICENCES}/sku/{{sku}}"
        return (
            route(f"{sku}/user", post=self.assign),
            route(f"{sku}/user/{{user}}", get=self.show_licence, delete=self.unassign, patch=self.reassign),
            route(f"{sku}/users", get=self.list_licences),
            route(f"{LICENCES}/users", get=self.list_licences),
            route(f"{TRANSFERS}/applications", get=self.list_applications),
            route(f"{TRANSFERS}/transfers", get=self.list_transfers, post=self.transfer),
            route(f"{TRANSFERS}/transfers/{{transfer}}", get=self.show_transfer),
        )

    # licences

    def assign(self, call: Call) -> Answer:
        product, sku = self.sku(call)
        user = self.licensed(call, str(call.json().get("userId") or ""))
        held = self.of_product(call, user, product)
        if held and held["sku"] == sku:
            said = "User already has a license for the specified product and SKU"
            raise Rejection(self.refused(412, said, "duplicate"))
        if held:
            said = "User already has a license for this product; reassign it."
            raise Rejection(self.refused(412, said, "conditionNotMet"))
        self.seats(call, product, sku)
        return self.put_licence(call, product, sku, user)

    def reassign(self, call: Call) -> Answer:
        product, _ = self.sku(call)
        row = self.licence(call)
        sku = str(call.json().get("skuId") or row["sku"])
        if (product, sku) not in SKUS:
            raise Rejection(self.problem(400, "Invalid skuId"))
        self.seats(call, product, sku)
        call["licences"].drop(f"{product}/{row['sku']}/{row['user']}")
        return self.put_licence(call, product, sku, call["users"].rows[row["user"]])

    def put_licence(self, call: Call, product: str, sku: str, user: Row) -> Answer:
        row: Row = {"product": product, "sku": sku, "user": user["id"]}
        return json_answer(200, self.shown_licence(call, call["licences"].put(f"{product}/{sku}/{user['id']}", row)))

    def show_licence(self, call: Call) -> Answer:
        return json_answer(200, self.shown_licence(call, self.licence(call)))

    def unassign(self, call: Call) -> Answer:
        row = self.licence(call)
        if self.auto_licensing and row["sku"] == "1010020028":
            raise Rejection(self.refused(412, "Auto License un-assignment is not allowed.", "conditionNotMet"))
        call["licences"].drop(f"{row['product']}/{row['sku']}/{row['user']}")
        return json_answer(200, {})

    def list_licences(self, call: Call) -> Answer:
        if call.query.get("customerId") != CUSTOMER:
            raise Rejection(self.problem(400, "Invalid customerId"))
        product, sku = call.params["product"], call.params.get("sku")
        rows = [r for r in call["licences"].rows.values() if r["product"] == product and sku in (None, r["sku"])]
        return page(call, rows, "items", "licenseAssignments", 1000, show=lambda row: self.shown_licence(call, row))

    def sku(self, call: Call) -> tuple[str, str]:
        wanted = call.params["product"], call.params["sku"]
        if wanted not in SKUS:
            raise Rejection(self.problem(400, "Invalid productId or skuId"))
        return wanted

    def licence(self, call: Call) -> Row:
        product, sku = self.sku(call)
        user = self.licensed(call, unquote(call.params["user"]))
        found = call["licences"].rows.get(f"{product}/{sku}/{user['id']}")
        if not found:
            raise Rejection(self.problem(404, "User does not have a license for specified sku and product"))
        return found

    def licensed(self, call: Call, address: str) -> Row:
        """The user with this primary address, which is all that the Licensing API knows."""
        found = call["users"].by("email", address)
        if not found:
            raise Rejection(self.refused(404, "User not found", "userNotFound"))
        return found[0]

    def of_product(self, call: Call, user: Row, product: str) -> Row | None:
        return next((r for r in call["licences"].by("user", user["id"]) if r["product"] == product), None)

    def seats(self, call: Call, product: str, sku: str) -> None:
        used = sum((r["product"], r["sku"]) == (product, sku) for r in call["licences"].rows.values())
        if used >= SKUS[product, sku][1]:
            said = "There aren't enough available licenses for the specified product-SKU pair"
            raise Rejection(self.refused(412, said, "conditionNotMet"))

    def shown_licence(self, call: Call, row: Row) -> Row:
        said = {"kind": "licensing#licenseAssignment", "productId": row["product"], "skuId": row["sku"]}
        named = {"productName": row["product"], "skuName": SKUS[row["product"], row["sku"]][0]}
        return said | named | {"userId": call["users"].rows[row["user"]]["primaryEmail"]}

    # transfers

    def list_applications(self, call: Call) -> Answer:
        rows = [
            {"id": id, "name": name, "transferParams": [{"key": k, "value": v} for k, v in params.items()]}
            for id, (name, params) in APPLICATIONS.items()
        ]
        return page(call, rows, "applications", "applications", 500)

    def transfer(self, call: Call) -> Answer:
        asked = call.json()
        old, new = (call["users"].rows.get(str(asked.get(name))) for name in ("oldOwnerUserId", "newOwnerUserId"))
        wanted = asked.get("applicationDataTransfers") or []
        if not old or not new or old["id"] == new["id"] or not wanted:
            raise Rejection(self.problem(400, "Invalid Input"))
        for each in wanted:
            known = APPLICATIONS.get(str(each.get("applicationId")))
            params = {p.get("key"): p.get("value") for p in each.get("applicationTransferParams") or []}
            if not known or any(not set(v or []) <= set(known[1].get(str(k), [])) for k, v in params.items()):
                raise Rejection(self.problem(400, "Invalid Input: applicationDataTransfers"))
        row: Row = {"kind": "admin#datatransfer#DataTransfer", "id": uuid4().hex, "requestTime": now()}
        row |= {"oldOwnerUserId": old["id"], "newOwnerUserId": new["id"], "applicationDataTransfers": wanted}
        row |= {"overallTransferStatusCode": "new", "due": time.time() + self.transfer_seconds}
        return json_answer(200, transfer_of(call["transfers"].put(row["id"], row)))

    def list_transfers(self, call: Call) -> Answer:
        self.carry_out()
        names = ("oldOwnerUserId", "newOwnerUserId")
        asked = {name: call.query[name] for name in names if name in call.query}
        rows = [r for r in call["transfers"].rows.values() if all(r[n] == v for n, v in asked.items())]
        return page(call, [transfer_of(row) for row in rows], "dataTransfers", "DataTransfers", 500)

    def show_transfer(self, call: Call) -> Answer:
        self.carry_out()
        found = call["transfers"].rows.get(call.params["transfer"])
        if not found:
            raise Rejection(self.problem(404, "Data transfer request not found"))
        return json_answer(200, transfer_of(found))

    def carry_out(self) -> None:
        """Do what is due of all transfers; the others are under way."""
        table = self.store["transfers"]
        for row in [r for r in table.rows.values() if r["overallTransferStatusCode"] in ("new", "inProgress")]:
            due = row["due"] <= time.time()
            if due and not self.transfers_fail:
                self.move(row)
            status = ("failed" if self.transfers_fail else "completed") if due else "inProgress"
            parts = [part | {"applicationTransferStatus": status} for part in row["applicationDataTransfers"]]
            table.put(row["id"], row | {"overallTransferStatusCode": status, "applicationDataTransfers": parts})

    def move(self, row: Row) -> None:
        """Files and events to the new owner, as far as the parameters name them."""
        for part in row["applicationDataTransfers"]:
            params = {p["key"]: p.get("value") or [] for p in part.get("applicationTransferParams") or []}
            levels = params.get("PRIVACY_LEVEL", ["SHARED"])
            name = "files" if str(part["applicationId"]) == "55656082996" else "events"
            for thing in owned(self.store[name], row["oldOwnerUserId"]):
                if name == "events" or ("SHARED" if thing["shared"] else "PRIVATE") in levels:
                    passed(self.store[name], self.possessions[name], thing, row["newOwnerUserId"])


def transfer_of(row: Row) -> Row:
    """A transfer as Google shows it."""
    return {name: value for name, value in row.items() if name != "due"}
