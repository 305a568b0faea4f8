"""Two sets of rules on the same people: who gains what, who loses what, and which file is the cause."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from mappings.day import standing
from mappings.exceptions import Override, with_grants, with_values
from mappings.folder import Rules
from mappings.people import Status
from mappings.radius import effects, weigh
from mappings.rules import desired, fill_frame, reason

KEYS = ["person_id", "app", "entitlement"]
ROW_COLUMNS = [*KEYS, "file"]
"""Entitlement "" is the account; file: the one that is the cause."""
CHANGE_COLUMNS = ["person_id", "app", "field", "file"]


@dataclass(frozen=True)
class Side:
    """What one set of rules says of the people."""

    rules: Rules
    people: pd.DataFrame
    """A frame of people, with the values that overrides set."""
    status: pd.Series
    here: pd.Series
    """Whether each row's person should have access."""
    grants: pd.DataFrame
    """As of rules.desired, with the overrides."""


def side(
    rules: Rules,
    people: pd.DataFrame,
    moment: datetime | date,
    overrides: Sequence[Override] = (),
    away: Collection[str] = (),
) -> Side:
    """`away`: ids of people who have nothing whatever HR says."""
    people = with_values(people, overrides)
    status, here = standing(people, rules.company, moment)
    here &= ~people["employee_id"].isin(list(away))
    grants = with_grants(desired(people, here, rules), set(people["employee_id"][here]), overrides)
    return Side(rules, people, status, here, grants)


@dataclass(frozen=True)
class Comparison:
    """What the new rules change for the people of the old ones."""

    old: Side
    new: Side
    gained: pd.DataFrame
    """ROW_COLUMNS."""
    lost: pd.DataFrame
    """ROW_COLUMNS."""
    changes: pd.DataFrame
    """CHANGE_COLUMNS: values in accounts that stay."""
    files: dict[str, str]
    """File that differs -> new, gone or changed."""
    too_much: str
    """What is above the blast radius of the new rules; empty where nothing is."""

    @property
    def everything(self) -> set[str]:
        """Ids of the people who lose all they have."""
        return set(self.lost["person_id"]) - set(self.new.grants["person_id"])

    @property
    def quiet(self) -> list[str]:
        """Files that differ and change nothing for anybody now."""
        causes = {*self.gained["file"], *self.lost["file"], *self.changes["file"]}
        return [name for name in self.files if name not in causes]


def compare(old: Side, new: Side) -> Comparison:
    """The differences, each with its cause."""
    gained, lost = beyond(new, old), beyond(old, new)
    changes = pd.DataFrame(values_changed(old, new), columns=CHANGE_COLUMNS).astype("string")
    too_much = weight(old, new, gained, lost, changes)
    return Comparison(old, new, gained, lost, changes, differing(old.rules, new.rules), too_much)


def beyond(mine: Side, other: Side) -> pd.DataFrame:
    """What `mine` grants and `other` does not: ROW_COLUMNS."""
    beside = mine.grants.merge(other.grants[KEYS], on=KEYS, how="left", indicator=True)
    rows = beside[beside["_merge"] == "left_only"].reset_index(drop=True)
    causes = causes_of(mine.rules, other.rules)
    otherwise = elsewhere(mine.rules, other.rules)
    return rows.assign(file=rows["why"].map(causes).astype("string").fillna(otherwise))[ROW_COLUMNS].astype("string")


def causes_of(rules: Rules, other: Rules) -> dict[str, str]:
    """Reason of a grant -> its playbook's file, for playbooks that are not the same in the other rules."""
    return {
        reason(playbook): f"playbooks/{name}.yaml"
        for name, playbook in reversed(rules.playbooks.items())
        if other.playbooks.get(name) != playbook
    }


def elsewhere(rules: Rules, other: Rules) -> str:
    """The file that is the cause where no playbook is: HR is read in another way, or the company's days are others."""
    same = rules.hr == other.hr and rules.company.hr == other.company.hr
    return "company.yaml" if same else f"hr/{rules.company.hr}.yaml"


