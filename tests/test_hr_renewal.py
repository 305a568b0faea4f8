"""Tokens that end, at Gusto's twin: renewed once for all processes, and never lost on the way to the disk."""

from __future__ import annotations

import json
import logging
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from connectors.errors import Refused
from connectors.hr.renewal import FILE
from tests.hr_house import connected

ROOT = Path(__file__).parents[1]
READER = """
import json, sys
from pathlib import Path
from tests.hr_house import connected
hr = connected(json.loads(sys.argv[1]), "gusto", keep=Path(sys.argv[2]), page_size=7)
print("ready", flush=True)
for _ in sys.stdin:
    print(len(hr.read()), flush=True)
"""
KILLED = """
import json, os, sys
from pathlib import Path
from connectors.hr.renewal import Purse
from tests.hr_house import connected
write = Purse.write
Purse.write = lambda purse, tokens: write(purse, tokens) if tokens.begun else os._exit(9)
connected(json.loads(sys.argv[1]), "gusto", keep=Path(sys.argv[2])).read()
"""


@pytest.fixture
def twin(sandbox: Any) -> Any:
    control = sandbox.control("gusto")
    control.reset()
    control.latency(0)
    return control


def renewals(twin: Any) -> list[int]:
    """How each call to the token endpoint was answered; 0 for one whose answer was lost."""
    return [seen["status"] for seen in twin.log() if seen["path"].endswith("/oauth/token")]


def kept(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / FILE).read_text()))


def test_a_token_is_kept_for_its_owner_and_the_next_process_uses_it(sandbox, twin, tmp_path):
    keep = tmp_path / "hr" / "gusto"

    for _ in range(2):
        assert len(connected(sandbox.environment, "gusto", keep=keep).read()) == 24

    assert renewals(twin) == [200]
    assert {stat.S_IMODE(file.stat().st_mode) for file in keep.iterdir()} == {0o600}
    assert stat.S_IMODE(keep.stat().st_mode) == 0o700
    assert kept(keep)["refresh"] != sandbox.environment["GUSTO_REFRESH_TOKEN"] and kept(keep)["begun"] == ""


def test_a_token_that_ends_while_reading_is_renewed_once_and_the_read_goes_on(sandbox, twin, tmp_path):
    gusto = connected(sandbox.environment, "gusto", keep=tmp_path, page_size=7)

    def end(response: httpx.Response) -> None:
        if response.request.url.params.get("page") == "2":
            twin.options(outworn=True)
            gusto.http.client.event_hooks["response"].remove(end)

    gusto.http.client.event_hooks["response"].append(end)

    assert len(gusto.read()) == 24
    assert renewals(twin) == [200, 200]


def test_a_token_that_another_process_renewed_meanwhile_is_taken_where_ones_own_is_refused(sandbox, twin, tmp_path):
    mine, other = (connected(sandbox.environment, "gusto", keep=tmp_path) for _ in range(2))
    mine.check()
    other.check()
    twin.options(outworn=True)
    other.check()

    assert len(mine.read()) == 24
    assert renewals(twin) == [200, 200]


