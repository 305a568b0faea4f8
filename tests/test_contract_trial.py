"""`rollcall app try` at every app and preset: all that an app claims works there, and the dummy is gone afterwards."""

from __future__ import annotations

from pathlib import Path

from flows.dummy import Note
from flows.trial import Finding, Trial, Verdict
from tests.contract_rig import Rig, rig

__all__ = ["rig"]
TRIED = {"create": "create", "read": "read", "find": "find", "list": "accounts", "update": "update"}
TRIED |= {"grant": "grant", "revoke": "revoke", "disable": "disable", "enable": "enable"}


def walked(rig: Rig, home: Path) -> dict[str, Finding]:
    """The findings by name."""
    wanted = rig.entitlement() if "grant" in rig.can else ""
    trial = Trial(rig.app, rig.rules, rig.someone(), Note(home, rig.name), patience=5, entitlement=wanted)
    return {finding.what: finding for finding in trial.walk()}


def test_a_trial_finds_that_all_works_that_the_app_claims(rig: Rig, tmp_path: Path) -> None:
    found = walked(rig, tmp_path)

    bad = {what: (finding.says, finding.mends) for what, finding in found.items() if not finding.good}
    works = {what for what, finding in found.items() if finding.verdict is Verdict.WORKS}
    final = {"disable", "enable"} if rig.rules.leaving.disable_deletes else set()
    assert bad == {}
    assert {what for what, verb in TRIED.items() if verb in rig.can} - final <= works


def test_a_trial_leaves_nothing_that_can_be_used(rig: Rig, tmp_path: Path) -> None:
    walked(rig, tmp_path)

    left = rig.again().find(rig.key())
    assert left is None or not left.active
    assert left is None or "delete" not in rig.can
