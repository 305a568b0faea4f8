"""HR's webhooks: how fast the receiver answers, and how soon a leaver's SSO account is disabled, on the twins.

python -m bench.webhooks [LEAVERS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.stage import DOMAIN, Stage, set_up, until
from tests.webhook_door import PATH, event, receiver, signed

CALLS, SECONDS = 2000, 10.0


def at(times: Sequence[float], percent: float) -> float:
    """The percentile, in milliseconds."""
    return sorted(times)[min(len(times) - 1, int(len(times) * percent / 100))] * 1000


def burst(folder: Path, values: dict[str, str]) -> None:
    """CALLS deliveries, evenly over SECONDS."""
    with receiver(folder, values) as door, httpx.Client(base_url=door.url, trust_env=False) as client:
        begin = time.monotonic()

        def send(number: int) -> tuple[float, int]:
            time.sleep(max(0.0, begin + number * SECONDS / CALLS - time.monotonic()))
            body = event(f"b{number}")
            headers, started = signed(body), time.perf_counter()
            status = client.post(PATH, content=body, headers=headers).status_code
            return time.perf_counter() - started, status

        with ThreadPoolExecutor(32) as pool:
            found = list(pool.map(send, range(CALLS)))
        times, took = [each for each, _ in found], time.monotonic() - begin
        kept = len({person for row in door.rows() for person in row.people})
        bad = sum(status != 200 for _, status in found)
        print(f"{CALLS} calls in {took:.1f} s: p50 {at(times, 50):.0f} ms, p99 {at(times, 99):.0f} ms, "
              f"{bad} refused, {kept} kept")  # fmt: skip


def leavers(stage: Stage, folder: Path, number: int) -> None:
    """One leaver after the other, from HR's change to the SSO's."""
    people = {f"v{n}.bench@{DOMAIN}": stage.hire(f"V{n}", "Bench", "Operations") for n in range(number)}
    stage.started_by(stage.play("daily_sync"))
    more = stage.stack.environment() | stage.sandbox.environment
    names = ("ROLLCALL_DATABASE_URL", "PREFECT_API_URL", "PREFECT_HOME", "BAMBOOHR_WEBHOOK_KEY")
    chosen = {name: more[name] for name in names}
    with receiver(folder, stage.sandbox.environment, stage.settings.mappings_folder, **chosen) as door:
        words = {"name": "bench", "format": "json", "monitorFields": ["terminationDate"]}
        stage.hr.post("/webhooks", json={"url": door.url + PATH, "events": ["employee.updated"], **words})
        times = []
        for email, person in people.items():
            started = time.perf_counter()
            stage.leave(person)
            while stage.user(email)["active"]:
                time.sleep(0.02)
            times.append(time.perf_counter() - started)
            until(lambda: not stage.stack or not running(stage), "the runs have ended")
        print(f"{number} leavers, HR to SSO: p50 {at(times, 50):.0f} ms, p95 {at(times, 95):.0f} ms")


def running(stage: Stage) -> bool:
    """Whether a run that a webhook started is under way."""
    return any(run.state and not run.state.is_final() for run in stage.runs("by:webhook"))


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with TemporaryDirectory() as name, set_up(Path(name)) as stage:
        for part in ("burst", "leavers"):
            (Path(name) / part).mkdir()
        burst(Path(name) / "burst", stage.sandbox.environment)
        leavers(stage, Path(name) / "leavers", number)


if __name__ == "__main__":
    main()
