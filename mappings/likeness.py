"""Records that look alike: by an equal value, by name, by what else is known. Vectorised over pairs of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from rapidfuzz import fuzz, process

from mappings.naming import latin
from mappings.people import EXTRA, person_of
from mappings.policies import Correlation

BIRTH = re.compile(r"birth|born|dob|geburt|nasc|naiss", re.IGNORECASE)
"""Names of extras that tell when somebody was born."""
BLOCK = 2_000
"""New records compared at once."""
PREFIX = 3
"""Letters of one part of a name that must be equal, besides the first letter of another part."""
Rows = npt.NDArray[np.int64]


class Pairs:
    """New records and the older ones they are compared with."""

    def __init__(self, new: pd.DataFrame, others: pd.DataFrame, newest: Mapping[str, str], rules: Correlation) -> None:
        self.new, self.others, self.newest, self.rules = new, others, newest, rules

    @cached_property
    def new_names(self) -> pd.DataFrame:
        return names_of(self.new)

    @cached_property
    def other_names(self) -> pd.DataFrame:
        return names_of(self.others)

    def ids(self, n: Rows, k: Rows) -> pd.DataFrame:
        """Pairs by id, as rows of new and of others; the older record is told by the newest of its human."""
        old = [self.newest.get(id, id) for id in self.others["employee_id"].iloc[k]]
        frame = pd.DataFrame({"n": n, "k": k, "person_id": self.new["employee_id"].iloc[n].to_numpy(), "same_as": old})
        return frame[(frame["person_id"] != frame["same_as"]) & self.older(n, k)].reset_index(drop=True)

    def older(self, n: Rows, k: Rows) -> npt.NDArray[np.bool_]:
        """Whether the other record is the older of the two: began earlier, or, where that does not tell, was there
        earlier."""
        mine, theirs = (f["hire_date"].to_numpy()[at] for f, at in ((self.new, n), (self.others, k)))
        untold = (mine == theirs) | np.isnat(mine) | np.isnat(theirs)
        return np.asarray((theirs < mine) | (untold & (k < len(self.others) - len(self.new) + n)))

    def same_key(self) -> pd.DataFrame:
        """Pairs with an equal value in one of the keys: n, k, person_id, same_as, key, value."""
        found = []
        for key in self.rules.keys:
            n, k = equal(self.new, self.others, key)
            pairs = self.ids(n, k)
            found.append(pairs.assign(key=key, value=self.new[key].iloc[pairs["n"]].to_numpy() if len(pairs) else ""))
        return pd.concat(found, ignore_index=True).drop_duplicates(["person_id", "same_as"], ignore_index=True)

    def apart(self, n: Rows, k: Rows) -> npt.NDArray[np.bool_]:
        """Whether the older record ended before, or around, the new one's start."""
        start, end = self.new["hire_date"].to_numpy()[n], self.others["last_day"].to_numpy()[k]
        gone = self.others["employment_status"].fillna("").eq("terminated").to_numpy(dtype=bool)[k]
        around = np.timedelta64(self.rules.bridge_days, "D")
        return np.asarray((end < start + around) | (np.isnat(end) & gone))


def equal(left: pd.DataFrame, right: pd.DataFrame, name: str) -> tuple[Rows, Rows]:
    """Rows of both frames that have the same word in a column; without case and surrounding blanks."""
    if name not in left or name not in right:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    mine, theirs = (numbered(frame[name].astype("string")) for frame in (left, right))
    both = mine.merge(theirs, on="word", suffixes=("_n", "_k"))
    return both["at_n"].to_numpy(dtype=np.int64), both["at_k"].to_numpy(dtype=np.int64)


def numbered(column: pd.Series) -> pd.DataFrame:
    """The words of a column with their row numbers; no empty ones."""
    frame = pd.DataFrame({"word": column.str.strip().str.casefold().to_numpy(), "at": np.arange(len(column))})
    return frame[frame["word"].notna() & (frame["word"] != "")]


def named_with(pairs: Pairs) -> pd.DataFrame:
    """Pairs that may be one human: the columns of Pairs.ids, score (of 100), mail and birth (bool)."""
    n, k = candidates(pairs)
    found = pairs.ids(n, k)
    found = found[pairs.apart(found["n"].to_numpy(), found["k"].to_numpy())].reset_index(drop=True)
    mail, birth, other = evidence(pairs, found)
    score, part = named_alike(pairs, found), score_parts(pairs, found)
    alike = pairs.rules.alike
    keep = ((score >= alike) | (mail & (part >= alike)) | (birth & (part >= alike)) | (mail & birth)) & ~other
    return found.assign(score=score, mail=mail, birth=birth)[keep.to_numpy(dtype=bool)]


def candidates(pairs: Pairs) -> tuple[Rows, Rows]:
    """Rows worth comparing: a part of the name in common, the private e-mail, or the date of birth."""
    ended = pairs.others["last_day"].notna() | pairs.others["employment_status"].fillna("").eq("terminated")
    old = pairs.others[ended]
    at = np.flatnonzero(ended.to_numpy(dtype=bool))
    both = [blocked(pairs.new_names, pairs.other_names[pairs.other_names["at"].isin(at)])]
    for name in ["personal_email", *births(pairs.new)]:
        n, k = equal(pairs.new, old, name)
        both.append((n, at[k]))
    pairs_at = np.unique(np.concatenate([n * len(pairs.others) + k for n, k in both]))
    return pairs_at // max(1, len(pairs.others)), pairs_at % max(1, len(pairs.others))


