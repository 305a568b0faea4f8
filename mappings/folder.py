"""Reads a mappings folder: company.yaml, hr/*.yaml, apps/*.yaml, playbooks/*.yaml, shadow/*.yaml. Every mistake is
told with file, line and word, and all of them at once."""

from __future__ import annotations

import hashlib
import os
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mappings.day import is_zone
from mappings.people import COLUMNS
from mappings.policies import ShadowSource
from mappings.vocabulary import DERIVED, PLACE, AppRules, Company, HrSource, Playbook, Tier
from mappings.words import Words, suggest
from mappings.workdays import is_calendar

Model = TypeVar("Model", bound=Words)
EMPLOYMENT = ("active", "leave", "terminated")
"""What a source's words for the employment status may mean."""
NEEDED = {
    "string_type": "text is needed",
    "tuple_type": "a list is needed, like [one, two]",
    "dict_type": "words with values are needed, like {word: value}",
    "model_type": "words with values are needed, like {word: value}",
    "time_parsing": 'a time is needed, like "08:30"',
    "time_type": 'a time is needed, like "08:30"',
    "date_from_datetime_parsing": "a date is needed, like 2026-03-31",
    "date_type": "a date is needed, like 2026-03-31",
}
"""Pydantic's kinds of error in words of YAML."""
ASKED = ("entitlement", "id", "title", "attributes")
"""Further places that instructions may have."""


class RulesError(Exception):
    """The mappings folder cannot be used; `problems` has a line for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class Rules:
    """A company's mappings, read and checked."""

    folder: Path
    company: Company
    hr: HrSource
    apps: dict[str, AppRules]
    playbooks: dict[str, Playbook]
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """App -> all apps whose steps come first, from tiers and `needs`."""
    hash: str = ""
    """SHA-256 over the files' contents."""
    shadow: dict[str, ShadowSource] = field(default_factory=dict)
    """Tables of apps that Rollcall does not manage."""


def read_folder(folder: Path) -> Rules:
    """Read and check a mappings folder; raises RulesError naming every mistake. Unchanged files are read once."""
    return read_once(folder, stamp(folder))


def stamp(folder: Path) -> str:
    """A hash of all there is in the folder's files."""
    files = sorted(p for p in folder.rglob("*.y*ml") if p.is_file() and os.access(p, os.R_OK))
    return hashlib.sha256(b"".join(bytes(p) + b"\0" + p.read_bytes() + b"\0" for p in files)).hexdigest()


@lru_cache(maxsize=8)
def read_once(folder: Path, _: str) -> Rules:
    """The rules of a folder as it stands."""
    reader = Reader(folder)
    company = reader.one("company.yaml", Company)
    hr = reader.all("hr", HrSource)
    apps = reader.all("apps", AppRules)
    playbooks = reader.all("playbooks", Playbook)
    shadow = reader.all("shadow", ShadowSource)
    if company is not None:
        reader.problems += check(reader, company, hr, apps, playbooks)
    for name, source in shadow.items():
        reader.problems += check_shadow(reader, f"shadow/{name}.yaml", source)
    if reader.problems or company is None:
        raise RulesError(sorted(reader.problems, key=in_order))
    return Rules(folder, company, hr[company.hr], apps, playbooks, prerequisites(apps), reader.digest(), shadow)


def in_order(problem: str) -> tuple[str, int, str]:
    """Problems go by file, then by line."""
    file, _, rest = problem.partition(":")
    number = rest.partition(":")[0]
    return file, int(number) if number.isdigit() else 0, problem


