"""connectors.pages: every style gives every item once, and no server can keep the walk going or cut it short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from connectors_servers import Asked, Said, Scripted

from connectors.errors import Refused, Retryable
from connectors.pages import Cursor, Link, Numbered, Offset, Style, Whole, scim, walk

Lies = Callable[[dict[str, Any]], dict[str, Any]]
CAP = 4  # the server never gives more per page


def items(count: int) -> list[dict[str, Any]]:
    return [{"id": n} for n in range(count)]


def honest(asked: Asked, count: int) -> dict[str, Any]:
    """The page asked for, in all styles at once."""
    query = asked.query
    size = min(int(query.get("size", CAP)), CAP)
    start = int(query.get("offset", 0)) + int(query.get("cursor", 0)) + (int(query.get("page", 1)) - 1) * size
    start += int(query.get("startIndex", 1)) - 1
    after = start + size
    return {
        "items": items(count)[start:after],
        "Resources": items(count)[start:after],
        "totalResults": count,
        "meta": {"total": count, "next": str(after) if after < count else None},
    }


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted(lambda asked: Said()) as server:
        yield server


def walked(server: Scripted, style: Style, at: str = "items") -> list[int]:
    with httpx.Client(base_url=server.url) as client:

        def get(url: str, params: Any) -> Any:
            response = client.get(url, params=params or None)
            return response, response.json()

        return [item["id"] for item in walk("app", "list", get, "/things", style, at)]


STYLES: dict[str, Style] = {
    "page": Numbered(size="size", per=4, total="meta.total"),
    "page, no total": Numbered(size="size", per=4),
    "page, no size": Numbered(total="meta.total"),
    "offset": Offset(size="size", per=4, total="meta.total"),
    "offset, server gives less than asked": Offset(size="size", per=100, total="meta.total"),
    "cursor": Cursor(at="meta.next", size="size", per=3, total="meta.total"),
    "start index": scim(100),
}


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8, 13])
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_gives_every_item_once(server: Scripted, style: Style, count: int) -> None:
    server.script = lambda asked: Said(200, honest(asked, count))

    assert walked(server, style) == list(range(count))


def test_follows_the_link_header(server: Scripted) -> None:
    def script(asked: Asked) -> Said:
        page = int(asked.query.get("page", 1))
        link = {"Link": f'<{server.url}/things?page={page + 1}>; rel="next"'} if page < 3 else {}
        return Said(200, items(9)[page * 3 - 3 : page * 3], link)

    server.script = script

    assert walked(server, Link(), at="") == list(range(9))


def test_a_link_to_another_host_is_refused(server: Scripted) -> None:
    server.script = lambda asked: Said(200, items(2), {"Link": '<http://evil.example/x>; rel="next"'})

    with pytest.raises(Refused, match="another host"):
        walked(server, Link(), at="")


@pytest.mark.parametrize("style", [*STYLES.values(), Link()], ids=[*STYLES, "link"])
def test_a_page_given_again_and_again_is_refused(server: Scripted, style: Style) -> None:
    body = {"items": items(4), "Resources": items(4), "totalResults": 99, "meta": {"total": 99, "next": "x"}}
    server.script = lambda asked: Said(200, body, {"Link": f'<{server.url}/things>; rel="next"'})

    with pytest.raises(Refused, match="same page"):
        walked(server, style)

    assert len(server.asked) == 2


@pytest.mark.parametrize("style", [STYLES["page"], STYLES["offset"]])
def test_a_total_that_counts_only_the_page_cuts_nothing_off(server: Scripted, style: Style) -> None:
    def script(asked: Asked) -> Said:
        body = honest(asked, 9)
        return Said(200, body | {"meta": {"total": len(body["items"])}})

    server.script = script

    assert walked(server, style) == list(range(9))


@pytest.mark.parametrize("style", [STYLES["page"], STYLES["offset"], STYLES["cursor"], STYLES["start index"]])
def test_a_list_shorter_than_its_total_is_not_taken_for_whole(server: Scripted, style: Style) -> None:
    def script(asked: Asked) -> Said:
        body = honest(asked, 6)
        return Said(200, body | {"totalResults": 40, "meta": body["meta"] | {"total": 40}})

    server.script = script

    with pytest.raises(Retryable, match="6 of 40"):
        walked(server, style)


def test_an_answer_without_the_list_is_refused(server: Scripted) -> None:
    server.script = lambda asked: Said(200, {"items": {"not": "a list"}})

    with pytest.raises(Refused, match="no list at 'items'"):
        walked(server, Whole())
