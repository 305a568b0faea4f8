"""Work addresses: nobody else's, the same for nobody, written to HR over nothing that people put there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from desks import DOMAIN, Hr, a_site, carry_out, keep_snapshot, quick_sandbox, with_company

from connectors.errors import Refused
from connectors.sandbox import Sandbox
from flows.addresses import Taken, make, work_address
from flows.case import look
from flows.record import emails
from flows.site import Site
from flows.steps import apply
from mappings.people import Person

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with quick_sandbox() as running:
        yield running


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Iterator[Site]:
    sandbox.reset()
    site = a_site(sandbox, tmp_path)
    yield site
    site.db.close()


@pytest.fixture
def hr(sandbox: Sandbox) -> Iterator[Hr]:
    hr = Hr(sandbox)
    yield hr
    hr.close()


def someone(id: str = "900", given: str = "Ana", family: str = "Moreau", **words: str) -> Person:
    return Person.model_validate({"employee_id": id, "given_name": given, "family_name": family} | words)


def new_address(site: Site, person: Person) -> str:
    return make(site, person, reserve=True).partition("@")[0]


def in_hr(site: Site, person_id: str) -> str:
    return str(site.hr.read_one(person_id)["workEmail"].iloc[0])


def sso_user(site: Site, address: str, **fields: str) -> str:
    attributes = {"userName": address, "name.givenName": "A", "name.familyName": "M"} | fields
    return site.app("sso").create(attributes)[1]


# whose an address is


def test_an_address_that_a_leaver_had_in_HR_is_taken(site):
    keep_snapshot(site)

    assert new_address(site, someone(given="Caspar", family="Vogt")) == "caspar.vogt2"  # 124 left in 2024


def test_an_address_at_the_SSO_is_taken_also_if_it_is_no_key_or_not_in_use(site):
    sso_user(site, f"Ana.Moreau@{DOMAIN}")
    sso_user(site, f"am@{DOMAIN}", **{"emails.work": f"ana.moreau2@{DOMAIN}"})
    site.app("sso").disable(sso_user(site, f"ana.moreau3@{DOMAIN}"))

    assert new_address(site, someone()) == "ana.moreau4"


def test_a_former_address_of_somebody_stays_theirs(site):
    emails.reserve(site.db, f"Ana.Moreau@{DOMAIN}", "77")

    assert new_address(site, someone()) == "ana.moreau2"


def test_reserved_names_are_nobodys(site):
    site.rules = with_company(site.rules, email={"domain": DOMAIN, "pattern": ["{given_name}"], "reserved": ["ana"]})

    assert new_address(site, someone()) == "ana2"


def test_joiners_at_the_same_moment_get_different_addresses(site):
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: make(site, someone(str(n)), reserve=True), range(24)))

    assert len(set(found)) == 24
    assert {emails.of_person(site.db, str(n))[0] for n in range(24)} == set(found)


PROCESS = """
import sys
from pathlib import Path
from desks import a_site
from connectors.sandbox import Sandbox
from flows.addresses import make
from mappings.people import Person
sandbox = Sandbox(port=int(sys.argv[1]))
site = a_site(sandbox, Path(sys.argv[2]))
for n in range(5):
    person = Person(employee_id=f"{sys.argv[3]}-{n}", given_name="Ana", family_name="Moreau")
    print(make(site, person, reserve=True))
