"""The accounts an app has already, matched to HR's people: whose they are, and what would change. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mappings.access import Account, Target
from mappings.likeness import Pairs, blocked, named_alike
from mappings.people import tidy
from mappings.policies import Correlation
from mappings.vocabulary import AppRules

FOUND = "found at the first import"
"""Why something is held that was there before Rollcall."""
MAIL = ("{work_email}", "{user_name}", "{former_email}")
NAMES = {"{given_name}": "given_name", "{family_name}": "family_name", "{display_name}": "given_name"}
SERVICE = re.compile(
    r"(?<![a-z])(admin|root|svc|service|bot|api|sync|backup|scanner|printer|no-?reply|test|integration|shared|system)"
    r"(?![a-z])",
    re.IGNORECASE,
)
"""Words in names of accounts that nobody signs in with, or several do."""


@dataclass(frozen=True)
class People:
    """HR's people as accounts are matched to them, one row per human."""

    frame: pd.DataFrame
    here: frozenset[str]
    """Ids of those who should have access."""
    coming: frozenset[str]
    """Ids of those who have not begun."""
    ids: Mapping[str, str]
    """employee_id, that of a human's older records too -> the id in charge."""
    addresses: Mapping[str, frozenset[str]]
    """Address or user name, casefolded -> ids."""


@dataclass(frozen=True)
class Match:
    """An account that is somebody's for sure."""

    person_id: str
    account: Account
    how: str
    """employee number, or address."""


@dataclass(frozen=True)
class Doubt:
    """An account that may be somebody's."""

    account: Account
    why: str
    service: bool = False
    """Whether its name is that of a machine rather than of a human."""


@dataclass
class Report:
    """What one app has and should have."""

    app: str
    title: str
    accounts: int = 0
    matched: list[Match] = field(default_factory=list)
    """People who work here, or are to come, with their accounts."""
    leavers: list[Match] = field(default_factory=list)
    """Usable accounts of people who have left."""
    gone: list[Match] = field(default_factory=list)
    """Unusable ones."""
    changed: dict[str, list[str]] = field(default_factory=dict)
    """person_id -> what the next plan would change."""
    missing: list[str] = field(default_factory=list)
    """Ids of people who should have an account and have none."""
    orphaned: list[Doubt] = field(default_factory=list)
    """Accounts of nobody whom HR knows."""
    doubtful: list[Doubt] = field(default_factory=list)
    error: str = ""
    """Why the app could not be read."""


def matched(
    name: str, rules: AppRules, accounts: Sequence[Account], people: People, wanted: Mapping[str, Target]
) -> Report:
    """Whose each account is: by the employee number it carries, else by key or address; by name it is only doubtful.

    `wanted`: person_id -> the account as it should be. What an app lists without entitlements has to be read before
    `compare` can tell what would change.
    """
    report = Report(name, rules.title, len(accounts))
    found: dict[str, list[Match]] = {}
    strange: list[Account] = []
    for account in accounts:
        verdict = owner(account, rules, people)
        if isinstance(verdict, Match):
            found.setdefault(verdict.person_id, []).append(verdict)
        elif verdict is not None:
            report.doubtful.append(verdict)
        else:
            strange.append(account)
    for person_id, several in found.items():
        sort_in(report, person_id, several, people)
    sort_strangers(report, strange, rules, people)
    theirs = {m.person_id for m in (*report.matched, *report.leavers, *report.gone)}
    doubted = {d.account.id for d in report.doubtful}
    report.missing = sorted(p for p in wanted if p not in theirs and not claimed(p, found, doubted))
    return report


def claimed(person_id: str, found: Mapping[str, list[Match]], doubted: set[str]) -> bool:
    """Whether the person's account is among the doubtful ones."""
    return any(m.account.id in doubted for m in found.get(person_id, ()))


def owner(account: Account, rules: AppRules, people: People) -> Match | Doubt | None:
    """Whose the account is, why that is not sure, or nothing."""
    number = next((n for n in numbers(account, rules) if n), "")
    by_address = {id for word in addresses(account, rules) for id in people.addresses.get(word, ())}
    by_number = people.ids.get(number)
    if by_number and not by_address - {by_number}:
        return Match(by_number, account, "employee number")
    if by_number:
        return Doubt(account, f"carries the number of {by_number} and the address of {told(by_address)}")
    if number and by_address:
        return Doubt(
            account, f"carries the number {number}, which HR does not know, and the address of {told(by_address)}"
        )
    if len(by_address) > 1:
        return Doubt(account, f"{told(by_address)} have its address in HR")
    return Match(next(iter(by_address)), account, "address") if by_address else None


def told(ids: set[str]) -> str:
    """Several ids in words."""
    return " and ".join(sorted(ids))


def numbers(account: Account, rules: AppRules) -> Iterator[str]:
    """The employee numbers that the account carries."""
    yield from (account.attributes.get(f, "").strip() for f, t in rules.attributes.items() if t == "{employee_id}")