def differing(old: Rules, new: Rules) -> dict[str, str]:
    """Files whose meaning is another one; comments do not count."""
    before, after = dict(files_of(old)), dict(files_of(new))
    found = {name: "new" if name not in before else "changed" for name in after if before.get(name) != after[name]}
    return dict(sorted((found | {name: "gone" for name in before if name not in after}).items()))


def files_of(rules: Rules) -> Iterator[tuple[str, object]]:
    """The files that decide on access, each with its content."""
    yield "company.yaml", rules.company
    yield f"hr/{rules.company.hr}.yaml", rules.hr
    for name, app in rules.apps.items():
        yield f"apps/{name}.yaml", app
    for name, playbook in rules.playbooks.items():
        yield f"playbooks/{name}.yaml", playbook


# values in accounts


def values_changed(old: Side, new: Side) -> Iterator[tuple[str, str, str, str]]:
    """CHANGE_COLUMNS of everybody who keeps an account in which a value becomes another one."""
    before, after = with_derived(old.people), with_derived(new.people)
    before = before.set_index("employee_id").reindex(after["employee_id"]).reset_index()
    before.index = after.index
    for app, words in new.rules.apps.items():
        if app not in old.rules.apps:
            continue
        ids = after["employee_id"]
        stays = ids.isin(accounts(old, app)) & ids.isin(accounts(new, app))
        was = old.rules.apps[app]
        for field, template in words.attributes.items():
            cause = f"apps/{app}.yaml" if was.attributes.get(field) != template else elsewhere(new.rules, old.rules)
            there = fill_frame(was.attributes[field], before).fillna("") if field in was.attributes else ""
            wanted = fill_frame(template, after).fillna("")
            for person in ids[stays & (wanted != "") & (wanted != there)]:
                yield person, app, field, cause
        if words.leave != was.leave:
            for person in ids[stays & (new.status == Status.LEAVE.value)]:
                yield person, app, f"leave: {words.leave}", f"apps/{app}.yaml"


def with_derived(people: pd.DataFrame) -> pd.DataFrame:
    """People with the columns of vocabulary.DERIVED, as mappings.rules.values_of has them for one person."""
    called = people["preferred_name"].fillna(people["given_name"]).fillna("") + " " + people["family_name"].fillna("")
    addresses = people.set_index("employee_id")["work_email"]
    return people.assign(
        display_name=called.str.strip(),
        user_name=people["work_email"].str.partition("@")[0],
        manager_email=people["manager_id"].map(addresses.dropna().to_dict()).astype("string"),
    )


def accounts(of: Side, app: str) -> pd.Series:
    """Ids of those who should have an account in the app."""
    grants = of.grants
    return grants.loc[(grants["app"] == app) & (grants["entitlement"] == ""), "person_id"]


# how much it is


def weight(old: Side, new: Side, gained: pd.DataFrame, lost: pd.DataFrame, changes: pd.DataFrame) -> str:
    """What is above the blast radius of the new rules, as a sync under them would count it; empty where nothing is."""
    touched = pd.concat([gained["person_id"], lost["person_id"], changes["person_id"]]).drop_duplicates()
    keeps, loses = set(new.grants["person_id"]), {*lost["person_id"], *changes["person_id"]}
    flows = [
        "offboard_user" if p not in keeps else "change_access" if p in loses else "zero_touch_onboarding"
        for p in touched
    ]
    who = pd.DataFrame({"person_id": touched.to_numpy(), "flow": flows, "user_name": ""}).astype("string")
    final = [name for name, app in old.rules.apps.items() if app.leaver == "delete" or app.leaving.disable_deletes]
    found = effects(who, new.grants, old.grants, final)
    working = {*old.people["employee_id"][old.here], *new.people["employee_id"][new.here]}
    return weigh(who, found, len(working), new.rules.company.blast_radius, new.rules.hash).title