"""


def test_processes_at_the_same_moment_give_different_addresses(site, sandbox, tmp_path):
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r})\n{PROCESS}", str(sandbox.port)]
    running = [subprocess.Popen([*command, str(tmp_path), str(n)], stdout=subprocess.PIPE, text=True) for n in range(3)]

    found = [line for process in running for line in process.communicate()[0].split()]

    assert [p.returncode for p in running] == [0, 0, 0]
    assert len(found) == 15 and len(set(found)) == 15


def test_who_asks_twice_gets_the_same(site, hr):
    one = hr.hire("Ana", "Moreau")

    addresses = {look(site, one, NOW, reserve=True).values["work_email"] for _ in range(2)}

    assert addresses == {f"ana.moreau@{DOMAIN}"}


def test_looking_reserves_nothing(site, hr):
    one = hr.hire("Ana", "Moreau")

    look(site, one, NOW)

    assert emails.of_person(site.db, one) == []


# what HR is told


def test_HR_is_told_and_an_address_it_has_is_left_to_it(site, hr):
    one, two = hr.hire("Ana", "Moreau"), hr.hire("Bo", "E", workEmail=f"boss@{DOMAIN}")

    for person in (one, two):
        carry_out(site, person, NOW)

    assert in_hr(site, one) == f"ana.moreau@{DOMAIN}"
    assert in_hr(site, two) == f"boss@{DOMAIN}"


def test_an_address_that_people_give_in_HR_meanwhile_is_not_written_over_and_wins(site, hr):
    one = hr.hire("Ana", "Moreau")
    case = look(site, one, NOW, reserve=True)
    hr.edit(one, workEmail=f"a.moreau@{DOMAIN}")

    from flows.record import history

    body = case.plan.model_dump(mode="json")
    history.open_plan(site.db, case.plan.hash, one, case.user_name, case.kind, case.on, "run", body)
    with pytest.raises(Refused, match=f"there is already a.moreau@{DOMAIN}.*or ana.moreau@{DOMAIN}"):
        apply(case, case.plan.steps[0], "run")

    assert look(site, one, NOW, reserve=True).values["work_email"] == f"a.moreau@{DOMAIN}"
    assert in_hr(site, one) == f"a.moreau@{DOMAIN}"
    assert f"ana.moreau@{DOMAIN}" in Taken(site)  # ours stays reserved


# another name


def renaming(site: Site, hr: Hr, **words: object) -> str:
    """Ana, who has what Rollcall made, in a company that gives new addresses; then she marries."""
    attributes = site.rules.apps["sso"].attributes | {"emails.home": "{former_email}"}
    sso = site.rules.apps["sso"].model_copy(update={"attributes": attributes})
    site.rules = with_company(site.rules, email={"domain": DOMAIN, "on_name_change": "new_address"} | words)
    site.rules = site.rules.__class__(**(vars(site.rules) | {"apps": site.rules.apps | {"sso": sso}}))
    one = hr.hire("Ana", "Moreau")
    carry_out(site, one, NOW)
    look(site, one, NOW, reserve=True)
    hr.edit(one, lastName="Weber")
    return one


def test_a_new_name_gets_a_new_address_and_the_old_one_stays_an_alias(site, hr, sandbox):
    one = renaming(site, hr)

    case = carry_out(site, one, NOW, run="second")

    assert in_hr(site, one) == f"ana.weber@{DOMAIN}"
    assert case.plan.steps[0].why == "the name changed"
    user = next(u for u in sandbox.control("sso").state()["users"] if u["externalId"] == one)
    assert user["userName"] == f"ana.weber@{DOMAIN}"
    assert {m["value"] for m in user["emails"]} == {f"ana.weber@{DOMAIN}", f"ana.moreau@{DOMAIN}"}
    assert emails.of_person(site.db, one) == [f"ana.weber@{DOMAIN}", f"ana.moreau@{DOMAIN}"]
    assert not look(site, one, NOW, reserve=True).plan.steps


def test_a_run_cut_off_before_HR_was_told_goes_on_with_the_same_address(site, hr):
    one = renaming(site, hr)
    first = look(site, one, NOW, reserve=True)

    again = look(site, one, NOW, reserve=True)

    assert first.values["work_email"] == again.values["work_email"] == f"ana.weber@{DOMAIN}"
    assert [s.verb for s in again.plan.steps][0] == "assign e-mail"


def test_by_default_the_address_stays(site, hr):
    one = hr.hire("Ana", "Moreau")
    carry_out(site, one, NOW)
    hr.edit(one, lastName="Weber")

    case = look(site, one, NOW, reserve=True)

    assert case.values["work_email"] == f"ana.moreau@{DOMAIN}"


def test_a_name_back_again_gets_the_first_address_back(site, hr):
    one = renaming(site, hr)
    carry_out(site, one, NOW, run="second")
    look(site, one, NOW, reserve=True)
    hr.edit(one, lastName="Moreau")

    carry_out(site, one, NOW, run="third")

    assert in_hr(site, one) == f"ana.moreau@{DOMAIN}"


def test_an_address_that_people_set_in_HR_is_not_replaced_on_a_new_name(site, hr):
    site.rules = with_company(site.rules, email={"domain": DOMAIN, "on_name_change": "new_address"})
    one = hr.hire("Ana", "Moreau", workEmail=f"ana.moreau@{DOMAIN}")
    carry_out(site, one, NOW)
    hr.edit(one, lastName="Weber")

    assert look(site, one, NOW, reserve=True).values["work_email"] == f"ana.moreau@{DOMAIN}"


def test_the_old_address_set_back_by_people_wins(site, hr):
    one = renaming(site, hr)
    carry_out(site, one, NOW, run="second")
    hr.edit(one, workEmail=f"ana.moreau@{DOMAIN}")

    case = look(site, one, NOW, reserve=True)

    assert case.values["work_email"] == f"ana.moreau@{DOMAIN}"
    assert "assign e-mail" not in {s.verb for s in case.plan.steps}


def test_another_spelling_of_the_same_name_changes_nothing(site, hr):
    one = renaming(site, hr)
    hr.edit(one, lastName="Moréau")

    assert look(site, one, NOW, reserve=True).values["work_email"] == f"ana.moreau@{DOMAIN}"


@pytest.mark.parametrize(("policy", "name"), [("stays", "ana.moreau"), ("follows_address", "ana.weber")])
def test_the_user_name_stays_or_follows(site, hr, policy, name):
    one = renaming(site, hr, user_name=policy)

    assert look(site, one, NOW, reserve=True).values["user_name"] == name


def test_a_leaver_gets_no_new_address(site, hr):
    one = renaming(site, hr)

    assert work_address(site, someone(one, work_email=f"ana.moreau@{DOMAIN}"), True, True) == (
        f"ana.moreau@{DOMAIN}",
        False,
    )
