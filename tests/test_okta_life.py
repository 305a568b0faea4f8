"""Working lives at Okta and a GitHub organisation, carried out by the functions that the flows are made of. All that is
sent meanwhile is held to the vendors' descriptions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.sandbox import Sandbox
from flows import presets
from flows.cohort import Ended
from flows.record import tasks
from tests.lives import DOMAIN, Lives, mappings
from tests.vendor_specs import Held, described, hold

NOON = datetime.now(UTC).replace(hour=20, minute=30)  # after every cut-off in Lisbon
TODAY = NOON.date()
ANA = f"ana.simic@{DOMAIN}"
PLAYBOOKS: dict[str, dict[str, Any]] = {
    "everyone": {"title": "Everyone", "give": ["okta:Staff"]},
    "sales": {"title": "Sales", "who": {"department": "Sales"}, "give": ["okta:Sales"]},
    "makers": {"title": "Makers", "who": {"department": "Engineering"}, "give": ["okta:Makers", "github:Engineering"]},
}


def rules(folder: Path) -> Path:
    """The sample's company with the presets of Okta and GitHub in place of its apps."""
    copy = mappings(folder)
    for name in ("apps", "playbooks", "examples", "shadow"):
        shutil.rmtree(copy / name, ignore_errors=True)
        (copy / name).mkdir()
    for name in ("okta", "github"):
        (copy / "apps" / f"{name}.yaml").write_text(presets.text(name), encoding="utf-8")
    for name, words in PLAYBOOKS.items():
        with (copy / "playbooks" / f"{name}.yaml").open("w") as file:
            YAML().dump(words, file)
    return copy


class Story:
    """One company, of which Ana is the one that things happen to."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.okta, self.github = sandbox.control("okta"), sandbox.control("github")
        for twin in (self.okta, self.github):
            twin.reset()
            twin.limits(100_000)
        self.lives, self.day = Lives(sandbox, folder, rules(folder)), 0
        self.held = [self.hold("okta", "okta/okta-management.json"), self.hold("github", "github/github-ghec.json")]
        self.lives.hire("1", "Marlene", "Juniper", department="Operations", manager="")
        self.lives.hire("2", "Ben", "Ode", department="Engineering")
        self.lives.hire("3", "Ana", "Simic", department="Engineering", manager="2", start=str(TODAY))
        self.sync()

    def hold(self, name: str, description: str) -> Held:
        """Check what is sent to this app; GraphQL is not described."""
        app: Any = self.lives.site.app(name)
        return hold(app.http.client, described(description), under=f"/{name}", besides="POST /graphql")

    def sync(self) -> list[Ended]:
        """A day passes, and Rollcall looks."""
        self.day += 1
        return self.lives.sync(NOON + timedelta(days=self.day))

    def settle_in(self) -> None:
        """Ana and Ben follow their mails."""
        for address in (ANA, f"ben.ode@{DOMAIN}"):
            self.okta.sign_in(address)
            self.github.sign_in(address)

    def leave(self) -> list[Ended]:
        self.lives.say("3", last=str(TODAY + timedelta(days=self.day)))
        return self.sync()

    @property
    def user(self) -> dict[str, Any]:
        """Ana at Okta."""
        return next(user for user in self.okta.state()["users"] if user["profile"]["login"] == ANA)

    @property
    def groups(self) -> set[str]:
        state = self.okta.state()
        names = {group["id"]: group["profile"]["name"] for group in state["groups"]}
        return {names[m["group"]] for m in state["members"] if m["user"] == self.user["id"]}

    @property
    def invited(self) -> list[str]:
        return [str(row["email"]) for row in self.github.state()["invitations"]]

    @property
    def teams(self) -> list[str]:
        return [row["team"] for row in self.github.state()["team_members"] if row["login"] == "ana-simic"]

    @property
    def open_tasks(self) -> list[str]:
        return [row.title for row in tasks.open_tasks(self.lives.site.db, "3")]

    @property
    def members(self) -> set[str]:
        return {row["login"] for row in self.github.state()["members"]}


@pytest.fixture
def story(sandbox: Sandbox, tmp_path: Path) -> Iterator[Story]:
    story = Story(sandbox, tmp_path)
    yield story
    story.lives.site.db.close()


def test_a_joiner_is_activated_and_invited_and_needs_nobodys_hand(story: Story) -> None:
    assert story.user["status"] == "PROVISIONED" and story.groups == {"Staff", "Makers"}
    assert story.user["profile"]["employeeNumber"] == "3"
    assert sorted(story.invited) == [ANA, f"ben.ode@{DOMAIN}"] and story.open_tasks == []


def test_nothing_happens_to_who_has_settled_in(story: Story) -> None:
    story.settle_in()
    before = (story.okta.state()["users"], story.github.state())
    story.okta.clear_log()
    story.github.clear_log()

    story.sync()

    assert (story.okta.state()["users"], story.github.state()) == before and story.teams == ["2"]
    writes = [line for twin in (story.okta, story.github) for line in twin.log() if line["method"] not in ("GET",)]
    assert [line for line in writes if not line["path"].endswith("graphql")] == []


def test_a_mover_changes_groups_and_leaves_github(story: Story) -> None:
    story.settle_in()
    story.lives.say("3", department="Sales")

    story.sync()

    assert story.user["status"] == "ACTIVE" and story.groups == {"Staff", "Sales"}
    assert "ana-simic" not in story.members and "ben-ode" in story.members


def test_a_leaver_is_out_everywhere_and_what_lets_in_is_revoked(story: Story) -> None:
    story.settle_in()
    story.okta.give("tokens", ANA, {"client": "Parcel Desk"})
    story.okta.give("grants", ANA, {"client": "Mail Merge", "scopeId": "okta.users.read"})
    story.github.give("credentials", "ana-simic", {"credential_type": "SSH key", "title": "laptop"})

    story.leave()

    state = story.okta.state()
    assert story.user["status"] == "SUSPENDED"
    assert [row for name in ("tokens", "grants") for row in state[name]] == []
    assert [row for row in state["sessions"] if row["userId"] == story.user["id"]] == []
    assert "ana-simic" not in story.members and story.github.state()["credentials"] == []
    assert {title.partition(":")[0] for title in story.open_tasks} == {"Parcel Desk", "Mail Merge"}  # managed by nobody


def test_a_leaver_who_never_came_is_deactivated_and_uninvited(story: Story) -> None:
    story.leave()

    assert story.user["status"] == "DEPROVISIONED" and story.invited == [f"ben.ode@{DOMAIN}"]


def test_who_comes_back_has_everything_again_and_one_account(story: Story) -> None:
    story.settle_in()
    story.leave()
    id = story.user["id"]

    story.lives.say("3", start=str(TODAY + timedelta(days=story.day + 1)), last="")
    story.sync()
    story.github.sign_in(ANA)

    assert (story.user["id"], story.user["status"]) == (id, "ACTIVE") and story.groups == {"Staff", "Makers"}
    assert "ana-simic" in story.members and story.teams == ["2"]
    assert len(story.okta.state()["users"]) == 3
    assert all(sum(held.calls.values()) > 20 for held in story.held)