def addresses(account: Account, rules: AppRules) -> set[str]:
    """The addresses and user names that the account carries, casefolded."""
    fields = [f for f, template in rules.attributes.items() if template in MAIL]
    words = {account.key, *(account.attributes.get(f, "") for f in fields)}
    return {word.strip().casefold() for word in words} - {""}


def sort_in(report: Report, person_id: str, several: list[Match], people: People) -> None:
    """One account a person; where there are more, the one with the number, then the usable one."""
    best, *more = sorted(several, key=lambda m: (m.how != "employee number", not m.account.active))
    if more and rank(best) == rank(more[0]):
        report.doubtful += [Doubt(m.account, f"{person_id} has {len(several)} accounts") for m in several]
        return
    report.doubtful += [Doubt(m.account, f"{person_id} has another account, {best.account.key}") for m in more]
    if person_id in people.here | people.coming:
        report.matched.append(best)
    else:
        (report.leavers if best.account.active else report.gone).append(best)


def rank(match: Match) -> tuple[bool, bool]:
    """What makes one account likelier than another."""
    return match.how == "employee number", match.account.active


def sort_strangers(report: Report, accounts: list[Account], rules: AppRules, people: People) -> None:
    """Accounts of nobody: orphaned, or doubtful where a name in HR is alike."""
    alike = names_alike(accounts, rules, people)
    for number, account in enumerate(accounts):
        service = bool(SERVICE.search(re.sub(r"[._\d]", " ", account.key.partition("@")[0])))
        if number in alike and not service:
            report.doubtful.append(Doubt(account, f"the name is like that of {' and '.join(alike[number])}"))
        else:
            report.orphaned.append(Doubt(account, "HR knows nobody with its number or address", service))


def names_alike(accounts: list[Account], rules: AppRules, people: People) -> dict[int, list[str]]:
    """Number of an account -> ids of people with a name like its own."""
    if not accounts:
        return {}
    rows = [{"employee_id": a.id} | named(a, rules) for a in accounts]
    pairs = Pairs(tidy(pd.DataFrame(rows)), people.frame.reset_index(drop=True), {}, Correlation())
    n, k = blocked(pairs.new_names, pairs.other_names)
    found = pd.DataFrame({"n": n, "k": k}).drop_duplicates(ignore_index=True)
    good = found[(named_alike(pairs, found) >= pairs.rules.alike).to_numpy()]
    alike: dict[int, list[str]] = {}
    for number, id in zip(good["n"], people.frame["employee_id"].iloc[np.asarray(good["k"])], strict=True):
        alike.setdefault(int(number), []).append(str(id))
    return alike


def named(account: Account, rules: AppRules) -> dict[str, str]:
    """The name that an account shows, else the words of its key."""
    shown: dict[str, str] = {}
    for name, template in rules.attributes.items():
        if (part := NAMES.get(template)) and (word := account.attributes.get(name, "").strip()):
            shown.setdefault(part, word)
    return shown or {"given_name": re.sub(r"[._\d]+", " ", account.key.partition("@")[0]).strip()}


def compare(report: Report, rules: AppRules, wanted: Mapping[str, Target], entitlements: bool = True) -> None:
    """Note what the next plan would change at the matched accounts. `entitlements`: whether they were read."""
    for match in report.matched:
        target = wanted.get(match.person_id)
        if changes := list(differences(match.account, target, rules, entitlements)):
            report.changed[match.person_id] = changes


def differences(account: Account, target: Target | None, rules: AppRules, entitlements: bool) -> Iterator[str]:
    """What is not as the rules say, in words without values."""
    if target is None:
        if account.active:
            yield "no rule gives this account"
        return
    if not account.active:
        yield "the account is not usable"
    for name, value in target.attributes.items():
        there = account.attributes.get(name, "")
        if there != value and not (name == rules.key and there.casefold() == value.casefold()):
            yield f"{name} differs"
    if entitlements:
        yield from (f"lacks {name}" for name in sorted(set(target.entitlements) - account.entitlements))
        yield from (f"{name} by no rule" for name in sorted(account.entitlements - set(target.entitlements)))


def reasons(match: Match, target: Target | None) -> dict[str, str]:
    """What the account holds, "" for the account itself -> why, for the record."""
    explained = {"": target.why, **target.entitlements} if target else {}
    held = (["", *sorted(match.account.entitlements)]) if match.account.active else []
    return {name: f"{explained[name]} ({FOUND})" if name in explained else FOUND for name in held}


def as_dict(report: Report) -> dict[str, object]:
    """A report for programs."""
    lists = {
        "leavers": [shown(m.account) | {"person_id": m.person_id} for m in report.leavers],
        "orphaned": [shown(d.account) | {"service": d.service} for d in report.orphaned],
        "doubtful": [shown(d.account) | {"why": d.why} for d in report.doubtful],
    }
    counts = {"accounts": report.accounts, "matched": len(report.matched), "gone": len(report.gone)}
    known = {"app": report.app, "title": report.title, "error": report.error}
    return known | counts | lists | {"changed": report.changed, "missing": report.missing}


def shown(account: Account) -> dict[str, object]:
    """An account for programs: id, key and whether it is usable."""
    return {"id": account.id, "key": account.key, "active": account.active}