class Reader:
    """Reads files of one folder and keeps the problems, the texts and the lines of their words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []
        self.texts: dict[str, str] = {}
        self.trees: dict[str, Any] = {}

    def one(self, name: str, model: type[Model]) -> Model | None:
        """The file `name` as a model, or None with the problems noted."""
        if not self.load(name):
            return None
        try:
            return model.model_validate(plain(self.trees[name]))
        except ValidationError as error:
            self.problems += [describe(name, self.texts[name], self.trees[name], model, e) for e in error.errors()]
        return None

    def load(self, name: str) -> bool:
        """Read the file `name` as YAML; False, with the problem noted, where it cannot be."""
        try:
            self.texts[name] = (self.folder / name).read_text(encoding="utf-8")
            self.trees[name] = YAML(typ="rt").load(self.texts[name])
            return True
        except FileNotFoundError:
            self.problems.append(f"{name}: no such file in {self.folder}; `rollcall init` makes a folder to start from")
        except OSError as error:
            self.problems.append(f"{name}: cannot be read: {error.strerror or error}")
        except UnicodeDecodeError as error:
            self.problems.append(f"{name}{line_of_byte(error)}: not UTF-8 text (byte {error.start}); save it as UTF-8")
        except (MarkedYAMLError, YAMLError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            problem = str(getattr(error, "problem", None) or error).splitlines()[0]
            self.problems.append(f"{name}{line}: not YAML: {problem}")
        except ValueError as error:  # ruamel's, of a date that no calendar has
            self.problems.append(f"{name}{impossible_date(self.texts[name])}: {error}")
        return False

    def all(self, kind: str, model: type[Model]) -> dict[str, Model]:
        """All files of one kind by their names without the ending."""
        found = {n: self.one(f"{kind}/{n}.yaml", model) for n in self.names(kind)}
        return {name: words for name, words in found.items() if words is not None}

    def names(self, kind: str) -> list[str]:
        """The names, without the ending, of the files of one kind."""
        files = sorted(p.name for p in (self.folder / kind).glob("*.y*ml"))
        self.problems += [f"{kind}/{n}: the ending is .yaml; rename it" for n in files if not n.endswith(".yaml")]
        return [n.removesuffix(".yaml") for n in files if n.endswith(".yaml")]

    def line(self, name: str, *loc: str | int) -> str:
        """`file:line` of what stands at `loc` in the file."""
        return f"{name}:{line_of(self.trees.get(name), loc)}"

    def digest(self) -> str:
        """SHA-256 over names and texts."""
        whole = "".join(f"{name}\0{text}\0" for name, text in sorted(self.texts.items()))
        return hashlib.sha256(whole.encode()).hexdigest()


def plain(tree: Any) -> Any:
    """Plain dicts and lists out of ruamel's, for pydantic."""
    if isinstance(tree, dict):
        return {str(k): plain(v) for k, v in tree.items()}
    return [plain(v) for v in tree] if isinstance(tree, list) else tree


def first_line(lines: list[str], word: str) -> str:
    """`:number` of the first line where `word` stands by itself, or nothing."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
    return next((f":{n}" for n, text in enumerate(lines, 1) if pattern.search(text)), "")


def impossible_date(text: str) -> str:
    """`:number: found 2026-02-30` for the first date in the text that is none, or nothing."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in re.findall(r"\b\d{4}-\d{1,2}-\d{1,2}\b", line):
            try:
                date(*map(int, found.split("-")))
            except ValueError:
                return f":{number}: found {found}"
    return ""


def line_of_byte(error: UnicodeDecodeError) -> str:
    """`:number` of the line that cannot be decoded."""
    number = error.object.count(b"\n", 0, error.start) + 1
    return f":{number}"


def describe(name: str, text: str, tree: Any, model: type[BaseModel], error: Any) -> str:
    """One pydantic error as `file:line: what; known words; the closest one`."""
    if not isinstance(tree, CommentedMap):
        wanted = ", ".join(word for word, field in model.model_fields.items() if field.is_required())
        found = "the file is empty" if tree is None else "not a mapping of words to values"
        return f"{name}:1: {found}; it needs the words {wanted}"
    loc = tuple(part for part in error["loc"] if part != "[key]")  # pydantic's way to say: the key, not its value
    where = f"{name}:{line_of(tree, loc)}"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown word {loc[-1]!r}; {suggest(str(loc[-1]), known_words(model, loc[:-1]))}"
    path = ".".join(written(tree, loc))
    if error["type"] == "missing":
        return f"{where}: the word {'.'.join(map(str, loc))!r} is missing"
    message = said(error)
    if not loc and (quoted := re.search(r"'([^']+)'", message)):
        where = name + (first_line(text.splitlines(), quoted[1]) or ":1")
    return f"{where}: {path + ': ' if path else ''}{message}"


