"""Every request to BambooHR validates against its OpenAPI description, and answers made from it are read right."""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from pydantic import SecretStr
from werkzeug.datastructures import Headers, ImmutableMultiDict

from connectors.base import Outcome
from connectors.errors import Mismatch, Refused, Retryable
from connectors.hr.bamboohr import BambooHr, BambooHttp, Options
from connectors.surroundings import Surroundings
from mappings.feed import UNREADABLE, people_of
from mappings.vocabulary import HrSource

SPEC = Path(__file__).parents[1].parent / "shared" / "specs" / "bamboohr" / "bamboohr-openapi.json"
HOST = "https://companySubDomain.bamboohr.com"
FIELDS = {
    "employee_id": "id",
    "given_name": "firstName",
    "family_name": "lastName",
    "work_email": "workEmail",
    "hire_date": "hireDate",
    "last_day": "terminationDate",
}
ANA = {
    "id": "101",
    "firstName": "Ana",
    "lastName": "Šimić",
    "workEmail": None,
    "hireDate": "2026-01-05",
    "terminationDate": None,
}
AUTHORIZATION = "Basic " + b64encode(b"key-of-ana:x").decode()
Answerer = Callable[[httpx.Request], httpx.Response]

pytestmark = pytest.mark.skipif(not SPEC.exists(), reason="../shared/specs/bamboohr is not here")


@pytest.fixture(scope="module")
def api() -> OpenAPI:
    return OpenAPI.from_dict(json.loads(SPEC.read_text(encoding="utf-8")))


class Sent:
    """An httpx request as openapi-core wants it."""

    def __init__(self, request: httpx.Request) -> None:
        self.host_url, self.path, self.method = HOST, request.url.path, request.method.lower()
        self.body = request.content or None
        self.content_type = request.headers.get("content-type", "application/json")
        query = ImmutableMultiDict(parse_qsl(request.url.query.decode(), keep_blank_values=True))
        self.parameters = RequestParameters(
            query=query, header=Headers(list(request.headers.items())), cookie=ImmutableMultiDict()
        )


class Given:
    """An httpx response as openapi-core wants it."""

    def __init__(self, response: httpx.Response) -> None:
        self.status_code, self.data = response.status_code, response.content
        self.content_type = response.headers.get("content-type", "").split(";")[0]
        self.headers = Headers(list(response.headers.items()))


def checked(api: OpenAPI, answer: Answerer) -> httpx.MockTransport:
    """A transport that holds requests and answers to the description."""

    def handle(request: httpx.Request) -> httpx.Response:
        api.validate_request(Sent(request))
        assert request.headers["Authorization"] == AUTHORIZATION
        assert request.headers["Accept"] == "application/json"
        response = answer(request)
        if response.content:
            api.validate_response(Sent(request), Given(response))
        return response

    return httpx.MockTransport(handle)


def bamboo(api: OpenAPI, answer: Answerer, **options: object) -> BambooHr:
    words = {"url": HOST, "api_key": "key-of-ana", **options}
    rules = HrSource.model_validate(
        {"connector": "bamboohr", "fields": FIELDS, "write_back": ["work_email"], "options": words}
    )
    client = httpx.Client(
        base_url=HOST, auth=("key-of-ana", "x"), headers={"Accept": "application/json"}, transport=checked(api, answer)
    )
    around = Surroundings({"BAMBOOHR_API_KEY": "key-of-ana"})
    http = BambooHttp("bamboohr", client, around, patience=0.5, sleep=lambda _: None)
    return BambooHr(
        "bamboohr", rules, Options(url=HOST, api_key=SecretStr("key-of-ana")).model_copy(update=options), http
    )


def person(fields: dict[str, object]) -> dict[str, str]:
    return {k: v for k, v in fields.items() if isinstance(v, str)} | {k: "" for k, v in fields.items() if v is None}


