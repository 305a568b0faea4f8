"""2,000 deliveries of each vendor within 10 s, a tenth of them forged; then the same with the receiver killed amidst.

    python -m bench.webhooks burst [VENDOR …]

The dispatcher looks at the people meanwhile, as it does in life. Not counted is the first call, which tells that the
receiver and its dispatcher have started.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from connectors.sandbox import Sandbox
from connectors.sandbox.deliveries import Letter
from flows.record.tables import SignalRow
from tests.drills.engine import until
from tests.webhook_burst import Answered, Burst
from tests.webhook_door import Receiver, company_of, receiver
from tests.webhook_vendors import VENDORS, Vendor, send

CALLS, SECONDS = 2000, 10.0
FORGED = 10  # one of so many


class Outcome(NamedTuple):
    """What came of a burst."""

    answers: list[Answered]
    forged: list[bool]
    rows: list[SignalRow]

    def at(self, percent: float) -> float:
        """The percentile of the answers' times, in milliseconds."""
        times = sorted(each.took for each in self.answers)
        return times[min(len(times) - 1, int(len(times) * percent / 100))] * 1000

    @property
    def believed_wrongly(self) -> int:
        pairs = zip(self.answers, self.forged, strict=True)
        return sum(answer.status != 401 for answer, forged in pairs if forged)

    @property
    def taken(self) -> int:
        """Answered with 200."""
        return sum(each.status == 200 for each in self.answers)

    def shown(self) -> str:
        lost, again = max(0, self.taken - len(self.rows)), sum(each.tries - 1 for each in self.answers)
        undone = sum(row.done_at is None for row in self.rows)
        return (
            f"p50 {self.at(50):4.0f} ms, p99 {self.at(99):5.0f} ms, {again} sent again, "
            f"lost {lost}, not looked at {undone}, believed wrongly {self.believed_wrongly}"
        )


def main(names: Sequence[str]) -> None:
    """Print a line for each vendor, and one for the same with a kill."""
    with Sandbox() as sandbox:
        for name in names or VENDORS:
            for kill in (False, True):
                print(f"{name:12} {'killed' if kill else '':6} {measured(sandbox, VENDORS[name], kill).shown()}")


def measured(sandbox: Sandbox, vendor: Vendor, kill: bool) -> Outcome:
    """One burst against a receiver of its own."""
    sandbox.control(vendor.hr).reset()
    sandbox.control(vendor.hr).limits(1_000_000)
    key = {"BAMBOOHR_WEBHOOK_KEY": VENDORS["bamboohr"].key}
    with TemporaryDirectory() as name:
        folder = Path(name)
        with receiver(folder, sandbox.environment, company_of(folder, vendor.hr), **key) as door:
            people = list(door.settle_everybody().values())
            assert send(door, vendor, vendor.letter(people[0])).stored
            until(lambda: all(row.done_at for row in door.rows()), "the dispatcher has started")
            return played(door, vendor, people, kill)


def played(door: Receiver, vendor: Vendor, people: Sequence[str], kill: bool) -> Outcome:
    letters = [vendor.letter(people[n % len(people)]) for n in range(CALLS)]
    forged = [n % FORGED == FORGED - 1 for n in range(CALLS)]
    sent = [forgery(vendor, letter) if bad else letter for letter, bad in zip(letters, forged, strict=True)]
    before, starting = {row.id for row in door.rows()}, threading.Thread(target=door.start)

    def crash() -> None:
        door.kill()
        starting.start()

    answers = Burst(door, vendor, sent, SECONDS, crash if kill else lambda: None).run()
    if kill:
        starting.join()
    until(lambda: all(row.done_at for row in door.rows()), "each was looked at")
    return Outcome(answers, forged, [row for row in door.rows() if row.id not in before])


def forgery(vendor: Vendor, letter: Letter) -> Letter:
    """The same call by somebody who has another key."""
    bare = vendor.bare(letter)
    return bare._replace(headers={**bare.headers, **vendor.sign(letter.body, "another key")})
