"""Google licences as entitlements, written `licence:PRODUCT/SKU` with the ids that Google gives them.

Product and SKU ids: developers.google.com/workspace/admin/licensing/v1/how-tos/products. The API cannot list what one
user has: each SKU that is named costs a call when an account is read. It knows users by their present address alone.
Least permission: the scope apps.licensing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from connectors.apps.google_http import GONE, GoogleHttp, Said
from connectors.base import Outcome
from connectors.errors import Refused

PREFIX = "licence:"
MOST = 1000


class Sku(NamedTuple):
    """One kind of licence."""

    product: str
    id: str

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.product}/{self.id}"


class Licences:
    """The licences that the YAML names."""

    def __init__(self, http: GoogleHttp, url: str, named: tuple[str, ...]) -> None:
        self.http, self.url = http, url.rstrip("/")
        self.skus = {name.casefold(): Sku(*name.removeprefix(PREFIX).split("/", 1)) for name in named}

    def names(self) -> list[str]:
        """As rules write them."""
        return [sku.name for sku in self.skus.values()]

    def held(self, address: str, doing: str) -> list[str]:
        """1 call per SKU."""
        return [sku.name for sku in self.skus.values() if self.has(sku, address, doing)]

    def by_address(self, customer: str, doing: str) -> Iterator[tuple[str, str]]:
        """Address (casefolded) and name of every licence that is given; 1 call per 1,000."""
        for sku in self.skus.values():
            path = f"{self.path(sku)}/users"
            for row in self.http.pages(path, "items", doing, MOST, {"customerId": customer}):
                yield str(row["userId"]).casefold(), sku.name

    def has(self, sku: Sku, address: str, doing: str) -> bool:
        try:
            self.http.request("GET", self.of(sku, address), doing=doing)
        except Refused as error:
            if error.status == GONE:
                return False
            raise
        return True

    def assign(self, name: str, address: str, doing: str) -> Outcome:
        """1 call; where the user has another SKU of the product, that one is exchanged, 2 or 3 more."""
        sku = self.named(name, doing)
        try:
            self.http.request("POST", f"{self.path(sku)}/user", doing=doing, json={"userId": address})
        except Said as error:
            if error.reason == "duplicate":
                return Outcome.ALREADY
            if error.status != 412 or not (held := self.other(sku, address, doing)):
                raise explained(error, name) from None
            self.exchange(held, sku, address, doing)
        return Outcome.DONE

    def other(self, sku: Sku, address: str, doing: str) -> Sku | None:
        """Another SKU of the same product that the user has: nobody can have two."""
        rivals = [each for each in self.skus.values() if each.product == sku.product and each != sku]
        return next((each for each in rivals if self.has(each, address, doing)), None)

    def exchange(self, held: Sku, sku: Sku, address: str, doing: str) -> None:
        """Reassign; the three ids are required in the body too (GAM, PSGSuite issue 304)."""
        body = {"productId": sku.product, "skuId": sku.id, "userId": address}
        try:
            self.http.request("PATCH", self.of(held, address), doing=doing, json=body)
        except Said as error:
            raise explained(error, sku.name) from None

    def unassign(self, name: str, address: str, doing: str) -> Outcome:
        """1 call. ALREADY where the user does not have it."""
        try:
            self.http.request("DELETE", self.of(self.named(name, doing), address), doing=doing)
        except Said as error:
            if error.status == GONE:
                return Outcome.ALREADY
            raise explained(error, name) from None
        return Outcome.DONE

    def named(self, name: str, doing: str) -> Sku:
        """The SKU; Refused where the YAML does not list it, since it could not be read back."""
        if sku := self.skus.get(name.removeprefix(PREFIX).casefold()) or self.skus.get(name.casefold()):
            return sku
        todo = f"Add {name.removeprefix(PREFIX)} to `options.licences` in the app's YAML."
        raise Refused(self.http.app, doing, f"{name} is not one of the licences that are looked after", todo)

    def path(self, sku: Sku) -> str:
        return f"{self.url}/apps/licensing/v1/product/{quote(sku.product, safe='')}/sku/{quote(sku.id, safe='')}"

    def of(self, sku: Sku, address: str) -> str:
        """Where one user's licence is."""
        return f"{self.path(sku)}/user/{quote(address, safe='')}"


def explained(error: Said, name: str) -> Refused:
    """What to do about a 412: no seats left, or a licence that Google itself gives (GAM issue 1176)."""
    if error.status != 412:
        return error
    todo = f"Buy more of {name}, or take it from somebody."
    if "auto" in error.why.casefold():
        todo = "Turn off automatic licensing for this org unit (Billing > Licence settings), or move the user first."
    return Refused(error.app, error.doing, error.why, todo, error.status)
