"""A mappings folder with mistakes: file, line, word, the known words, and all mistakes at once."""

import os
from pathlib import Path

import pytest

import mappings
from mappings.folder import Rules, RulesError, read_folder

FILES = {
    "company.yaml": """\
# Larkspur
name: Larkspur
hr: export
time_zone: Europe/Berlin
locations:
  Berlin: {time_zone: Europe/Berlin}
  Lisbon:
    time_zone: Europe/Lisbon
    start_of_day: "09:00"
email:
  domain: larkspur.example
  pattern: "{given_name}.{family_name}"
worker_types: [employee, contractor]
""",
    "hr/export.yaml": """\
connector: csv
fields:
  employee_id: No
  given_name: First
  family_name: Last
  hire_date: Start
  last_day: End
  employment_status: Status
values:
  employment_status:
    Working: active
    Gone: terminated
defaults:
  worker_type: employee
""",
    "apps/sso.yaml": """\
title: Keyring
tier: sso
connector: scim
owner: it@larkspur.example
attributes:
  userName: "{work_email}"
  title: "{title}"
""",
    "apps/crm.yaml": """\
# the crm, which needs the desk
title: Ledger
tier: app
connector: rest
owner: sales@larkspur.example
key: email
needs: [desk]
attributes:
  email: "{work_email}"
entitlements: [Rep, Manager]
instructions:
  disable: "Tell {manager_email} about {entitlement}."
""",
    "apps/desk.yaml": """\
title: Desk
tier: app
connector: rest
owner: desk@larkspur.example
key: login
attributes: {login: "{work_email}"}
limits: {requests: 10, per: second}
""",
    "playbooks/everyone.yaml": """\
title: Everyone
give: [sso, "sso:{department}"]
""",
    "playbooks/sales.yaml": """\
title: Sales # crm and desk
who:
  department: Sales
  location: [Berlin, Lisbon]
unless: {worker_type: contractor}
give:
  - crm:Rep
  - desk
""",
}
PERSON = (
    "employee_id, given_name, family_name, preferred_name, work_email, personal_email, department, title, location, "
    "country, time_zone, manager_id, worker_type, employment_status, termination_type, cost_center, company"
)
COLUMNS = f"{PERSON}, hire_date, last_day"
DERIVED = "display_name, user_name, manager_email, former_email"


