"""HR's webhooks: how fast the receiver answers, and how soon a leaver's SSO account is disabled, on the twins.

    python -m bench.webhooks [LEAVERS] [--stages]

The second part alone, with many people known: bench.hr_to_sso. One look alone: bench.signal_look.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench import hr_to_sso
from connectors.sandbox import Sandbox
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


def main() -> None:
    """Measure and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("leavers", type=int, nargs="?", default=12)
    parser.add_argument("--stages", action="store_true", help="the share of each part of the way")
    given = parser.parse_args()
    with TemporaryDirectory() as name, Sandbox() as sandbox:
        burst(Path(name), sandbox.environment)
    print(hr_to_sso.measured(given.leavers, given.stages))


if __name__ == "__main__":
    main()
