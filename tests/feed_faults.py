"""What goes wrong with HR exports: a company of any size as a CSV export, its ordinary days, and a library of faults.

Faults take and give a raw frame (all text, as a source hands it over)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd

from mappings.vocabulary import Company, Contractors, Emails, HrSource

TODAY = date(2026, 3, 2)  # a Monday
YESTERDAY = TODAY - timedelta(days=1)
COLUMNS = {
    "employee_id": "No",
    "given_name": "First name",
    "family_name": "Last name",
    "work_email": "E-mail",
    "department": "Department",
    "title": "Title",
    "location": "Office",
    "manager_id": "Manager",
    "worker_type": "Contract",
    "employment_status": "Status",
    "hire_date": "Start",
    "last_day": "End",
}
SOURCE = HrSource(connector="csv", fields=COLUMNS)
COMPANY = Company(
    name="Larkspur", hr="csv", email=Emails(domain="larkspur.example"), contractors=Contractors(end_date="required")
)
GIVEN = ("Ana", "Bo", "Chidi", "Dagny", "Emre", "Fatou", "Goro", "Hana", "Ivo", "Jun", "Kofi", "Lena", "Mai", "Nils")
FAMILY = ("Moreau", "Lind", "Okafor", "Hansen", "Yilmaz", "Diop", "Sato", "Novak", "Petrov", "Park", "Mensah", "Vogt")
DEPARTMENTS = ("Sales", "Engineering", "Finance", "Operations", "People", "Support", "Legal")
TITLES = ("Clerk", "Analyst", "Lead", "Engineer", "Accountant", "Buyer", "Recruiter", "Counsel")
OFFICES = ("Berlin", "Lisbon", "Denver", "Auckland")


def export(size: int, seed: int = 1, first_id: int = 1000) -> pd.DataFrame:
    """A company's export: nine in ten work there, the others left; the seventh part are contractors with an end."""
    dice = np.random.default_rng(seed)
    ids = [str(first_id + n) for n in range(size)]
    number = np.arange(size)
    started = [date(2015, 1, 5) + timedelta(days=int(d)) for d in dice.integers(0, 3900, size)]
    left = (number % 10 == 9).tolist()
    contractor = (number % 7 == 3).tolist()
    ends = [str(started[n] + timedelta(days=90)) if left[n] else "2027-06-30" if contractor[n] else "" for n in number]
    frame = pd.DataFrame(
        {
            "No": ids,
            "First name": pick(dice, GIVEN, size),
            "Last name": [f"{name}{n // 12}" for n, name in enumerate(pick(dice, FAMILY, size))],
            "E-mail": [f"p{key}@larkspur.example" for key in ids],
            "Department": pick(dice, DEPARTMENTS, size),
            "Title": pick(dice, TITLES, size),
            "Office": pick(dice, OFFICES, size),
            "Manager": ["" if n == 0 else ids[n // 8] for n in number],
            "Contract": ["contractor" if c else "employee" for c in contractor],
            "Status": ["terminated" if gone else "active" for gone in left],
            "Start": [str(day) for day in started],
            "End": ends,
        }
    )
    return raw(frame)


def pick(dice: np.random.Generator, words: tuple[str, ...], size: int) -> list[str]:
    return [words[n] for n in dice.integers(0, len(words), size)]


def raw(frame: pd.DataFrame) -> pd.DataFrame:
    """With the row numbers of a file."""
    return frame.astype("string").set_axis(pd.RangeIndex(2, 2 + len(frame), name="row"))


def working(frame: pd.DataFrame) -> pd.Series:
    return frame["Status"] == "active"


# ordinary days


def some(frame: pd.DataFrame, number: int, seed: int, start: int = 1) -> pd.Index:
    """Rows of so many of those who work there, the boss aside."""
    rows = frame.index[working(frame) & (frame["End"] == "")][start:]
    return pd.Index(np.random.default_rng(seed).permutation(rows)[:number])


def joined(frame: pd.DataFrame, number: int, seed: int = 5) -> pd.DataFrame:
    """So many new people who start today."""
    new = export(max(number * 2, 20), seed, first_id=900_000)
    new = new[working(new) & (new["End"] == "")].head(number)
    new = new.assign(Start=str(TODAY), Manager=frame["No"].iloc[0], Status="active")
    return raw(pd.concat([frame, new], ignore_index=True))


def left(frame: pd.DataFrame, rows: pd.Index) -> pd.DataFrame:
    """These people's last day was yesterday."""
    frame = frame.copy()
    frame.loc[rows, "End"] = str(YESTERDAY)
    return frame


def moved(frame: pd.DataFrame, rows: pd.Index) -> pd.DataFrame:
    """These people have the next department and another title."""
    frame = frame.copy()
    after = dict(zip(DEPARTMENTS, DEPARTMENTS[1:] + DEPARTMENTS[:1], strict=True))
    frame.loc[rows, "Department"] = frame.loc[rows, "Department"].map(after)
    frame.loc[rows, "Title"] = "Senior " + frame.loc[rows, "Title"]
    return frame


def monday(frame: pd.DataFrame, seed: int = 3) -> pd.DataFrame:
    """2 % leave, 3 % join, 5 % move."""
    size = int(working(frame).sum())
    rows = some(frame, round(size * 0.07), seed)
    leaving, moving = rows[: max(1, round(size * 0.02))], rows[max(1, round(size * 0.02)) :]
    return joined(moved(left(frame, leaving), moving), max(1, round(size * 0.03)))


def retitled(frame: pd.DataFrame, share: float = 0.4) -> pd.DataFrame:
    """The yearly promotions."""
    frame = frame.copy()
    rows = frame.index[: int(len(frame) * share)]
    frame.loc[rows, "Title"] = "Senior " + frame.loc[rows, "Title"]
    return frame


# faults


def truncated(frame: pd.DataFrame) -> pd.DataFrame:
    """The transfer broke off after four fifths, in the middle of a line."""
    kept = frame.head(len(frame) * 4 // 5).copy()
    kept.iloc[-1, 2:] = ""
    return kept


def half(frame: pd.DataFrame) -> pd.DataFrame:
    """One of two pages."""
    return frame.head(len(frame) // 2)


def every_other(frame: pd.DataFrame) -> pd.DataFrame:
    """Half the people, from everywhere."""
    return raw(frame.iloc[::2])


def shifted(frame: pd.DataFrame) -> pd.DataFrame:
    """From the department on every value stands one column further right."""
    names = list(COLUMNS.values())
    at = names.index("Department")
    values = frame[names].to_numpy()
    values[:, at + 1 :], values[:, at] = values[:, at:-1].copy(), ""
    return frame.assign(**{name: values[:, n] for n, name in enumerate(names)}).astype("string")


def shifted_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Title and office have changed places, and so have department and title: nothing is unreadable."""
    return frame.assign(Department=frame["Title"], Title=frame["Office"], Office=frame["Department"])


def null_department(frame: pd.DataFrame) -> pd.DataFrame:
    """A column without values."""
    return frame.assign(Department=pd.array([""] * len(frame), dtype="string"))


def null_status(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(Status=pd.array([""] * len(frame), dtype="string"), End="")


def null_start(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(Start=pd.array([""] * len(frame), dtype="string"))


def some_without_department(frame: pd.DataFrame) -> pd.DataFrame:
    """A department's name was deleted in HR: a seventh of the people have none."""
    return frame.assign(Department=frame["Department"].mask(frame["Department"] == frame["Department"].iloc[1], ""))


def page_twice(frame: pd.DataFrame) -> pd.DataFrame:
    """The second page came twice, the third one never."""
    third = len(frame) // 3
    pages = [frame.iloc[: 2 * third], frame.iloc[third : 2 * third]]
    return raw(pd.concat(pages, ignore_index=True))


def page_again(frame: pd.DataFrame) -> pd.DataFrame:
    """All pages came, one of them twice."""
    return raw(pd.concat([frame, frame.iloc[: len(frame) // 3]], ignore_index=True))


def wrong_company(frame: pd.DataFrame) -> pd.DataFrame:
    """A sister company's file."""
    return export(len(frame), seed=99, first_id=500_000)


def wrong_company_same_ids(frame: pd.DataFrame) -> pd.DataFrame:
    """A sister company's file, and it numbers its people alike."""
    other = export(len(frame), seed=99)
    return other.assign(**{"Last name": "O" + other["Last name"]})


def starts_moved(frame: pd.DataFrame) -> pd.DataFrame:
    """All hire dates a century ahead: a two-digit year misread."""
    return frame.assign(Start=frame["Start"].str.replace(r"^20", "21", regex=True))


def starts_moved_a_little(frame: pd.DataFrame) -> pd.DataFrame:
    """All hire dates eleven years ahead."""
    return frame.assign(Start=frame["Start"].map(lambda day: str(int(day[:4]) + 11) + day[4:]).astype("string"))


def all_over(frame: pd.DataFrame) -> pd.DataFrame:
    """A word of the status table was mistranslated: everybody is terminated."""
    return frame.assign(Status=pd.array(["terminated"] * len(frame), dtype="string"))


def empty(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.head(0)


FAULTS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    fault.__name__: fault
    for fault in (
        truncated,
        half,
        every_other,
        shifted,
        shifted_words,
        null_department,
        null_status,
        null_start,
        some_without_department,
        page_twice,
        page_again,
        wrong_company,
        wrong_company_same_ids,
        starts_moved,
        starts_moved_a_little,
        all_over,
        empty,
    )
}


def as_csv(frame: pd.DataFrame) -> str:
    """The export as a file's text."""
    return str(frame.to_csv(index=False))
