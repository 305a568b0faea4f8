"""BambooHR over the wire, against its twin, with the sample's mapping."""

from base64 import b64encode
from datetime import date
from pathlib import Path

import httpx
import pytest
from ruamel.yaml import YAML

from connectors.base import Outcome
from connectors.errors import Mismatch, Refused, Retryable
from connectors.hr.bamboohr import BambooHr
from connectors.hr.catalogue import source
from connectors.sandbox import Sandbox
from mappings.feed import people_of
from mappings.people import Status, status_frame
from mappings.vocabulary import HrSource
from tests.hr_house import at_first
from tests.vendor_specs import described, hold

SAMPLE = Path(__file__).parents[1] / "mappings" / "sample"


@pytest.fixture
def twin(sandbox):
    return at_first(sandbox, "bamboohr")


@pytest.fixture
def bamboo(sandbox, twin) -> BambooHr:
    return connected(sandbox.environment)


def connected(values: dict[str, str], **options: object) -> BambooHr:
    words = YAML(typ="safe").load((SAMPLE / "hr" / "bamboohr.yaml").read_text())
    words["options"] |= options
    found = source("bamboohr", HrSource.model_validate(words), values, SAMPLE)
    assert isinstance(found, BambooHr)
    key = values["BAMBOOHR_API_KEY"]
    headers = {"Authorization": "Basic " + b64encode(f"{key}:x".encode()).decode(), "Accept": "application/json"}
    hold(found.http.client, described("bamboohr/bamboohr-openapi.json"), under="/bamboohr", headers=headers)
    return found


def ask(sandbox: Sandbox, method: str, path: str, body: object) -> httpx.Response:
    """Do something in BambooHR as an HR person would."""
    values = sandbox.environment
    auth = (values["BAMBOOHR_API_KEY"], "x")
    return httpx.request(method, values["BAMBOOHR_URL"] + path, json=body, auth=auth).raise_for_status()


def test_everybody_comes_as_the_twin_knows_them(bamboo, twin):
    feed = people_of(bamboo.read(), bamboo.rules)

    known = {row["id"]: row for row in twin.state()["employees"]}
    people = feed.people.set_index("employee_id")
    assert feed.held == () and set(people.index) == set(known)
    for key, row in known.items():
        person = people.loc[key]
        assert (person["given_name"], person["family_name"]) == (row["firstName"], row["lastName"])
        assert person["department"] == row["department"]
        assert person["hire_date"].date() == date.fromisoformat(row["hireDate"])
    assert set(people["worker_type"]) == {"employee", "contractor"}


def test_small_pages_give_the_same_people(sandbox, twin, bamboo):
    small = connected(sandbox.environment, page_size=3)

    assert small.read()["id"].tolist() == bamboo.read()["id"].tolist()


def test_a_future_hire_is_read_though_inactive(sandbox, twin, bamboo):
    hire = {"firstName": "Noor", "lastName": "Haddad", "hireDate": "2099-01-05", "department": "Sales"}
    key = ask(sandbox, "POST", "/employees", hire).headers["location"].rpartition("/")[2]

    people = people_of(bamboo.read(), bamboo.rules).people

    person = people[people["employee_id"] == key]
    assert status_frame(person, date(2026, 1, 1)).tolist() == [Status.PREHIRE]


def test_one_person_equals_the_same_in_the_list(bamboo, twin):
    everybody = bamboo.read().set_index("id")
    key = everybody.index[0]

    one = bamboo.read_one(key).set_index("id")

    assert one.loc[key].fillna("").equals(everybody.loc[key].fillna(""))  # the list's empty values are texts
    assert bamboo.read_one("987654").empty


def new_hire(sandbox: Sandbox) -> str:
    hire = {"firstName": "Noor", "lastName": "Haddad", "hireDate": "2026-01-05"}
    return ask(sandbox, "POST", "/employees", hire).headers["location"].rpartition("/")[2]


def email_of(twin, key: str) -> str | None:
    return next(row["workEmail"] for row in twin.state()["employees"] if row["id"] == key)


def test_the_work_email_is_written_and_read_back(sandbox, twin, bamboo):
    key = new_hire(sandbox)

    outcomes = [bamboo.write_work_email(key, "noor.haddad@mill.example") for _ in range(2)]

    assert outcomes == [Outcome.DONE, Outcome.ALREADY]
    assert email_of(twin, key) == "noor.haddad@mill.example"


def test_an_address_that_somebody_has_is_refused(sandbox, twin, bamboo):
    key, taken = new_hire(sandbox), email_of(twin, "101")

    with pytest.raises(Refused, match="409.*Duplicate email"):
        bamboo.write_work_email(key, str(taken))
    assert not email_of(twin, key)


def test_after_a_lost_answer_the_second_call_finds_it_done(sandbox, twin, bamboo):
    key = new_hire(sandbox)
    twin.faults([{"match": f"POST .*/employees/{key}", "kind": "lost-answer", "seconds": 0, "times": 1}])
    with pytest.raises(Retryable):
        bamboo.write_work_email(key, "noor.haddad@mill.example")

    twin.faults([])
    assert bamboo.write_work_email(key, "noor.haddad@mill.example") == Outcome.ALREADY
    assert email_of(twin, key) == "noor.haddad@mill.example"


def test_a_write_that_does_nothing_is_noticed(sandbox, twin, bamboo):
    key = new_hire(sandbox)
    twin.faults([{"match": f"POST .*/employees/{key}", "kind": "silent-noop"}])

    with pytest.raises(Mismatch, match="shows nothing"):
        bamboo.write_work_email(key, "noor.haddad@mill.example")


def test_a_wrong_key_names_the_variable_and_not_its_value(sandbox, twin):
    wrong = connected(sandbox.environment | {"BAMBOOHR_API_KEY": "not-the-right-key"})

    with pytest.raises(Refused) as error:
        wrong.check()

    assert "401" in str(error.value) and "BAMBOOHR_API_KEY" in str(error.value)
    assert "not-the-right-key" not in str(error.value)


def test_a_misspelt_field_is_named(sandbox, twin):
    words = YAML(typ="safe").load((SAMPLE / "hr" / "bamboohr.yaml").read_text())
    words["fields"]["cost_center"] = "costCentre"
    wrong = source("bamboohr", HrSource.model_validate(words), sandbox.environment, SAMPLE)

    with pytest.raises(Refused, match="does not show costCentre"):
        wrong.read()


def test_the_check_counts_people(bamboo, twin):
    assert f"{len(twin.state()['employees'])} people" in bamboo.check()


def test_an_unreachable_bamboohr_can_be_tried_again(sandbox):
    nowhere = connected(sandbox.environment | {"BAMBOOHR_URL": "http://127.0.0.1:9/api/v1"})

    with pytest.raises(Retryable, match="cannot reach http://127.0.0.1:9"):
        nowhere.read()