def blocked(new: pd.DataFrame, old: pd.DataFrame) -> tuple[Rows, Rows]:
    """Rows of which two parts of the name begin alike."""
    theirs = keyed(old)
    found = []
    for start in range(0, len(new), BLOCK):
        both = keyed(new.iloc[start : start + BLOCK]).merge(theirs, on="key", suffixes=("_n", "_k"))
        found.append(both[["at_n", "at_k"]].drop_duplicates().to_numpy(dtype=np.int64))
    rows = np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)
    return rows[:, 0], rows[:, 1]


def keyed(names: pd.DataFrame) -> pd.DataFrame:
    """One line per row and block that it belongs to."""
    pairs = [(key, at) for parts, at in zip(names["parts"], names["at"], strict=True) for key in set(keys(parts))]
    return pd.DataFrame(pairs, columns=["key", "at"])


def keys(parts: list[str]) -> Iterator[str]:
    """`maria garcia` -> `mar g`, `gar m`: two spellings of one name share one of them."""
    yield from (f"{one[:PREFIX]} {other[0]}" for one, other in permutations(parts, 2))
    yield from (one for one in parts if len(parts) == 1)


def names_of(people: pd.DataFrame) -> pd.DataFrame:
    """Names as they are compared, one line per row and way it is called: at, parts, whole, forward, backward,
    given, family."""
    family = spelled(people["family_name"])
    ways = []
    for name in ("given_name", "preferred_name"):
        given = spelled(people[name])
        ways.append(pd.DataFrame({"at": np.arange(len(people)), "given": given, "family": family}))
    lines = pd.concat([ways[0], ways[1][ways[1]["given"] != ""]], ignore_index=True)
    lines["parts"] = [sorted(f"{g} {f}".split()) for g, f in zip(lines["given"], lines["family"], strict=True)]
    lines["whole"] = [" ".join(parts) for parts in lines["parts"]]
    lines["forward"] = (lines["given"] + lines["family"]).str.replace(" ", "")
    lines["backward"] = (lines["family"] + lines["given"]).str.replace(" ", "")
    return lines


def spelled(column: pd.Series) -> list[str]:
    """Each name in ASCII, its parts apart; every distinct one is looked at once."""
    codes, words = pd.factorize(column.fillna(""))
    plain = [" ".join(re.sub(r"[^a-z0-9 ]", "", latin(word).replace("-", " ")).split()) for word in words]
    return [plain[code] for code in codes]


def named_alike(pairs: Pairs, found: pd.DataFrame) -> pd.Series:
    """How alike the names are, of 100: given and family name in any order, blanks and accents aside."""
    ways = [("whole", "whole"), ("forward", "forward"), ("forward", "backward")]
    return best(pairs, found, ways)


def score_parts(pairs: Pairs, found: pd.DataFrame) -> pd.Series:
    """How alike the given names are, or the family names, whichever is more."""
    return best(pairs, found, [("given", "given"), ("family", "family")])


def best(pairs: Pairs, found: pd.DataFrame, ways: list[tuple[str, str]]) -> pd.Series:
    """The best score of each pair over these columns and the ways the two are called."""
    lines = pd.DataFrame({"pair": np.arange(len(found)), "at_n": found["n"].to_numpy(), "at_k": found["k"].to_numpy()})
    both = lines.merge(pairs.new_names, left_on="at_n", right_on="at").merge(
        pairs.other_names, left_on="at_k", right_on="at", suffixes=("", "_old")
    )
    scores = [
        process.cpdist(both[one].tolist(), both[f"{other}_old"].tolist(), scorer=fuzz.ratio, dtype=np.float32)
        * (both[one] != "").to_numpy(dtype=bool)
        for one, other in ways
    ]
    top = pd.Series(np.max(scores, axis=0) if len(both) else [], dtype="float32").groupby(both["pair"].to_numpy()).max()
    return top.reindex(range(len(found)), fill_value=0.0).astype("float64")


def evidence(pairs: Pairs, found: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Whether two records have the same private e-mail, the same date of birth, or two different ones."""
    mail, _ = compared(pairs, found, "personal_email")
    birth, other = pd.Series(False, found.index), pd.Series(False, found.index)
    for name in births(pairs.new):
        agrees, contradicts = compared(pairs, found, name)
        birth, other = birth | agrees, other | contradicts
    return mail, birth, other


def compared(pairs: Pairs, found: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series]:
    """Row by row, whether both have a value and it is equal; and whether both have one and it is not."""
    if name not in pairs.new or name not in pairs.others:
        return pd.Series(False, found.index), pd.Series(False, found.index)
    mine, theirs = (
        frame[name].astype("string").iloc[found[at]].str.strip().str.casefold().fillna("").to_numpy(dtype=object)
        for frame, at in ((pairs.new, "n"), (pairs.others, "k"))
    )
    both = (mine != "") & (theirs != "")
    return pd.Series(both & (mine == theirs), found.index), pd.Series(both & (mine != theirs), found.index)


def births(people: pd.DataFrame) -> list[str]:
    """Columns with a date of birth."""
    return [c for c in people.columns if c.startswith(EXTRA) and BIRTH.search(c)]


def told(pairs: Pairs, row: Any) -> str:
    """What two records have in common, in words."""
    old = person_of({str(k): v for k, v in pairs.others.iloc[row.k].items()})
    gone = f", last day {old.last_day}" if old.last_day else ""
    more = [w for w, hit in (("the same private e-mail", row.mail), ("the same date of birth", row.birth)) if hit]
    alike = f"the names are alike ({row.score:.0f} of 100)"
    parts = [alike if row.score >= pairs.rules.alike else "", *more]
    return f"may be {old.display_name} ({old.employee_id}{gone}) come back: {', '.join(filter(None, parts))}"