def write(folder: Path, **changes: tuple[str, str]) -> Path:
    """The folder above; each change is a file's stem with what to replace, and by what."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if change := changes.get(path.stem):
            assert text.count(change[0]) >= 1, f"{change[0]!r} does not stand in {name}"
            text = text.replace(*change, 1)
        path.write_text(text, encoding="utf-8")
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(RulesError) as caught:
        read_folder(folder)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_a_folder_without_mistakes_is_read(tmp_path):
    rules = read_folder(write(tmp_path))

    assert list(rules.apps) == ["crm", "desk", "sso"]
    assert rules.needs == {"crm": ("sso", "desk"), "desk": ("sso",), "sso": ()}
    assert rules.playbooks["sales"].who == {"department": ("Sales",), "location": ("Berlin", "Lisbon")}
    assert rules.hr.fields["last_day"] == "End"


GOLDEN = [
    # a word that is not known, at the top and deeper down
    ({"company": ("time_zone", "timezone")}, "company.yaml:4: unknown word 'timezone'; known words are name, hr, "
     "time_zone, locations, email, worker_types, prehire_days, trust, blast_radius, contractors, "
     "correlation; did you mean 'time_zone'?"),
    ({"company": ("  pattern", "  patern")}, "company.yaml:12: unknown word 'patern'; known words are domain, pattern, "
     "reserved, on_name_change, user_name; did you mean 'pattern'?"),
    ({"company": ("    start_of_day", "    start_of")}, "company.yaml:9: unknown word 'start_of'; known words are "
     "time_zone, country, start_of_day, cut_off, "
     "calendar; did you mean 'start_of_day'?"),
    ({"desk": ("per: second", "pre: second")}, "apps/desk.yaml:7: unknown word 'pre'; known words are requests, per, "
     "burst, calls; "
     "did you mean 'per'?"),
    ({"sales": ("unless", "except")}, "playbooks/sales.yaml:5: unknown word 'except'; known words are title, who, "
     "unless, give, grace_days, approver"),
    # a word that is missing
    ({"sales": ("title: Sales", "# title: Sales")}, "playbooks/sales.yaml:1: the word 'title' is missing"),
    ({"company": ("  domain: larkspur.example\n", "")}, "company.yaml:10: the word 'email.domain' is missing"),
    ({"export": ("  hire_date: Start\n", "")}, "hr/export.yaml:2: fields: lacks hire_date"),
    # a name that another file must define
    ({"sales": ("- desk", "- dsek")}, "playbooks/sales.yaml:8: give: unknown app 'dsek'; known words are crm, desk, "
     "sso; did you mean 'desk'?"),
    ({"crm": ("[desk]", "[dekc]")}, "apps/crm.yaml:7: needs: unknown app 'dekc'; known words are crm, desk, sso; "
     "did you mean 'desk'?"),
    ({"sales": ("crm:Rep", "crm:Repp")}, "playbooks/sales.yaml:7: give: crm has no entitlement 'Repp'; known words "
     "are Rep, Manager; did you mean 'Rep'?"),
    ({"company": ("hr: export", "hr: exprot")}, "company.yaml:3: hr: no file hr/exprot.yaml; known words are export; "
     "did you mean 'export'?"),
    ({"sales": ("worker_type: contractor", "worker_type: [employee, contracter]")}, "playbooks/sales.yaml:5: unless: "
     "unknown worker_type 'contracter'; known words are employee, contractor; did you mean 'contractor'?"),
    ({"sales": ("Berlin, Lisbon", "Berlin, Lisboa")}, "playbooks/sales.yaml:4: who: unknown location 'Lisboa'; known "
     "words are Berlin, Lisbon; did you mean 'Lisbon'?"),
    # an attribute that nobody has
    ({"sales": ("department: Sales", "departmnet: Sales")}, "playbooks/sales.yaml:3: who.departmnet: unknown attribute "
     f"'departmnet'; known words are {PERSON}, extra.<name>; did you mean 'department'?"),
    ({"sales": ("department: Sales", "hire_date: today")}, "playbooks/sales.yaml:3: who.hire_date: unknown attribute "
     f"'hire_date'; known words are {PERSON}, extra.<name>"),
    ({"everyone": ("{department}", "{departmnet}")}, "playbooks/everyone.yaml:2: give.1: unknown attribute "
     f"{{departmnet}}; known words are {COLUMNS}, extra.<name>; did you mean 'department'?"),
    ({"everyone": ("{department}", "{user_name}")}, "playbooks/everyone.yaml:2: give.1: unknown attribute "
     f"{{user_name}}; known words are {COLUMNS}, extra.<name>; did you mean 'given_name'?"),
    ({"everyone": ("{department}", "{department")}, "playbooks/everyone.yaml:2: give.1: a brace stands alone; "
     "a place is written {attribute}"),
    ({"sso": ("{title}", "{titel}")}, "apps/sso.yaml:7: attributes.title: unknown attribute {titel}; known words are "
     f"{COLUMNS}, {DERIVED}, extra.<name>; did you mean 'title'?"),
    ({"company": ("{family_name}", "{familyname}")},
     "company.yaml:12: email.pattern: unknown attribute {familyname}; known "
     f"words are {COLUMNS}, extra.<name>; did you mean 'family_name'?"),
    ({"export": ("  last_day: End", "  lastday: End")}, "hr/export.yaml:7: fields.lastday: unknown attribute "
     f"'lastday'; known words are {COLUMNS}, extra.<name>; did you mean 'last_day'?"),
    ({"export": ("  worker_type:", "  workertype:")}, "hr/export.yaml:14: defaults.workertype: unknown attribute "
     f"'workertype'; known words are {COLUMNS}, extra.<name>; did you mean 'worker_type'?"),
    ({"crm": ("{entitlement}", "{entitlment}")}, "apps/crm.yaml:12: instructions.disable: unknown attribute "
     f"{{entitlment}}; known words are {COLUMNS}, {DERIVED}, email, entitlement, id, title, attributes; "
     "did you mean 'entitlement'?"),
    # a word out of a short list
    ({"crm": ("  disable", "  disabel")}, "apps/crm.yaml:12: instructions.disabel: unknown verb 'disabel'; known words "
     "are create, enable, update, grant, revoke, disable, end_sessions, "
     "revoke_tokens, hand_over, delete; did you mean 'disable'?"),
    ({"export": ("Gone: terminated", "Gone: terminatd")}, "hr/export.yaml:12: values.employment_status.Gone: unknown "
     "status 'terminatd'; known words are active, leave, terminated; did you mean 'terminated'?"),
    ({"desk": ("tier: app", "tier: apps")},
     "apps/desk.yaml:2: tier: unknown word 'apps'; known words are 'sso', 'idp' or "
     "'app'"),
    ({"desk": ("per: second", "per: week")},
     "apps/desk.yaml:7: limits.0: unknown word 'week'; known words are 'second', "
     "'minute' or 'hour'"),
    # time zones
    ({"company": ("time_zone: Europe/Berlin\nlo", "time_zone: Berlin\nlo")}, "company.yaml:4: time_zone: unknown time "
     "zone 'Berlin'; use an IANA name like Europe/Berlin"),
    ({"company": ("Europe/Lisbon", "Europe/Lisboa")}, "company.yaml:8: locations.Lisbon.time_zone: unknown time zone "
     "'Europe/Lisboa'; use an IANA name like Europe/Berlin"),
    # values of the wrong kind
    ({"sales": ("department: Sales", "department: 7")},
     "playbooks/sales.yaml:3: who.department: text is needed (found 7; "
     "write it in quotes)"),
    ({"sales": ("give:\n  - crm:Rep\n  - desk", "give: crm")}, "playbooks/sales.yaml:6: give: a list is needed, like "
     "[one, two] (found 'crm')"),
    ({"company": ('"09:00"', '"9 am"')},
     "company.yaml:9: locations.Lisbon.start_of_day: a time is needed, like \"08:30\" "
     "(found '9 am')"),
    ({"desk": ("key: login", "key: email")}, "apps/desk.yaml:5: key 'email' is not one of attributes: login"),
    ({"desk": ("requests: 10", "requests: 0")}, "apps/desk.yaml:7: limits.0: Input should be greater than 0 "
     "(found 0)"),
    ({"sales": ("department: Sales\n  location: [Berlin, Lisbon]", "- Sales")},
     "playbooks/sales.yaml:2: who: words with "
     "values are needed, like {word: value}"),
    # no YAML
    ({"sales": ("who:\n", "who: [\n")}, "playbooks/sales.yaml:4: not YAML: expected ',' or ']', but got ':'"),
    ({"desk": ("tier: app", "title: app")}, 'apps/desk.yaml:2: not YAML: found duplicate key "title" with value "app" '
     '(original value: "Desk")'),
    ({"desk": ("tier: app", "\ttier: app")}, "apps/desk.yaml:2: not YAML: found character '\\t' that cannot start any "
     "token"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), GOLDEN, ids=[m.partition(";")[0][:60] for _, m in GOLDEN])
def test_a_mistake_is_told_with_file_line_word_and_the_known_words(tmp_path, change, message):
    assert problems(write(tmp_path, **change)) == [message]


def test_all_mistakes_are_told_at_once_in_the_order_of_files_and_lines(tmp_path):
    folder = write(tmp_path, company=("time_zone: Europe/Berlin\nlo", "time_zone: Berlin\nlo"), desk=("title", "titel"))
    longer = "title: Sales\nwho: {department: 7}\n" + "\n" * 10 + "give: [dsek, crm:Repp, nix]\nunles: {}\n"
    (folder / "playbooks" / "sales.yaml").write_text(longer)
    (folder / "playbooks" / "more.yaml").write_text("title: More\n\n\n\n\n\n\ngive:\n- crn\n- sso\n- crm:Reps\n")

    found = [problem.split(": ")[0] for problem in problems(folder)]

    assert found == [
        "apps/desk.yaml:1",
        "apps/desk.yaml:1",
        "company.yaml:4",
        "playbooks/more.yaml:9",
        "playbooks/more.yaml:11",
        "playbooks/sales.yaml:2",
        "playbooks/sales.yaml:14",
    ]


def test_a_broken_file_is_not_also_called_missing(tmp_path):
    folder = write(tmp_path, desk=("title", "titel"), export=("connector", "conector"))

    assert [p.split(":")[0] for p in problems(folder)] == ["apps/desk.yaml"] * 2 + ["hr/export.yaml"] * 2


@pytest.mark.parametrize(
    ("crm", "desk", "message"),
    [
        ("[desk]", "needs: [crm]", "apps/{}.yaml:{}: needs: a circle: {} (every app also needs those of an earlier"),
        ("[crm]", "", "apps/crm.yaml:7: needs: a circle: crm needs crm (every app also needs those of an earlier"),
    ],
)
def test_needs_in_a_circle(tmp_path, crm, desk, message):
    folder = write(tmp_path, crm=("[desk]", crm), desk=("limits", f"{desk}\nlimits" if desk else "limits"))

    [found] = problems(folder)

    told = {
        message.format("crm", 7, "crm needs desk needs crm"),
        message.format("desk", 7, "desk needs crm needs desk"),
    }
    assert found.removesuffix(" tier); take one out") in told


def test_an_sso_that_needs_an_app_is_a_circle_too(tmp_path):
    [found] = problems(write(tmp_path, sso=("owner", "needs: [desk]\nowner")))

    assert found.startswith("apps/sso.yaml:4: needs: a circle: ")
    assert "sso needs desk" in found and "desk needs sso" in found


def test_a_folder_that_is_not_there(tmp_path):
    [found] = problems(tmp_path / "nowhere")

    place = tmp_path / "nowhere"
    assert found == f"company.yaml: no such file in {place}; `rollcall init` makes a folder to start from"


def test_a_file_that_is_not_utf8(tmp_path):
    path = write(tmp_path) / "playbooks" / "sales.yaml"
    path.write_bytes("title: Müller\n# Größe\n".encode() + "# Größe\n".encode("latin-1"))

    [found] = problems(tmp_path)

    assert found == "playbooks/sales.yaml:3: not UTF-8 text (byte 29); save it as UTF-8"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "playbooks/sales.yaml:1: the file is empty; it needs the words title, give"),
        ("# later\n", "playbooks/sales.yaml:1: the file is empty; it needs the words title, give"),
        ("- sso\n", "playbooks/sales.yaml:1: not a mapping of words to values; it needs the words title, give"),
        ("sso\n", "playbooks/sales.yaml:1: not a mapping of words to values; it needs the words title, give"),
    ],
)
def test_a_file_with_nothing_in_it(tmp_path, text, message):
    (write(tmp_path) / "playbooks" / "sales.yaml").write_text(text)

    assert problems(tmp_path) == [message]


def test_a_file_with_another_ending_is_not_passed_over(tmp_path):
    path = write(tmp_path) / "playbooks" / "sales.yaml"
    path.rename(path.with_suffix(".yml"))

    assert problems(tmp_path) == ["playbooks/sales.yml: the ending is .yaml; rename it"]


def test_a_folder_in_the_place_of_a_file(tmp_path):
    (write(tmp_path) / "apps" / "old.yaml").mkdir()

    assert problems(tmp_path) == ["apps/old.yaml: cannot be read: Is a directory"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    (write(tmp_path) / "apps" / "desk.yaml").chmod(0)

    assert "apps/desk.yaml: cannot be read: Permission denied" in problems(tmp_path)


def test_the_hash_changes_with_every_byte_of_every_file(tmp_path):
    found = {read_folder(write(tmp_path)).hash}
    for name in FILES:
        path = write(tmp_path) / name
        path.write_text(path.read_text() + "#")
        found.add(read_folder(tmp_path).hash)

    assert len(found) == len(FILES) + 1
    assert read_folder(write(tmp_path)).hash in found


def sample() -> Rules:
    return read_folder(Path(mappings.__path__[0]) / "sample")


def test_the_packaged_sample_company_has_no_mistakes():
    assert sample().apps and sample().playbooks


def test_every_app_and_entitlement_of_the_sample_is_given_by_some_playbook():
    given = {word.partition(":")[0] for book in sample().playbooks.values() for word in book.give}

    assert given == set(sample().apps)
