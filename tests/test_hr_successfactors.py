"""SuccessFactors: what is asked, answered and written is in the EDMX; the twin's people are read right."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from ruamel.yaml import YAML

from connectors.base import Outcome
from connectors.errors import Mismatch, Refused
from connectors.hr.base import Changes, Source, WriteBack
from connectors.hr.catalogue import source
from connectors.hr.successfactors import SuccessFactors
from connectors.hr.successfactors_odata import told
from connectors.sandbox import Sandbox
from mappings.feed import people_of
from mappings.vocabulary import HrSource
from tests.edmx import Model
from tests.vendor_specs import Differs

ROOT = Path(__file__).parents[1]


def rules() -> HrSource:
    return HrSource.model_validate(YAML(typ="safe").load(ROOT / "mappings/sample/hr/successfactors.yaml"))


def company(sandbox: Sandbox, **options: object) -> SuccessFactors:
    read = rules()
    read = read.model_copy(update={"options": read.options | options})
    made = source("successfactors", read, sandbox.environment, ROOT / "mappings/sample")
    assert isinstance(made, SuccessFactors)
    return made


@pytest.fixture(autouse=True)
def fresh(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.control("successfactors").reset()


def upsert(sandbox: Sandbox, entity: str, **fields: object) -> None:
    """Somebody in HR enters something."""
    env = sandbox.environment
    auth = (env["SUCCESSFACTORS_USER"], env["SUCCESSFACTORS_PASSWORD"])
    body = {"__metadata": {"uri": entity}} | {k: wire(v) if isinstance(v, date) else v for k, v in fields.items()}
    answer = httpx.post(f"{env['SUCCESSFACTORS_URL']}/upsert", json=body, auth=auth).json()
    assert answer["d"][0]["status"] == "OK", answer


def wire(on: date) -> str:
    return f"/Date({int(datetime(on.year, on.month, on.day, tzinfo=UTC).timestamp() * 1000)})/"


def in_days(days: int) -> date:
    return datetime.now(UTC).date() + timedelta(days=days)


def hire(sandbox: Sandbox, person: str, user: str, on: date, **job: object) -> None:
    upsert(sandbox, "EmpEmployment", personIdExternal=person, userId=user, startDate=on, isContingentWorker=False)
    upsert(sandbox, "PerPersonal", personIdExternal=person, startDate=on, firstName="Anaïs", lastName="Lefèvre")
    own = {"department": "SAL_5", "location": "LIS_6", "managerId": "u103", "emplStatus": "A", **job}
    upsert(sandbox, "EmpJob", userId=user, startDate=on, seqNumber="1", **own)


def people(app: SuccessFactors):
    feed = people_of(app.read(), app.rules)
    assert not feed.held
    return feed.people.set_index("employee_id")


def test_a_whole_life_is_in_the_edmx(sandbox):
    app, model = company(sandbox, page_size=7), Model()
    model.hold(app.odata.http.client)

    app.check(), app.read(), app.read_one("102"), app.changed_since(datetime.now(UTC) - timedelta(days=1))
    app.write_work_email("102", "t.finch@juniperfinch.example", "tobias.finch@juniperfinch.example")

    entities = {"EmpEmployment", "EmpJob", "PerPersonal", "PerEmail", "FODepartment", "FOLocation"}
    assert model.seen == {"POST token", "POST upsert"} | {f"GET {entity}" for entity in entities}


@pytest.mark.parametrize(
    "row",
    [
        {"__metadata": {"uri": "PerEmail(emailType='1',personIdExternal='2')"}, "mail": "a@b.example"},
        {"__metadata": {"uri": "PerEmail(emailType='1')"}, "emailAddress": "a@b.example"},
        {"__metadata": {"uri": "EmpJob(userId='1',startDate='2',seqNumber='3')"}, "emplStatus": "A"},
        {"__metadata": {"uri": "FOLocation"}, "externalCode": "longer than thirty-two letters, which no code may be"},
        {"__metadata": {"uri": "EmpJob"}, "startDate": "2026-01-01"},
        {"__metadata": {"uri": "EmpJob"}, "jobTitle": 5},
    ],
)
def test_the_check_notices_wrong_rows(row):
    with pytest.raises(Differs):
        Model().check_row(row, write=True)


def test_the_check_notices_a_wrong_property(sandbox):
    app, model = company(sandbox), Model()
    model.hold(app.odata.http.client)

    with pytest.raises(Differs, match="EmpJob has no property hireDate"):
        list(app.odata.rows("EmpJob", ("hireDate",), {}))
    with pytest.raises(Differs, match="no condition"):
        list(app.odata.rows("EmpJob", ("userId",), {"$filter": "userId in O'Neil"}))
    with pytest.raises(Differs, match="header Authorization"):
        app.odata.http.client.get("/EmpJob?$select=userId", headers={"Authorization": "Basic x"}, auth=None)


def test_it_keeps_the_contract(sandbox):
    app = company(sandbox)

    assert isinstance(app, Source) and isinstance(app, Changes) and isinstance(app, WriteBack)
    assert "24 EmpEmployment" in app.check()


def test_everybody_is_read_page_by_page(sandbox):
    read = people(company(sandbox, page_size=7))

    assert len(read) == 24
    tobias = read.loc["102"]
    assert tobias[["family_name", "department", "location", "manager_id", "country"]].tolist() == [
        "Finch",
        "Finance",
        "Berlin",
        "101",
        "Germany",
    ]
    assert str(tobias["hire_date"].date()) == "2016-03-01"
    assert read.loc["123", "worker_type"] == "contractor"
    assert read.loc["124", "employment_status"] == "terminated"
    assert read["manager_id"].isna().sum() == 1


def test_a_future_hire_is_read_and_a_future_move_is_not(sandbox):
    hire(sandbox, "201", "u201", in_days(20))
    own = {"location": "LIS_6", "managerId": "u103", "emplStatus": "A", "department": "PEO_6"}
    upsert(sandbox, "EmpJob", userId="u108", startDate=in_days(5), seqNumber="1", **own)

    read = people(company(sandbox))

    assert read.loc["201", ["department", "given_name"]].tolist() == ["Sales", "Anaïs"]
    assert read.loc["201", "hire_date"].date() == in_days(20)
    assert read.loc["108", "department"] == "Sales"


def test_an_announced_end_is_read(sandbox):
    upsert(sandbox, "EmpEmployment", personIdExternal="108", userId="u108", endDate=in_days(9))

    person = people(company(sandbox)).loc["108"]

    assert (person["last_day"].date(), person["employment_status"]) == (in_days(9), "active")


def test_a_rehire_with_another_user_is_the_same_person(sandbox):
    hire(sandbox, "124", "u124b", in_days(3))

    for frame in (company(sandbox).read(), company(sandbox).read_one("124")):
        person = people_of(frame, rules()).people.set_index("employee_id").loc["124"]
        assert person["hire_date"].date() == in_days(3) and str(person["last_day"]) == "NaT"


@pytest.mark.parametrize(("gap", "ends"), [(1, False), (2, True)], ids=["the next day", "a day between"])
def test_a_transfer_under_a_new_user_is_no_leaver_and_a_gap_is(sandbox, gap, ends):
    upsert(sandbox, "EmpEmployment", personIdExternal="108", userId="u108", endDate=in_days(9))
    hire(sandbox, "108", "u108b", in_days(9 + gap))

    person = people(company(sandbox)).loc["108"]

    assert (person["last_day"].date() == in_days(9)) if ends else (str(person["last_day"]) == "NaT")
    assert str(person["hire_date"].date()) == "2020-01-13"


def test_a_second_job_is_no_move(sandbox):
    hire(sandbox, "108", "u108b", in_days(-5), department="PEO_6")

    assert people(company(sandbox)).loc["108", "department"] == "Sales"


def test_an_id_with_an_apostrophe_asks_for_nobody_else(sandbox):
    app = company(sandbox)

    assert app.read_one("x' or personIdExternal eq '102").empty
    with pytest.raises(Refused, match="Invalid personIdExternal"):
        app.write_work_email("x','102", "t@juniperfinch.example", "tobias.finch@juniperfinch.example")


@pytest.mark.parametrize(
    ("wire", "cell"),
    [
        ("/Date(1456790400000)/", "2016-03-01"),
        ("/Date(1456790400000+0000)/", "2016-03-01T00:00:00+00:00"),
        ("/Date(1456790400000-0480)/", "2016-02-29T16:00:00-08:00"),
        ("/Date(1456794000000)/", "2016-03-01T01:00:00"),
        ("/Date(253402214400000)/", "9999-12-31"),
        ("/Date(-2208988800000)/", "1900-01-01"),
        ("/Date(999999999999999)/", "/Date(999999999999999)/"),
    ],
)
def test_days_and_moments_are_as_the_wire_has_them(wire, cell):
    assert told(wire) == cell


def test_of_one_days_records_the_last_in_sequence_holds(sandbox):
    own = {"location": "LIS_6", "managerId": "u103", "emplStatus": "A", "jobTitle": "Recruiter"}
    for number, department in (("1", "SAL_5"), ("2", "PEO_6")):
        upsert(sandbox, "EmpJob", userId="u108", startDate=in_days(0), seqNumber=number, department=department, **own)

    assert people(company(sandbox)).loc["108", "department"] == "People"


def test_only_the_changed_are_read_again(sandbox):
    app = company(sandbox)
    hire(sandbox, "201", "u201", in_days(20))
    upsert(sandbox, "PerEmail", personIdExternal="109", emailType="8446", emailAddress="j@x.example", isPrimary=False)

    changed = app.changed_since(datetime.now(UTC) - timedelta(days=1))

    assert set(changed["EmpEmployment.personIdExternal"]) == {"201", "109"}


def test_nobody_is_an_empty_frame(sandbox):
    assert company(sandbox).read_one("999").empty


@pytest.mark.parametrize("person", ["102", "O'Neil"])
def test_the_work_email_is_written_once_and_no_other_is_lost(sandbox, person):
    hire(sandbox, person, f"x{person}", in_days(-3))
    upsert(
        sandbox, "PerEmail", personIdExternal=person, emailType="8446", emailAddress="tea@x.example", isPrimary=False
    )
    app = company(sandbox)

    outcomes = [
        app.write_work_email(person, "new@juniperfinch.example", "tobias.finch@juniperfinch.example") for _ in range(2)
    ]

    assert outcomes == [Outcome.DONE, Outcome.ALREADY]
    row = app.read_one(person).iloc[0]
    assert (row["PerEmail.work"], row["PerEmail.private"]) == ("new@juniperfinch.example", "tea@x.example")


def test_a_different_address_is_never_written_over(sandbox):
    with pytest.raises(Refused, match="there is already tobias.finch@juniperfinch.example. Decide which"):
        company(sandbox).write_work_email("102", "t@juniperfinch.example")


def test_a_row_that_is_refused_within_a_200_is_refused(sandbox):
    with pytest.raises(Refused, match="Invalid e-mail address") as error:
        company(sandbox).write_work_email("102", "no-address", "tobias.finch@juniperfinch.example")
    assert error.value.status == 400


def test_a_full_purge_is_a_mismatch(sandbox, monkeypatch):
    upsert(sandbox, "PerEmail", personIdExternal="102", emailType="8446", emailAddress="tea@x.example", isPrimary=False)
    app = company(sandbox)
    once = app.odata.http.json

    def careless(verb, path, **said):
        said["params"] = {**said["params"], **({"purgeType": "full"} if verb == "POST" else {})}
        return once(verb, path, **said)

    monkeypatch.setattr(app.odata.http, "json", careless)
    with pytest.raises(Mismatch):
        app.write_work_email("102", "new@juniperfinch.example", "tobias.finch@juniperfinch.example")


def test_an_unknown_column_is_told(sandbox):
    read = rules()
    read = read.model_copy(update={"fields": read.fields | {"title": "EmpJobs.title"}})
    with pytest.raises(Refused, match="no column EmpJobs.title; known are EmpEmployment"):
        source("successfactors", read, sandbox.environment, ROOT)


def test_an_unknown_property_is_told_in_saps_words(sandbox):
    read = rules()
    read = read.model_copy(update={"fields": read.fields | {"title": "EmpJob.nonsense"}})
    with pytest.raises(Refused, match="Invalid property names: nonsense"):
        source("successfactors", read, sandbox.environment, ROOT).read()