def pages(*people: dict[str, object], total: int | None = None) -> Answerer:
    """A dataset of these people, answered page by page as asked."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"latest": "2026-03-02T00:00:00+00:00", "employees": {}})
        asked = json.loads(request.content)
        size, page = asked["pageSize"], asked["page"]
        rows = [{"fields": {k: v for k, v in person(p).items() if k in asked["fields"]}} for p in people]
        meta = {"page": page, "pageSize": size, "totalPages": -(-len(rows) // size)}
        data = rows[(page - 1) * size : page * size]
        return httpx.Response(200, json={"data": data, "links": {}, "meta": meta | {"totalItems": total or len(rows)}})

    return answer


def test_everybody_is_read_page_by_page(api):
    crowd = [ANA | {"id": str(n), "lastName": f"Nr {n}"} for n in range(101, 106)]

    frame = bamboo(api, pages(*crowd), page_size=2).read()

    assert frame["id"].tolist() == ["101", "102", "103", "104", "105"]
    assert frame.index.tolist() == [2, 3, 4, 5, 6]
    assert list(frame.columns) == list(FIELDS.values())


def test_names_of_the_dataset_may_differ(api):
    renamed = {("eeid" if k == "id" else k): v for k, v in ANA.items()}

    frame = bamboo(api, pages(renamed), dataset_fields={"id": "eeid"}).read()

    assert frame["id"].tolist() == ["101"]


def test_a_person_is_read_and_mapped(api):
    source = bamboo(api, lambda _: httpx.Response(200, json=ANA))

    feed = people_of(source.read_one("101"), source.rules)

    assert feed.people[["employee_id", "family_name"]].iloc[0].tolist() == ["101", "Šimić"]
    assert feed.people["work_email"].isna().all()


def test_nobody_is_an_empty_frame(api):
    assert bamboo(api, lambda _: httpx.Response(404)).read_one("999").empty


def test_another_person_is_never_taken_for_the_one_asked_for(api):
    with pytest.raises(Mismatch, match="answered with person 101"):
        bamboo(api, lambda _: httpx.Response(200, json=ANA)).read_one("102")


@pytest.mark.parametrize("zero", ["0", "00", ""])
def test_the_owner_of_the_key_is_never_read_by_accident(api, zero):
    with pytest.raises(Refused, match="owner of the API key"):
        bamboo(api, lambda _: httpx.Response(200, json=ANA | {"id": "0"})).read_one(zero)


def test_a_field_hidden_for_everybody_is_refused_not_read_as_empty(api):
    hidden = {k: v for k, v in ANA.items() if k != "terminationDate"}
    source = bamboo(api, pages(hidden, hidden | {"id": "102"}))

    for call in (source.read, source.check):
        with pytest.raises(Refused, match="does not show terminationDate. Give the key's user access"):
            call()


def test_a_field_hidden_for_one_person_holds_that_person(api):
    hidden = {k: v for k, v in ANA.items() if k != "terminationDate"}
    source = bamboo(api, pages(ANA, hidden | {"id": "102"}))

    feed = people_of(source.read(), source.rules)

    assert feed.people["employee_id"].tolist() == ["101"]
    assert feed.held[0].message == "row 3 (102): needs permission to see terminationDate"
    assert UNREADABLE in bamboo(api, lambda _: httpx.Response(200, json=hidden)).read_one("101")


@pytest.mark.parametrize(
    ("people", "total"), [((ANA, ANA), None), ((ANA,), 7)], ids=["one twice, one lost", "fewer than stated"]
)
def test_an_incomplete_list_is_no_list(api, people, total):
    with pytest.raises(Retryable, match="HR changed while it was read"):
        bamboo(api, pages(*people, total=total)).read()


def test_the_check_names_how_many(api):
    assert bamboo(api, pages(ANA)).check() == "BambooHR: 1 people, all 6 mapped fields readable"


class Held:
    """One person whose work e-mail can be written."""

    def __init__(self, email: str | None, status: int = 200, says: str = "", deaf: bool = False) -> None:
        self.email, self.status, self.says, self.deaf, self.writes = email, status, says, deaf, list[object]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"id": "101", "workEmail": self.email})
        self.writes.append(json.loads(request.content))
        if self.status == 200 and not self.deaf:
            self.email = json.loads(request.content)["workEmail"]
        return httpx.Response(self.status, headers={"X-BambooHR-Error-Message": self.says} if self.says else {})


def test_the_work_email_is_written_once(api):
    held = Held(None)
    source = bamboo(api, held)

    outcomes = [source.write_work_email("101", "ana.simic@mill.example") for _ in range(2)]

    assert outcomes == [Outcome.DONE, Outcome.ALREADY]
    assert held.writes == [{"workEmail": "ana.simic@mill.example"}]


def test_a_different_address_is_never_written_over(api):
    held = Held("ana@mill.example")

    with pytest.raises(Refused, match="there is already ana@mill.example. Decide which"):
        bamboo(api, held).write_work_email("101", "ana.simic@mill.example")
    assert held.writes == [] and held.email == "ana@mill.example"


@pytest.mark.parametrize(("status", "says"), [(403, "No access to workEmail"), (409, "Duplicate email")])
def test_a_refused_write_says_why_in_bamboohrs_words(api, status, says):
    with pytest.raises(Refused) as error:
        bamboo(api, Held(None, status, says)).write_work_email("101", "ana.simic@mill.example")

    assert says in str(error.value) and error.value.status == status


def test_a_write_that_changed_nothing_is_a_mismatch(api):
    with pytest.raises(Mismatch, match="accepted ana@mill.example but shows nothing"):
        bamboo(api, Held(None, deaf=True)).write_work_email("101", "ana@mill.example")


def test_nothing_is_written_that_the_mapping_does_not_allow(api):
    held = Held(None)
    source = bamboo(api, held)
    source.rules = source.rules.model_copy(update={"write_back": ()})

    with pytest.raises(Refused, match="Add work_email to fields and write_back"):
        source.write_work_email("101", "ana@mill.example")
    assert held.writes == []


def test_a_work_email_that_may_not_be_seen_is_not_empty(api):
    with pytest.raises(Refused, match="does not show workEmail"):
        bamboo(api, lambda _: httpx.Response(200, json={"id": "101"})).write_work_email("101", "a@mill.example")


@pytest.mark.parametrize("status", [429, 503])
def test_a_limit_is_waited_out_and_then_retryable(api, status):
    turns = [httpx.Response(status, headers={"Retry-After": "0"}), httpx.Response(200, json=ANA)]
    assert bamboo(api, lambda _: turns.pop(0)).read_one("101")["id"].tolist() == ["101"]

    with pytest.raises(Retryable) as error:
        bamboo(api, lambda _: httpx.Response(status, headers={"Retry-After": "90"})).read_one("101")
    assert error.value.after == 90


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("PUT", "/api/v1/employees/101", {"json": {"workEmail": "a@mill.example"}}),
        ("POST", "/api/v1/employees/101", {"json": {"workEmail": 5}}),
        ("GET", "/api/v1/employee/101", {}),
        ("POST", "/api/v2/datasets/employee/data", {"json": {"fields": ["id"], "pageSize": 5000}}),
        ("POST", "/api/v2/datasets/employee/data", {"json": {"page": 1}}),
        ("GET", "/api/v1/employees/101", {"params": {"onlyCurrent": "perhaps"}}),
    ],
)
def test_the_check_of_requests_notices_wrong_ones(api, method, path, sent):
    client = httpx.Client(
        base_url=HOST, auth=("key-of-ana", "x"), transport=checked(api, lambda _: httpx.Response(200))
    )

    with pytest.raises(OpenAPIError):
        client.request(method, path, headers={"Accept": "application/json"}, **sent)


def test_who_changed_is_asked_as_described(api):
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/changed"):
            told = {"101": {"id": "101", "action": "Updated", "lastChanged": "2026-01-31T18:42:00+00:00"}}
            return httpx.Response(200, json={"latest": "2026-01-31T18:42:00+00:00", "employees": told})
        return httpx.Response(200, json=person(ANA))

    frame = bamboo(api, answer).changed_since(datetime(2026, 1, 31, tzinfo=UTC))

    assert frame["id"].tolist() == ["101"] and frame["lastName"].tolist() == ["Šimić"]
