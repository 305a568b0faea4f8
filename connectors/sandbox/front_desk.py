"""What somebody at the front desk clicks in the Badge Office: a stand-in for the human of a manual task."""

from __future__ import annotations

import re
import time
from types import TracebackType
from typing import Self

import httpx

CSRF = re.compile(r'name="csrf" value="([^"]+)"')
CLICK = 0.1  # seconds between two; the pages refuse whoever is much faster
LINK = re.compile(r'href="[^"]*/(\d+)"')


class FrontDesk:
    """Signed in to the Badge Office's pages: `with FrontDesk(url, user, password) as desk: …`."""

    def __init__(self, url: str, user: str, password: str) -> None:
        pace = [lambda _: time.sleep(CLICK)]
        self.client = httpx.Client(base_url=url, follow_redirects=True, event_hooks={"request": pace})
        self.submit("/login", "/login", user=user, password=password)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def submit(self, page: str, form: str, **fields: str) -> str:
        """Open a page, fill in its form, send it; the page that follows."""
        token = CSRF.search(self.client.get(page).raise_for_status().text)
        fields["csrf"] = token[1] if token else ""
        return self.client.post(form, data=fields).raise_for_status().text

    def issue(self, name: str, email: str, site: str) -> None:
        """Issue a badge."""
        self.submit("/issue", "/issue", name=name, email=email, site=site)

    def switch_off(self, email: str) -> None:
        """Deactivate the badge of this address, if there is one."""
        found = LINK.search(self.client.get("/list", params={"q": email}).raise_for_status().text)
        if found:
            self.submit(f"/{found[1]}", f"/{found[1]}/deactivate")
