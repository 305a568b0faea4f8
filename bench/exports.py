"""Two HR exports of one fictional company, made from a seed: the day before, and today with 300 changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mappings.folder import Rules, read_folder

GIVEN = ("Ana", "Björn", "Chloé", "Đức", "Elif", "Femi", "Guðrún", "Hana", "Ivo", "Jürgen", "Kofi", "Łucja", "Mei")
FAMILY = ("Abramowicz", "Brennan", "Castaño", "D'Arcy", "Eriksen", "Fuchs", "García", "Huynh", "Ito", "O'Neill")
PLACES = {
    "Berlin": ("Germany", "Europe/Berlin"),
    "Lisbon": ("Portugal", "Europe/Lisbon"),
    "Auckland": ("New Zealand", "Pacific/Auckland"),
    "Denver": ("United States", "America/Denver"),
    "Osaka": ("Japan", "Asia/Tokyo"),
    "Lagos": ("Nigeria", "Africa/Lagos"),
    "Montevideo": ("Uruguay", "America/Montevideo"),
    "Tromsø": ("Norway", "Europe/Oslo"),
}
"""City -> country, time zone."""
CITIES, COUNTRIES = tuple(PLACES), tuple(country for country, _ in PLACES.values())
DEPARTMENTS = tuple(
    f"{kind} {place}".strip()
    for place in ("", "North", "South", "East", "West")
    for kind in ("Sales", "Support", "Engineering", "Finance", "People", "Logistics", "Legal", "Research")
)
TITLES = tuple(f"{level} {job}" for level in ("Junior", "Senior", "Lead") for job in ("Analyst", "Clerk", "Engineer"))
CHANGES = 300
TODAY = pd.Timestamp("2026-03-02")
FIELDS = {
    "employee_id": "Employee number",
    "given_name": "First name",
    "family_name": "Last name",
    "preferred_name": "Known as",
    "work_email": "Work e-mail",
    "personal_email": "Private e-mail",
    "department": "Department",
    "title": "Job title",
    "location": "Office",
    "country": "Country",
    "manager_id": "Manager number",
    "worker_type": "Contract",
    "employment_status": "Status",
    "hire_date": "Start date",
    "last_day": "Last day",
    "cost_center": "Cost centre",
    "company": "Legal entity",
    "extra.floor": "Floor",
    "extra.badge": "Badge",
}
"""Person attribute -> column. The twentieth column, `Phone`, is not mapped."""


def yesterday(people: int, random: np.random.Generator) -> pd.DataFrame:
    """An export of this many people, by attribute and all text; a tenth began or ended some time."""
    number = np.arange(people)
    ids = pd.Series(number + 1).astype(str).str.zfill(7)
    place = random.integers(0, len(CITIES), people)
    frame = pd.DataFrame({"employee_id": ids})
    frame["given_name"] = random.choice(GIVEN, people)
    frame["family_name"] = random.choice(FAMILY, people) + np.where(number % 3, "", "-Lindqvist")
    frame["preferred_name"] = np.where(number % 9, "", "Robin")
    frame["work_email"] = "person" + ids + "@larkspur.example"
    frame["personal_email"] = "p" + ids + "@post.example"
    frame["department"] = random.choice(DEPARTMENTS, people)
    frame["title"] = random.choice(TITLES, people)
    frame["location"], frame["country"] = np.take(CITIES, place), np.take(COUNTRIES, place)
    frame["manager_id"] = ids.take(number // 12).to_numpy()
    frame["worker_type"] = random.choice(("Permanent", "Freelance"), people, p=(0.93, 0.07))
    frame["employment_status"] = random.choice(("Working", "On leave"), people, p=(0.97, 0.03))
    hired = TODAY - pd.to_timedelta(random.integers(30, 9000, people), unit="D")
    ended = hired + pd.to_timedelta(random.integers(200, 900, people), unit="D")
    gone = (number % 10 == 7) & (ended < TODAY - pd.Timedelta(days=2))
    frame["hire_date"] = hired.strftime("%d/%m/%Y")
    frame["last_day"] = np.where(gone, ended.strftime("%d/%m/%Y"), "")
    frame["cost_center"] = random.integers(1000, 1200, people).astype(str)
    frame["company"] = np.where(number % 4, "Larkspur GmbH", "Larkspur Ltd")
    frame["extra.floor"] = random.integers(0, 30, people).astype(str)
    frame["extra.badge"] = "B" + ids
    return frame.assign(Phone="+00 555 " + ids)


def today(before: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """The export a day later: 75 joiners, movers, leavers and people with a new name each; rows in another order."""
    share, working = CHANGES // 4, before.index[before["last_day"] == ""].to_numpy()
    movers, leavers, renamed = np.split(random.choice(working, 3 * share, replace=False), 3)
    after = before.copy()
    after.loc[movers, "department"] = "Founders' Office"
    after.loc[leavers, "last_day"] = (TODAY - pd.Timedelta(days=1)).strftime("%d/%m/%Y")
    after.loc[renamed, "family_name"] = "Nguyễn-Þórsson"
    joiners = before.iloc[:share].assign(hire_date=TODAY.strftime("%d/%m/%Y"), last_day="", work_email="")
    joiners["employee_id"] = "N" + joiners["employee_id"]
    joiners["extra.badge"] = "N" + joiners["extra.badge"]
    return pd.concat([joiners, after]).sample(frac=1, random_state=7)


def write(folder: Path, people: int) -> tuple[Path, Path]:
    """Both exports as comma-separated files of twenty columns; returns their paths."""
    random = np.random.default_rng(people)
    before = yesterday(people, random)
    paths = folder / "yesterday.csv", folder / "today.csv"
    for path, frame in zip(paths, (before, today(before, random)), strict=True):
        frame.rename(columns=FIELDS).to_csv(path, index=False)
    return paths


COMPANY = """\
name: Larkspur
hr: export
time_zone: Europe/Berlin
email: {domain: larkspur.example, pattern: ["{given_name}.{family_name}"]}
worker_types: [employee, contractor]
locations:
"""
HR = """\
connector: csv
dates: "%d/%m/%Y"
nulls: ["", "NULL", "n/a"]
values:
  worker_type: {Permanent: employee, Freelance: contractor}
  employment_status: {Working: active, On leave: leave}