def said(error: Any) -> str:
    """What is wrong with a value, and what stood there."""
    kind, found = error["type"], error["input"]
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in ("enum", "literal_error"):
        return f"unknown word {found!r}; known words are {error['ctx']['expected']}"
    message: str = NEEDED.get(kind, error["msg"])
    hint = "; write it in quotes" if kind == "string_type" and isinstance(found, (int, float, date)) else ""
    return message + ("" if isinstance(found, (dict, list, tuple)) else f" (found {found!r}{hint})")


def written(tree: Any, loc: tuple[Any, ...]) -> list[str]:
    """The parts of `loc` that stand in the file: one word may be written where a list is meant."""
    found = []
    for part in loc:
        if not isinstance(tree, (CommentedMap, CommentedSeq)):
            break
        found.append(str(part))
        tree = tree[part] if not isinstance(tree, CommentedMap) or part in tree else None
    return found


def line_of(tree: Any, loc: tuple[Any, ...]) -> int:
    """The line, from 1, of the deepest part of `loc` that stands in the file."""
    line = 1
    for part in loc:
        try:
            place = tree.lc.item(part) if isinstance(part, int) else tree.lc.key(part)
            line = place[0] + 1
            tree = tree[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def known_words(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """The words of the model that `loc` leads to."""
    for part in loc:
        if part in model.model_fields:
            inner = next(models_in(model.model_fields[part].annotation), None)
            model = inner or model
    return [field.alias or name for name, field in model.model_fields.items()]


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The pydantic models named anywhere in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from models_in(inner)


def check(
    reader: Reader,
    company: Company,
    hr: dict[str, HrSource],
    apps: dict[str, AppRules],
    playbooks: dict[str, Playbook],
) -> Iterator[str]:
    """What single files cannot know: names that other files must define."""
    broken = {p.split(":")[0] for p in reader.problems}
    yield from check_company(reader, company, hr, broken)
    if not playbooks and not any(name.startswith("playbooks/") for name in broken):
        yield f"playbooks: no *.yaml in {reader.folder / 'playbooks'}; without one, nobody should have any access"
    for name, source in hr.items():
        yield from check_source(reader, f"hr/{name}.yaml", source)
    for name, app in apps.items():
        yield from check_app(reader, f"apps/{name}.yaml", app, apps, broken)
    yield from check_circles(reader, apps)
    for name, playbook in playbooks.items():
        yield from check_who(reader, f"playbooks/{name}.yaml", playbook, company)
        yield from check_give(reader, f"playbooks/{name}.yaml", playbook, apps, broken)


def check_company(reader: Reader, company: Company, hr: dict[str, HrSource], broken: set[str]) -> Iterator[str]:
    """The source, the time zones and the calendars must exist."""
    if company.hr not in hr and f"hr/{company.hr}.yaml" not in broken:
        where = reader.line("company.yaml", "hr")
        yield f"{where}: hr: no file hr/{company.hr}.yaml; {suggest(company.hr, hr)}"
    zones: dict[tuple[str, ...], str] = {("time_zone",): company.time_zone}
    zones |= {("locations", name, "time_zone"): place.time_zone for name, place in company.locations.items()}
    for loc, zone in zones.items():
        if not is_zone(zone):
            where = reader.line("company.yaml", *loc)
            yield f"{where}: {'.'.join(loc)}: unknown time zone {zone!r}; use an IANA name like Europe/Berlin"
    for name, place in company.locations.items():
        if not is_calendar(place.calendar):
            where = reader.line("company.yaml", "locations", name, "calendar")
            yield f"{where}: locations.{name}.calendar: unknown calendar {place.calendar!r}; use one like DE or DE-BE"


def check_source(reader: Reader, name: str, source: HrSource) -> Iterator[str]:
    """The status decides who has access: a misspelt one would pass as active."""
    words = source.values.get("employment_status", {})
    said: dict[tuple[str, ...], str] = {("values", "employment_status", word): ours for word, ours in words.items()}
    if "employment_status" in source.defaults:
        said["defaults", "employment_status"] = source.defaults["employment_status"]
    for loc, ours in said.items():
        if ours and ours not in EMPLOYMENT:
            yield f"{reader.line(name, *loc)}: {'.'.join(loc)}: unknown status {ours!r}; {suggest(ours, EMPLOYMENT)}"


def check_app(reader: Reader, name: str, app: AppRules, apps: dict[str, AppRules], broken: set[str]) -> Iterator[str]:
    """Apps that it needs, and what its instructions mention, must exist."""
    for number, needed in enumerate(app.needs):
        if needed not in apps and f"apps/{needed}.yaml" not in broken:
            yield f"{reader.line(name, 'needs', number)}: needs: unknown app {needed!r}; {suggest(needed, apps)}"
    known = (*COLUMNS, *DERIVED, *app.attributes, *ASKED)
    for verb, template in app.instructions.items():
        for word in PLACE.findall(template):
            if word not in known and not word.startswith("extra."):
                where = reader.line(name, "instructions", verb)
                yield f"{where}: instructions.{verb}: unknown attribute {{{word}}}; {suggest(word, known)}"


def check_shadow(reader: Reader, name: str, source: ShadowSource) -> Iterator[str]:
    """What the instructions mention must exist."""
    known = (*COLUMNS, *DERIVED, "app")
    for word in PLACE.findall(source.instructions):
        if word not in known and not word.startswith("extra."):
            where = reader.line(name, "instructions")
            yield f"{where}: instructions: unknown attribute {{{word}}}; {suggest(word, known)}"


def check_who(reader: Reader, name: str, playbook: Playbook, company: Company) -> Iterator[str]:
    """Worker types and locations that the company lists."""
    lists = {"worker_type": company.worker_types, "location": tuple(company.locations)}
    for section, conditions in (("who", playbook.who), ("unless", playbook.unless)):
        for attribute, known in lists.items():
            for number, word in enumerate(conditions.get(attribute, ())):
                if known and word not in known:
                    where = reader.line(name, section, attribute, number)
                    yield f"{where}: {section}: unknown {attribute} {word!r}; {suggest(word, known)}"


def check_give(
    reader: Reader, name: str, playbook: Playbook, apps: dict[str, AppRules], broken: set[str]
) -> Iterator[str]:
    """Apps and entitlements that a playbook gives must exist."""
    for number, given in enumerate(playbook.give):
        app, _, entitlement = given.partition(":")
        where = reader.line(name, "give", number)
        if app not in apps:
            if f"apps/{app}.yaml" not in broken:
                yield f"{where}: give: unknown app {app!r}; {suggest(app, apps)}"
            continue
        known = apps[app].entitlements
        if entitlement and known is not None and not PLACE.search(entitlement) and entitlement not in known:
            yield f"{where}: give: {app} has no entitlement {entitlement!r}; {suggest(entitlement, known)}"


def check_circles(reader: Reader, apps: dict[str, AppRules]) -> Iterator[str]:
    """`needs` and tiers together must leave an order."""
    known = {n: a.model_copy(update={"needs": tuple(x for x in a.needs if x in apps)}) for n, a in apps.items()}
    try:
        TopologicalSorter(prerequisites(known)).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        name = next((c for c in circle if apps[c].needs), circle[0])
        where = reader.line(f"apps/{name}.yaml", "needs")
        chain = " needs ".join(circle)
        yield f"{where}: needs: a circle: {chain} (every app also needs those of an earlier tier); take one out"


def prerequisites(apps: dict[str, AppRules]) -> dict[str, tuple[str, ...]]:
    """App -> apps of an earlier tier, then those named under `needs`."""
    order = list(Tier)
    return {
        name: tuple(
            dict.fromkeys([o for o, a in apps.items() if order.index(a.tier) < order.index(app.tier)] + [*app.needs])
        )
        for name, app in apps.items()
    }
