"""The stand-in for a human at the Badge Office: no faster than the pages allow."""

from __future__ import annotations

from connectors.sandbox import Sandbox
from connectors.sandbox.front_desk import FrontDesk

PEOPLE = 8  # each takes three requests: more than the pages' limit of a second in all


def test_the_front_desk_issues_and_switches_off_badges_within_the_limit() -> None:
    with Sandbox() as sandbox:
        values = sandbox.environment
        with FrontDesk(values["BADGE_URL"], values["BADGE_USER"], values["BADGE_PASSWORD"]) as desk:
            for number in range(PEOPLE):
                desk.issue(f"Person {number}", f"p{number}@juniperfinch.example", "Berlin")
            desk.switch_off("p3@juniperfinch.example")

        badges = {b["email"]: b["status"] for b in sandbox.control("badges").state()["badges"]}

    assert badges.pop("p3@juniperfinch.example") == "Deactivated"
    assert set(badges.values()) == {"Active"} and len(badges) == PEOPLE - 1
