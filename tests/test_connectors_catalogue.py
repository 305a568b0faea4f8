"""connectors.catalogue: what an app's YAML needs, and what it says where something is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.catalogue import capabilities, connect, known, secret_variables, variables
from connectors.errors import Refused
from mappings.vocabulary import AppRules

VALUES = {"CRM_URL": "http://crm.example", "CRM_TOKEN": "canary-token"}


def options(**more: Any) -> dict[str, Any]:
    return {
        "url": "${CRM_URL}",
        "auth": {"bearer": "${CRM_TOKEN}"},
        "users": {
            "list": {"path": "/users"},
            "read": "/users/{id}",
            "create": {"verb": "POST", "path": "/users"},
            "update": {"verb": "PATCH", "path": "/users/{id}"},
        },
        **more,
    }


def rules(connector: str = "rest", **given: Any) -> AppRules:
    words = {"title": "CRM", "tier": "app", "owner": "ops", "key": "email", "attributes": {"email": "{work_email}"}}
    return AppRules.model_validate(words | {"connector": connector, "options": given or options()})


def complaint(rules: AppRules, values: dict[str, str] = VALUES) -> str:
    with pytest.raises(Refused) as caught:
        connect("crm", rules, values)
    assert "canary" not in str(caught.value) + repr(caught.value.__cause__)
    return str(caught.value)


def test_lists_the_variables_an_app_needs_and_which_are_secret() -> None:
    assert variables(rules()) == ["CRM_URL", "CRM_TOKEN"]
    assert secret_variables(rules()) == ["CRM_TOKEN"]


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_variable_without_a_value_is_named_with_its_file(value: str | None) -> None:
    values = VALUES | {"CRM_TOKEN": value} if value is not None else {"CRM_URL": "http://crm.example"}

    assert complaint(rules(), values).startswith("crm: apps/crm.yaml: CRM_TOKEN has no value. Set it in")


def test_a_misspelt_word_is_told_with_the_known_ones() -> None:
    users = options()["users"] | {"itm": "data"}

    said = complaint(rules(**options(users=users)))

    assert "apps/crm.yaml: unknown word 'itm' under options.users; known words are list, find, " in said
    assert "did you mean 'item'?" in said


def test_every_mistake_is_told_at_once() -> None:
    users = {k: v for k, v in options()["users"].items() if k != "list"}
    said = complaint(rules(**options(users=users, auth={"baerer": "${CRM_TOKEN}"}, pages={"page": {"per": 0}})))

    assert "the word 'list' is missing under options.users" in said
    assert "unknown word 'baerer' under options.auth" in said and "did you mean 'bearer'?" in said
    assert "options.pages.page.per: Input should be greater than 0" in said


def test_a_wrong_value_is_told_without_showing_it() -> None:
    assert "options.auth" in complaint(rules(**options(auth="${CRM_TOKEN}")))


def test_an_unknown_connector_is_told_with_those_there_are() -> None:
    said = complaint(rules("reist"))

    assert "unknown connector 'reist'; known words are" in said and "did you mean 'rest'?" in said
    assert {"rest", "scim", "manual"} <= set(known())


@pytest.mark.parametrize("name", ["base", "http", "../x", "hr", "sandbox"])
def test_not_every_module_is_a_connector(name: str) -> None:
    assert "unknown connector" in complaint(rules(name))


def test_a_token_that_no_header_can_carry_is_told_before_it_is_sent() -> None:
    values = VALUES | {"CRM_TOKEN": "canary\ntoken"}

    assert "the value of CRM_TOKEN has characters that no token has" in complaint(rules(), values)


def test_a_line_end_after_a_token_does_no_harm() -> None:
    app: Any = connect("crm", rules(), VALUES | {"CRM_TOKEN": "canary-token\n"})

    assert app.http.client.headers["Authorization"] == "Bearer canary-token"


def test_capabilities_are_what_the_yaml_declares() -> None:
    bare = capabilities(connect("crm", rules(), VALUES))
    ends = {"verb": "DELETE", "path": "/users/{id}/sessions"}
    more = capabilities(connect("crm", rules(**options(sessions=ends, active={"field": "active"})), VALUES))

    assert bare == {"check", "accounts", "find", "read", "create", "update"}
    assert more - bare == {"enable", "disable", "end_sessions"}
