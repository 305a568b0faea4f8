"""Zoho People's tokens, thresholds and long lists."""

import json
import logging
from typing import Any

import httpx
import pytest

from connectors.errors import Refused, Retryable
from connectors.hr.renewal import FILE
from tests.hr_house import at_first
from tests.zoho_house import asked, joiner, made


@pytest.fixture
def twin(sandbox: Any) -> Any:
    return at_first(sandbox, "zoho_people")


@pytest.fixture
def zoho(sandbox: Any, twin: Any) -> Any:
    return made(sandbox)


@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_token_that_has_ended_is_renewed_whatever_status_says_so(zoho, twin, status):
    zoho.check()
    twin.options(outworn=True, unsigned=status)

    assert len(zoho.read()) == 24
    assert asked(twin, "token") == [200, 200]


def test_all_processes_share_one_token(sandbox, twin, tmp_path):
    for _ in range(12):
        assert made(sandbox, keep=tmp_path).check()

    assert asked(twin, "token") == [200]


def test_too_many_tokens_are_waited_for_by_whoever_runs_this(sandbox, twin):
    for _ in range(10):
        made(sandbox).check()

    with pytest.raises(Retryable, match="made too many requests continuously") as caught:
        made(sandbox).check()
    assert caught.value.after == 600
    assert asked(twin, "token") == [200] * 10 + [400]


@pytest.mark.parametrize(
    ("option", "says"),
    [("refresh_token", "not taken any more.*invalid_code.*Make another"), ("client_secret", "Check")],
)
def test_wrong_credentials_are_told_in_200_and_tried_once(sandbox, twin, option, says):
    zoho = made(sandbox, **{option: "wrong"})

    for _ in range(2):
        with pytest.raises(Refused, match=says):
            zoho.read()
    assert asked(twin, "token") == [200]


def test_an_endpoint_that_is_locked_is_not_asked_again(zoho, twin):
    twin.faults([{"kind": "429-no-retry-after", "match": "getRecords"}])

    with pytest.raises(Retryable) as caught:
        zoho.read()
    assert caught.value.after == 300
    assert asked(twin, "getRecords") == [429]


def test_no_token_is_in_a_log_or_a_message(sandbox, twin, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    zoho = made(sandbox, keep=tmp_path)
    zoho.read()
    kept = json.loads((tmp_path / FILE).read_text())
    with pytest.raises(Refused) as caught:
        made(sandbox, refresh_token="1000.wrong-but-secret").read()

    said = f"{caplog.text} {caught.value}"
    assert "oauth/v2/token" in said and kept["access"].startswith("1000.")
    assert not [each for each in (kept["access"], kept["refresh"], "1000.wrong-but-secret") if each in said]


# long lists


def on_page(zoho: Any, start: int, do: Any) -> None:
    """Do something once, when the page that starts there has been answered."""

    def look(response: httpx.Response) -> None:
        if response.request.url.params.get("sIndex") == str(start):
            zoho.http.client.event_hooks["response"].remove(look)
            do()

    zoho.http.client.event_hooks["response"].append(look)
    zoho.http.sleep = lambda _: None


def test_somebody_who_comes_while_a_long_list_is_read_is_in_it(sandbox, twin):
    zoho, other = made(sandbox, page_size=4), made(sandbox)
    on_page(zoho, 1, lambda: joiner(other))

    assert zoho.read()["recordId"].nunique() == 25


def test_who_is_changed_while_a_long_list_is_read_is_as_changed(sandbox, twin):
    zoho = made(sandbox, page_size=4)
    newest = zoho.read()["recordId"].iloc[0]
    page = f"{sandbox.environment['ZOHO_PEOPLE_URL']}/settings/employees/{newest}"
    on_page(zoho, 1, lambda: httpx.put(page, json={"department": "People"}).raise_for_status())

    frame = zoho.read().set_index("recordId")
    assert len(frame) == 24 and frame.loc[newest, "Department"] == "People"


def test_a_long_reading_that_was_cut_goes_on_and_leaves_the_tokens(sandbox, twin, tmp_path):
    zoho = made(sandbox, keep=tmp_path, page_size=4)
    zoho.http.sleep = lambda _: None
    twin.faults([{"kind": "500", "match": "sIndex=21&"}])
    with pytest.raises(Retryable):
        zoho.read()

    twin.faults([])
    twin.clear_log()
    again = made(sandbox, keep=tmp_path, page_size=4)
    assert again.read()["recordId"].nunique() == 24
    pages = [seen["query"] for seen in twin.log() if "sIndex" in seen["query"] and "modifiedtime" not in seen["query"]]
    assert pages == ["sIndex=21&limit=4"]
    assert asked(twin, "token") == [] and (tmp_path / FILE).exists() and not (tmp_path / "pages").exists()