@contextmanager
def readers(values: dict[str, str], keep: Path, many: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that read everybody, each time they are told to."""
    words = [sys.executable, "-c", READER, json.dumps(values), str(keep)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    running = [subprocess.Popen(words, **pipes) for _ in range(many)]
    try:
        assert [line(each.stdout) for each in running] == ["ready"] * many
        yield running
    finally:
        for each in running:
            each.communicate(timeout=30)


def line(stream: IO[str] | None) -> str:
    assert stream
    return stream.readline().strip()


def read_at_once(running: list[subprocess.Popen[str]]) -> list[str]:
    """How many people each of them found."""
    for each in running:
        assert each.stdin
        each.stdin.write("go\n")
        each.stdin.flush()
    return [line(each.stdout) for each in running]


def test_processes_that_read_at_once_renew_once_and_none_is_left_with_a_dead_token(sandbox, twin, tmp_path):
    twin.latency(200)  # ms, so that all of them stand before the token endpoint while one is in it

    with readers(sandbox.environment, tmp_path, 3) as running:
        assert read_at_once(running) == ["24"] * 3
        assert renewals(twin) == [200]

        twin.options(outworn=True)
        assert read_at_once(running) == ["24"] * 3
        assert renewals(twin) == [200, 200]


def test_a_lost_answer_is_asked_for_again_with_the_same_refresh_token(sandbox, twin, tmp_path):
    twin.faults([{"kind": "lost-answer", "match": "oauth/token", "times": 1}])

    assert len(connected(sandbox.environment, "gusto", keep=tmp_path).read()) == 24
    assert renewals(twin) == [0, 200]
    assert kept(tmp_path)["begun"] == ""


def kill_between_answer_and_disk(values: dict[str, str], keep: Path) -> None:
    words = [sys.executable, "-c", KILLED, json.dumps(values), str(keep)]
    assert subprocess.run(words, cwd=ROOT, timeout=60).returncode == 9


def test_a_kill_between_the_answer_and_the_disk_is_borne(sandbox, twin, tmp_path):
    """The refresh token lives until the access token that it gave is used: that never was."""
    connected(sandbox.environment, "gusto", keep=tmp_path).check()
    twin.options(outworn=True)
    before = kept(tmp_path)

    kill_between_answer_and_disk(sandbox.environment, tmp_path)
    assert kept(tmp_path)["refresh"] == before["refresh"] and kept(tmp_path)["begun"].endswith("UTC")

    assert len(connected(sandbox.environment, "gusto", keep=tmp_path).read()) == 24
    assert renewals(twin) == [200, 200, 200]


def test_where_the_vendor_ends_it_at_once_the_lost_one_is_told_with_its_time(sandbox, twin, tmp_path):
    twin.options(at_once=True)
    kill_between_answer_and_disk(sandbox.environment, tmp_path)
    begun = kept(tmp_path)["begun"]

    for _ in range(2):  # the second time too
        with pytest.raises(Refused) as error:
            connected(sandbox.environment, "gusto", keep=tmp_path).read()
        assert error.value.status == 401
        assert f"the renewal begun at {begun} got no answer, and with it the next one was lost" in str(error.value)
        assert error.value.todo.startswith("Authorise Rollcall in Gusto again and set refresh_token of hr/gusto.yaml")


def test_a_refresh_token_that_another_installation_used_up_is_told_and_not_tried_again(sandbox, twin, tmp_path):
    connected(sandbox.environment, "gusto", keep=tmp_path / "other").check()
    gusto = connected(sandbox.environment, "gusto", keep=tmp_path / "mine")

    for _ in range(2):
        with pytest.raises(Refused, match="the refresh token is not taken any more \\(400\\)") as error:
            gusto.read()
        assert "begun" not in str(error.value)
    assert renewals(twin) == [200, 400]


def test_a_new_first_token_counts_more_than_what_was_kept_of_the_one_before(sandbox, twin, tmp_path):
    connected(sandbox.environment, "gusto", keep=tmp_path).check()

    with pytest.raises(Refused, match="not taken any more"):
        connected(sandbox.environment, "gusto", keep=tmp_path, refresh_token="of-another-authorisation").check()
    twin.reset()
    twin.clear_log()
    connected(sandbox.environment, "gusto", keep=tmp_path).check()
    assert renewals(twin) == [200]


def test_where_nothing_can_be_kept_nothing_is_asked_for(sandbox, twin, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(Refused, match="the tokens cannot be kept in .*file"):
        connected(sandbox.environment, "gusto", keep=tmp_path / "file").read()
    bare = connected(sandbox.environment, "gusto", keep=tmp_path)
    bare.http.client.auth.purse.folder = None
    with pytest.raises(Refused, match="no folder in which to keep"):
        bare.read()
    assert renewals(twin) == []


def test_a_client_that_gusto_does_not_know_is_told_by_its_variables(sandbox, twin, tmp_path):
    with pytest.raises(Refused, match="unknown client. Check .*GUSTO_REFRESH_TOKEN"):
        connected(sandbox.environment | {"GUSTO_CLIENT_SECRET": "guessed"}, "gusto", keep=tmp_path).read()


def test_a_token_that_the_vendor_repeats_in_its_refusal_is_masked(sandbox, twin, tmp_path):
    gusto = connected(sandbox.environment, "gusto", keep=tmp_path)
    gusto.check()
    refresh = kept(tmp_path)["refresh"]
    old, body = gusto.http.client, {"error": "invalid_grant", "error_description": f"what is {refresh}?"}
    transport = httpx.MockTransport(
        lambda request: httpx.Response(400 if "token" in request.url.path else 401, json=body)
    )
    gusto.http.client = httpx.Client(transport=transport, base_url=old.base_url, auth=old.auth)

    with pytest.raises(Refused, match=r"what is \*\*\*\?"):
        gusto.read()


def test_no_token_is_in_a_log_or_in_what_was_read(sandbox, twin, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    gusto = connected(sandbox.environment, "gusto", keep=tmp_path)
    frame, before = gusto.read(), kept(tmp_path)
    twin.options(outworn=True)
    gusto.check()
    secrets = {before["access"], before["refresh"], kept(tmp_path)["access"], kept(tmp_path)["refresh"]}
    secrets |= {sandbox.environment["GUSTO_REFRESH_TOKEN"], sandbox.environment["GUSTO_CLIENT_SECRET"]}

    said = "\n".join([caplog.text, repr(gusto.http), repr(gusto.http.client.auth), frame.to_csv(), str(frame.attrs)])
    assert "oauth/token" in said and len(secrets) == 6
    assert not [each for each in secrets if each in said]