options: {path: today.csv}
fields:
"""
APP = """\
title: NAME
tier: TIER
connector: manual
owner: it@larkspur.example
key: email
attributes: {email: "{work_email}", name: "{display_name}", title: "{title}", team: "{department}"}
"""
APPS = {"sso": "sso", "directory": "idp"} | {f"app{n}": "app" for n in range(8)}


def mappings(folder: Path) -> Rules:
    """A mappings folder of 10 apps and 50 playbooks, written and read."""
    for kind in ("hr", "apps", "playbooks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    cities = "".join(f"  {city}: {{time_zone: {zone}}}\n" for city, (_, zone) in PLACES.items())
    (folder / "company.yaml").write_text(COMPANY + cities)
    (folder / "hr" / "export.yaml").write_text(HR + "".join(f"  {k}: {v}\n" for k, v in FIELDS.items()))
    for name, tier in APPS.items():
        (folder / "apps" / f"{name}.yaml").write_text(APP.replace("NAME", name).replace("TIER", tier))
    for number, text in enumerate(playbooks()):
        (folder / "playbooks" / f"book{number:02}.yaml").write_text(text)
    return read_folder(folder)


def playbooks() -> list[str]:
    """Everybody's, one for each department, one for each city, and the contractors'."""
    books = ['title: Everyone\ngive: [sso, "sso:Everyone", "directory:{department}", "sso:{location}"]\n']
    for number, department in enumerate(DEPARTMENTS):
        give = f'["app{number % 8}:{department}", "app{(number + 3) % 8}"]'
        books.append(f"title: {department} Playbook\nwho: {{department: {department}}}\ngive: {give}\n")
    books += [f"title: {c} Office\nwho: {{location: {c}}}\ngive: ['directory:doors {c}']\n" for c in CITIES]
    return [*books, "title: Contractors\nwho: {worker_type: contractor}\ngive: ['sso:External']\n"]
