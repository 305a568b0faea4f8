"""The blast radius: what one sync would take away or change, counted in people, and what of it waits for a human."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mappings.policies import BlastRadius
from mappings.rules import canonical

SHOWN = 50  # rows of the table; a form must be short enough to be read
LOSSES_SHOWN = 6  # of one person
KINDS = {
    "leavers": "lose everything",
    "disables": "lose an account",
    "deletes": "lose an account for good",
    "removals": "lose an entitlement",
    "changes": "get other attributes",
}
"""Kind of effect -> what is said of so many people; the same words as in BlastRadius."""
EFFECT_COLUMNS = ["person_id", "kind", "what"]


@dataclass(frozen=True)
class Impact:
    """What the people who are due would lose, weighed."""

    who: pd.DataFrame
    """person_id, flow, user_name: those who wait, in the order in which they were given."""
    effects: pd.DataFrame
    """EFFECT_COLUMNS: theirs, a row for each thing lost."""
    title: str = ""
    """What is too much; empty where nothing is."""
    body: str = ""
    """Markdown for the one who decides."""
    hash: str = ""
    """Of exactly this: who, which flow, what is lost, under which rules."""


def effects(
    who: pd.DataFrame,
    wanted: pd.DataFrame,
    in_place: pd.DataFrame,
    final: Iterable[str] = (),
    rewritten: Collection[str] | None = None,
) -> pd.DataFrame:
    """What each person of `who` would lose: EFFECT_COLUMNS, `changes` for those who lose nothing but get other values.

    `who`: person_id, flow. `wanted`, `in_place`: person_id, app, entitlement ("" for the account); rows of others
    do not matter. `final`: apps where an account that is lost is lost for good. `rewritten`: people whose accounts'
    values change; left out, everybody who moves.
    """
    here = in_place[in_place["person_id"].isin(who["person_id"])][["person_id", "app", "entitlement"]]
    keys = ["person_id", "app", "entitlement"]
    beside = here.drop_duplicates().merge(wanted[keys].drop_duplicates(), on=keys, how="left", indicator=True)
    lost = beside[beside["_merge"] == "left_only"].drop(columns="_merge")
    accounts = lost[lost["entitlement"] == ""]
    gone = pd.MultiIndex.from_frame(accounts[["person_id", "app"]])
    within = pd.MultiIndex.from_frame(lost[["person_id", "app"]]).isin(gone)
    single = lost[~within & (lost["entitlement"] != "")]
    leaving = accounts["person_id"].isin(who.loc[who["flow"] == "offboard_user", "person_id"])
    leavers = who.loc[who["flow"] == "offboard_user", "person_id"]
    moves = (who["flow"] == "change_access") & ~who["person_id"].isin(lost["person_id"])
    if rewritten is not None:
        moves &= who["person_id"].isin(list(rewritten))
    moved = who.loc[moves, "person_id"]
    parts = [
        rows(leavers, "leavers", "leaves"),
        rows(accounts["person_id"], "disables", accounts["app"] + " account")[(~leaving).to_numpy()],
        rows(accounts["person_id"], "deletes", accounts["app"] + " account")[
            accounts["app"].isin(list(final)).to_numpy()
        ],
        rows(single["person_id"], "removals", single["app"] + ":" + single["entitlement"]),
        rows(moved, "changes", "attributes"),
    ]
    return pd.concat(parts, ignore_index=True)


def rows(people: pd.Series, kind: str, what: str | pd.Series) -> pd.DataFrame:
    """Effects of one kind."""
    text = what.to_numpy() if isinstance(what, pd.Series) else what
    return pd.DataFrame({"person_id": people.to_numpy(), "kind": kind, "what": text}, columns=EFFECT_COLUMNS).astype(
        "string"
    )


def weigh(who: pd.DataFrame, found: pd.DataFrame, of: int, limits: BlastRadius, rules_hash: str) -> Impact:
    """Who waits: everybody with an effect of a kind that too many of the `of` people have."""
    number = found.groupby("kind")["person_id"].nunique()
    count = {kind: int(number.get(kind, 0)) for kind in KINDS}
    over = [kind for kind, people in count.items() if not getattr(limits, kind).allows(people, of)]
    waits = who["person_id"].isin(found.loc[found["kind"].isin(over), "person_id"])
    titles = [f"{count[kind]} people would {KINDS[kind]} (limit {getattr(limits, kind).most(of)})" for kind in over]
    return impact(who[waits], found, rules_hash, "; ".join(titles))


def impact(who: pd.DataFrame, found: pd.DataFrame, rules_hash: str, title: str) -> Impact:
    """These people and their effects, for somebody to decide."""
    who = who.reset_index(drop=True)
    mine = found[found["person_id"].isin(who["person_id"])].reset_index(drop=True)
    if who.empty:
        return Impact(who, mine)
    return Impact(who, mine, title, told(who, mine, title), digest(who, mine, rules_hash))


def told(who: pd.DataFrame, found: pd.DataFrame, title: str) -> str:
    """The totals, and a table of the first people."""
    number = found.groupby("kind")["person_id"].nunique()
    totals = [f"- {int(number[kind])} {words}" for kind, words in KINDS.items() if kind in number.index]
    lines = [
        f"**{title}**",
        "",
        f"{len(who)} people wait:",
        *totals,
        "",
        "| person | user | what | lost |",
        "|---|---|---|---|",
    ]
    shown = who.head(SHOWN)
    mine = dict(list(found[found["person_id"].isin(shown["person_id"])].groupby("person_id")))
    nobody = found.head(0)
    for person_id, flow, user_name in zip(shown["person_id"], shown["flow"], shown["user_name"], strict=True):
        cells = (person_id, user_name, flow, lost(mine.get(person_id, nobody)))
        lines.append("| " + " | ".join(cell(str(c)) for c in cells) + " |")
    if len(who) > SHOWN:
        lines.append(f"\n… and {len(who) - SHOWN} people more.")
    return "\n".join(lines) + "\n"


def lost(found: pd.DataFrame) -> str:
    """`sso account, crm:Sales`, the same thing once."""
    names = list(dict.fromkeys(found["what"]))
    return ", ".join(names[:LOSSES_SHOWN]) + (
        f" and {len(names) - LOSSES_SHOWN} more" if len(names) > LOSSES_SHOWN else ""
    )


def cell(text: str) -> str:
    """On one line, without what ends a cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def digest(who: pd.DataFrame, found: pd.DataFrame, rules_hash: str) -> str:
    """sha256 of the people with their flows, the effects and the rules; the order of rows does not matter."""
    people: list[Any] = sorted(map(list, who[["person_id", "flow"]].astype(str).to_numpy().tolist()))
    effects: list[Any] = sorted(map(list, found[EFFECT_COLUMNS].astype(str).to_numpy().tolist()))
    return hashlib.sha256(canonical([rules_hash, people, effects])).hexdigest()
