"""The same small company kept in each HR system gives the same Persons, and from them the same plan."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import pandas as pd
import pytest

from connectors.sandbox import Sandbox, company
from mappings.feed import people_of
from mappings.folder import Rules, read_folder
from mappings.people import EXTRA, person_of
from mappings.plan import Verb
from tests import hr_story
from tests.hr_house import SAMPLE, connected
from tests.hr_story import keyed, plans

ON = date(2026, 11, 2)
ANY_OTHER = {"rest", "sql"}
"""Sources of no vendor: tests/test_hr_any_other.py."""
EVERYBODY = "everybody"
PRIYA = "priya.raman@juniperfinch.example"
CASPAR = "caspar.vogt@juniperfinch.example"


class Differs(NamedTuple):
    """One thing that a system cannot say as the story does, of whom, and why."""

    field: str
    who: str
    says: str
    """'' for nothing."""
    why: str


NO_COUNTRY = "the sample's mapping has no country: the place says it"
BY_DATES = "there is no status beside the dates"
DIFFERENCES: dict[str, tuple[Differs, ...]] = {
    "bamboohr": (),
    "workday": (Differs("termination_type", CASPAR, "Voluntary", "Workday wants a reason of every end"),),
    "workday_report": (Differs("employment_status", EVERYBODY, "", "the sample's report has no such column"),),
    "hibob": (),
    "rippling": (),
    "personio": (
        Differs("country", EVERYBODY, "", NO_COUNTRY),
        Differs("company", EVERYBODY, "Juniper & Finch", "everybody is in a subcompany there"),
    ),
    "gusto": (
        Differs("country", EVERYBODY, "", NO_COUNTRY),
        Differs("employment_status", EVERYBODY, "", BY_DATES),
        Differs("manager_id", PRIYA, "", "contractors have no manager there"),
    ),
    "darwinbox": (),
    "greythr": (Differs("country", EVERYBODY, "", NO_COUNTRY),),
    "keka": (Differs("country", EVERYBODY, "", NO_COUNTRY),),
    "zoho_people": (Differs("country", EVERYBODY, "", NO_COUNTRY),),
    "successfactors": (),
    "csv": (
        Differs("country", EVERYBODY, "", "the sample's file has no such column"),
        Differs("employment_status", EVERYBODY, "", BY_DATES),
    ),
}
SOURCES = sorted({file.stem for file in (SAMPLE / "hr").glob("*.yaml")} - ANY_OTHER)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return read_folder(SAMPLE)


@pytest.fixture(scope="module")
def read(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Every source's people, keyed by work e-mail."""
    file = tmp_path_factory.mktemp("hr") / "people.csv"
    hr_story.write(file, company.population())
    values = sandbox.environment | {"HR_CSV": str(file)}
    return {name: people(values, name) for name in SOURCES}


def people(values: dict[str, str], name: str) -> pd.DataFrame:
    source = connected(values, name)
    feed = people_of(source.read(), source.rules)
    assert feed.held == ()
    return keyed(feed.people)


def differences(name: str) -> tuple[Differs, ...]:
    assert name in DIFFERENCES, f"mappings/sample/hr/{name}.yaml is new: add {name!r} to DIFFERENCES in {__file__}"
    return DIFFERENCES[name]


def told(name: str) -> pd.DataFrame:
    """The story's people as this system says them."""
    found = hr_story.people(ON)
    for each in differences(name):
        mine = pd.Series(True, found.index) if each.who == EVERYBODY else found["employee_id"] == each.who
        found.loc[mine, each.field] = each.says or pd.NA
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_the_persons_are_those_of_the_story(read: dict[str, pd.DataFrame], name: str) -> None:
    found = read[name].drop(columns=[c for c in read[name] if c.startswith(EXTRA)])

    persons, wanted = ([person_of(row) for row in frame.to_dict("records")] for frame in (found, told(name)))

    assert persons == wanted


@pytest.mark.parametrize("name", SOURCES)
def test_the_plan_is_that_of_the_story(read: dict[str, pd.DataFrame], rules: Rules, name: str) -> None:
    wanted = plans(hr_story.people(ON), rules, ON)

    found = plans(read[name], rules, ON)

    assert {key: drawn.model_dump() for key, drawn in found.items()} == {k: p.model_dump() for k, p in wanted.items()}
    assert [drawn.hash for drawn in found.values()] == [drawn.hash for drawn in wanted.values()]


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_people_have_gone_on_any_later_day(read: dict[str, pd.DataFrame], rules: Rules, name: str) -> None:
    last = date.fromisoformat(company.CONTRACT_ENDS)

    before, after = (
        {key for key, drawn in plans(read[name], rules, day).items() if not drawn.steps}
        for day in (last, last.replace(year=2036, month=1, day=1))
    )

    assert (before, after) == ({CASPAR}, {CASPAR, PRIYA})


def test_the_storys_plan_is_a_plan(rules: Rules) -> None:
    """Without it two empty plans would be the same."""
    drawn = plans(hr_story.people(ON), rules, ON)

    assert len(drawn) == 24 and drawn[CASPAR].steps == ()
    assert all(each.steps[0].verb is Verb.CREATE for each in drawn.values() if each.person_id != CASPAR)
    assert {step.id for step in drawn[PRIYA].steps} >= {"sso create account", "sso grant External Partners"}
    beatriz = {step.id for step in drawn["beatriz.conceicao@juniperfinch.example"].steps}
    assert beatriz >= {"sso grant Sales", "crm create account", "crm grant Sales Rep", "desk grant Support"}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_what_differs_is_what_the_story_says_otherwise(name: str) -> None:
    """A difference that is none any more must go from the table."""
    wanted = hr_story.people(ON).set_index("employee_id").astype("string").fillna("")

    for each in DIFFERENCES[name]:
        shown = wanted[each.field] if each.who == EVERYBODY else wanted.loc[[each.who], each.field]
        assert (shown != each.says).all(), each
