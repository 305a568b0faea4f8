"""Pictures and traces of what was done on pages, without the secrets."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.browser_page import Seat
from connectors.browser_scripts import VALUES
from connectors.pictures import Picture, kept
from connectors.redaction import Redaction

if TYPE_CHECKING:
    from playwright.async_api import Frame, Locator, Page

HIDDEN = "input[type=password], input[autocomplete='one-time-code'], input[autocomplete*='password']"
HEADERS = re.compile(r"cookie|authorization|csrf|token", re.IGNORECASE)
SHORTEST_COOKIE = 8
LONGEST = 8.0  # seconds for a picture


class Camera:
    """Takes the pictures of one verb. `keep`: the folder; None takes none."""

    def __init__(self, keep: Path | None, verb: str, whom: str, secrets: Iterable[str]) -> None:
        self.keep, self.secrets = keep, [each for each in secrets if len(each) > 3]
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.stem = f"{moment}-{verb}-{hashlib.sha256(whom.encode()).hexdigest()[:8]}"
        self.taken: list[Picture] = []

    def file(self, shows: str, ending: str) -> Path:
        """Where a picture goes: its name holds nothing personal."""
        assert self.keep is not None
        folder = self.keep / "pictures"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / f"{self.stem}-{shows}.{ending}"

    async def take(self, page: Page, shows: str) -> None:
        """The whole page, with what is secret covered. A picture that cannot be taken stops nothing."""
        if self.keep is None:
            return
        with suppress(Exception):
            await asyncio.wait_for(self.photograph(page, self.file(shows, "png"), shows), LONGEST)

    async def photograph(self, page: Page, file: Path, shows: str) -> None:
        """One picture. A page that is on its way to another lets nobody look until it is there."""
        await page.screenshot(path=file, full_page=True, mask=await self.covered(page), timeout=LONGEST * 1000)
        self.taken.append(kept(file, shows))

    async def covered(self, page: Page) -> list[Locator]:
        """Fields for secrets, and whatever shows a secret's value, in all frames."""
        found: list[Locator] = []
        for frame in page.frames:
            found += await self.covered_in(frame)
        return found

    async def covered_in(self, frame: Frame) -> list[Locator]:
        """The page is not told the secrets: its values are compared here."""
        fields = frame.locator("input, textarea")
        values: list[str] = await fields.evaluate_all(VALUES)
        showing = [fields.nth(place) for place, value in enumerate(values) if self.tells(value or "")]
        text = await frame.locator("body").inner_text() if await frame.locator("body").count() else ""
        told = [frame.get_by_text(secret) for secret in self.secrets if secret in text]
        return [frame.locator(HIDDEN), *showing, *told]

    def tells(self, text: str) -> bool:
        """Whether a secret stands in a text."""
        return any(secret in text for secret in self.secrets)

    async def begin(self, seat: Seat) -> None:
        """Record from here on, so that a failure can be looked at. Logins are never recorded."""
        if self.keep is None:
            return
        with suppress(Exception):
            if not seat.traced:
                await seat.context.tracing.start(screenshots=False, snapshots=True, sources=False)
                seat.traced = True
            await seat.context.tracing.start_chunk()

    async def end(self, seat: Seat, failed: bool) -> None:
        """Keep the record of a failure, without secrets; throw away that of a success."""
        if self.keep is None or not seat.traced:
            return
        with suppress(Exception):
            if not failed:
                await seat.context.tracing.stop_chunk()
                return
            file = self.file("trace", "zip")
            cookies = [str(each.get("value", "")) for each in await seat.context.cookies()]
            raw = file.with_suffix(".raw")
            try:
                await seat.context.tracing.stop_chunk(path=raw)
                clean(raw, file, [*self.secrets, *(each for each in cookies if len(each) >= SHORTEST_COOKIE)])
            finally:
                raw.unlink(missing_ok=True)
            self.taken.append(kept(file, "trace"))


def clean(raw: Path, file: Path, secrets: Iterable[str]) -> None:
    """A copy of a trace in which no secret, cookie or token is left."""
    redaction = Redaction({str(number): secret for number, secret in enumerate(secrets)})
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, cleaned(entry.filename, old.read(entry), redaction))


def cleaned(name: str, content: bytes, redaction: Redaction) -> bytes:
    """One file of a trace: its lines of JSON without headers that let somebody in, its texts without secrets."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content
    if name.endswith((".network", ".trace")):
        text = "\n".join(line and json.dumps(without_headers(json.loads(line))) for line in text.split("\n"))
    return redaction.mask(text).encode()


def without_headers(tree: Any) -> Any:
    """JSON in which values of headers and cookies that let somebody in are ***."""
    if isinstance(tree, list):
        return [without_headers(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    named = isinstance(tree.get("name"), str) and HEADERS.search(tree["name"])
    return {
        key: "***"
        if (key == "value" and named and isinstance(value, str))
        else ([] if key == "cookies" else without_headers(value))
        for key, value in tree.items()
    }
