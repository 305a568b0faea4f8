"""hr/*.yaml to a source: the file being there is the registration; mistakes are named."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.errors import Refused
from connectors.hr.base import NotBelieved, Source, WriteBack
from connectors.hr.catalogue import known, source
from mappings.vocabulary import HrSource

FIELDS = {"employee_id": "id", "given_name": "firstName", "family_name": "lastName", "hire_date": "hireDate"}
BAMBOO = {"url": "${BAMBOOHR_URL}", "api_key": "${BAMBOOHR_API_KEY}"}
VALUES = {"BAMBOOHR_URL": "https://mill.bamboohr.example", "BAMBOOHR_API_KEY": "quite-secret"}


def build(folder: Path, connector: str, options: dict[str, object], values: dict[str, str] = VALUES) -> Source:
    rules = HrSource.model_validate({"connector": connector, "fields": FIELDS, "options": options})
    return source("people", rules, values, folder)


def told(folder: Path, connector: str, options: dict[str, object], values: dict[str, str] = VALUES) -> str:
    with pytest.raises(Refused) as error:
        build(folder, connector, options, values)
    return str(error.value)


def test_the_files_are_the_list():
    assert {"bamboohr", "csv"} <= set(known())
    assert not {"base", "catalogue", "encoding"} & set(known())


def test_sources_keep_the_contract(tmp_path):
    bamboo, csv = build(tmp_path, "bamboohr", BAMBOO), build(tmp_path, "csv", {"path": "x.csv"})

    assert isinstance(bamboo, Source) and isinstance(bamboo, WriteBack)
    assert isinstance(csv, Source) and not isinstance(csv, WriteBack)


def test_an_unknown_connector_is_told_with_the_known_ones(tmp_path):
    (tmp_path / "hr").mkdir()
    (tmp_path / "hr" / "people.yaml").write_text("# who\nconnector: bambohr\n")

    assert told(tmp_path, "bambohr", {}) == (
        "people: hr/people.yaml:2: unknown connector 'bambohr';"
        f" known words are {', '.join(known())}; did you mean 'bamboohr'?."
    )


def test_an_unknown_option_is_told_with_the_known_ones(tmp_path):
    message = told(tmp_path, "csv", {"path": "x", "delimeter": ";"})

    assert message == (
        "people: hr/people.yaml: unknown word 'delimeter' under options;"
        " known words are path, remote, sheet, delimiter, encoding, quote, last_line; did you mean 'delimiter'?."
    )


def test_a_missing_option_is_told(tmp_path):
    assert told(tmp_path, "csv", {}) == "people: hr/people.yaml: the word 'path' is missing under options."


def test_a_variable_that_is_not_set_is_told(tmp_path):
    message = told(tmp_path, "bamboohr", BAMBOO, {"BAMBOOHR_URL": "x", "BAMBOOHR_API_KEY": ""})

    assert message == ("people: hr/people.yaml: BAMBOOHR_API_KEY has no value. Set it in the environment or in .env.")


def test_bamboohr_people_are_known_by_id_only(tmp_path):
    rules = HrSource.model_validate(
        {"connector": "bamboohr", "fields": FIELDS | {"employee_id": "employeeNumber"}, "options": BAMBOO}
    )
    with pytest.raises(Refused, match="must be 'id'"):
        source("people", rules, VALUES, tmp_path)


def test_a_key_of_the_wrong_kind_is_not_shown(tmp_path):
    message = told(tmp_path, "bamboohr", BAMBOO | {"page_size": 5000, "api_key": ["quite-secret"]})

    assert "quite-secret" not in message and "options.page_size" in message


def test_a_path_may_be_absolute_relative_or_a_variable(tmp_path):
    (tmp_path / "x.csv").write_text("id,firstName,lastName,hireDate\n1,A,B,2024-01-01\n")

    for path in ("x.csv", str(tmp_path / "x.csv"), "${WHERE}/x.csv"):
        found = build(tmp_path, "csv", {"path": path}, {"WHERE": str(tmp_path)})
        assert found.read()["id"].tolist() == ["1"]


def test_a_word_that_may_be_left_out_needs_no_value(tmp_path):
    found = build(tmp_path, "bamboohr", BAMBOO | {"webhook_key": "${HOOK_KEY}"})

    with pytest.raises(NotBelieved, match="no secret is set"):
        found.verify_webhook(
            {"x-bamboohr-timestamp": "1767225600", "x-bamboohr-signature": "00"}, b"{}", datetime.now(UTC)
        )


def test_a_word_that_is_needed_is_missed(tmp_path):
    assert "OTHER_KEY has no value" in told(tmp_path, "bamboohr", BAMBOO | {"api_key": "${OTHER_KEY}"})
