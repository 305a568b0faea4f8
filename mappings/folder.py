"""Reads a mappings folder: company.yaml, hr/*.yaml, apps/*.yaml, playbooks/*.yaml. Every mistake is told with
file, line and word, and all of them at once."""

from __future__ import annotations

import difflib
import hashlib
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mappings.day import is_zone
from mappings.vocabulary import PLACE, AppRules, Company, HrSource, Playbook, Tier, Words

Model = TypeVar("Model", bound=Words)


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


def read_folder(folder: Path) -> Rules:
    """Read and check a mappings folder; raises RulesError naming every mistake."""
    reader = Reader(folder)
    company = reader.one("company.yaml", Company)
    hr = reader.all("hr", HrSource)
    apps = reader.all("apps", AppRules)
    playbooks = reader.all("playbooks", Playbook)
    if company is not None:
        reader.problems += check(reader, company, hr, apps, playbooks)
    if reader.problems or company is None:
        raise RulesError(sorted(reader.problems))
    return Rules(folder, company, hr[company.hr], apps, playbooks, prerequisites(apps), reader.digest())


class Reader:
    """Reads files of one folder and keeps the problems, the texts and the lines of their words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []
        self.texts: dict[str, str] = {}

    def one(self, name: str, model: type[Model]) -> Model | None:
        """The file `name` as a model, or None with the problems noted."""
        try:
            self.texts[name] = (self.folder / name).read_text(encoding="utf-8")
            tree = YAML(typ="rt").load(self.texts[name])
            return model.model_validate(plain(tree))
        except FileNotFoundError:
            self.problems.append(f"{name}: no such file in {self.folder}; `rollcall init` makes a folder to start from")
        except UnicodeDecodeError as error:
            self.problems.append(f"{name}: not UTF-8 text (byte {error.start}); save it as UTF-8")
        except ValidationError as error:
            self.problems += [describe(name, self.texts[name], tree, model, e) for e in error.errors()]
        except (MarkedYAMLError, YAMLError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            self.problems.append(f"{name}{line}: not YAML: {getattr(error, 'problem', None) or error}")
        return None

    def all(self, kind: str, model: type[Model]) -> dict[str, Model]:
        """All files of one kind by their names without the ending."""
        names = sorted(p.name for p in (self.folder / kind).glob("*.yaml"))
        found = {n.removesuffix(".yaml"): self.one(f"{kind}/{n}", model) for n in names}
        return {name: words for name, words in found.items() if words is not None}

    def line(self, name: str, word: str) -> str:
        """`file:line` of the first place where `word` stands in the file."""
        lines = self.texts.get(name, "").splitlines()
        return f"{name}{first_line(lines, word)}"

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


def describe(name: str, text: str, tree: Any, model: type[BaseModel], error: Any) -> str:
    """One pydantic error as `file:line: what; known words; the closest one`."""
    loc = tuple(error["loc"])
    where = f"{name}:{line_of(tree, loc)}" if isinstance(tree, CommentedBase) else name
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown word {loc[-1]!r}; {suggest(str(loc[-1]), known_words(model, loc[:-1]))}"
    path = ".".join(str(part) for part in loc)
    if error["type"] == "missing":
        return f"{where}: the word {path!r} is missing"
    message = error["msg"].removeprefix("Value error, ")
    if not loc and (quoted := re.search(r"'([^']+)'|\{([^}]+)\}", message)):
        where = name + (first_line(text.splitlines(), quoted[1] or quoted[2]) or ":1")
    found = "" if isinstance(error["input"], (dict, list)) else f" (found {error['input']!r})"
    return f"{where}: {path + ': ' if path else ''}{message}{found}"


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
    return list(model.model_fields)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The pydantic models named anywhere in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from models_in(inner)


def suggest(word: str, known: list[str]) -> str:
    """`known words are …; did you mean …?`"""
    close = difflib.get_close_matches(word, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"known words are {', '.join(known)}{hint}"


def check(
    reader: Reader,
    company: Company,
    hr: dict[str, HrSource],
    apps: dict[str, AppRules],
    playbooks: dict[str, Playbook],
) -> Iterator[str]:
    """What single files cannot know: names that other files must define."""
    broken = {p.split(":")[0] for p in reader.problems}
    if company.hr not in hr and f"hr/{company.hr}.yaml" not in broken:
        where = reader.line("company.yaml", company.hr)
        yield f"{where}: hr: no file hr/{company.hr}.yaml; known sources are {names(hr)}"
    zones = {"time_zone": company.time_zone} | {f"locations.{k}": v.time_zone for k, v in company.locations.items()}
    for word, zone in zones.items():
        if not is_zone(zone):
            where = reader.line("company.yaml", zone)
            yield f"{where}: {word}: unknown time zone {zone!r}; use an IANA name like Europe/Berlin"
    for name, app in apps.items():
        for needed in app.needs:
            if needed not in apps and f"apps/{needed}.yaml" not in broken:
                where = reader.line(f"apps/{name}.yaml", needed)
                yield f"{where}: needs: unknown app {needed!r}; {suggest(needed, list(apps))}"
    yield from check_circles(reader, apps)
    for name, playbook in playbooks.items():
        yield from check_playbook(reader, f"playbooks/{name}.yaml", playbook, company, apps, broken)


def check_playbook(
    reader: Reader,
    name: str,
    playbook: Playbook,
    company: Company,
    apps: dict[str, AppRules],
    broken: set[str],
) -> Iterator[str]:
    """Apps, entitlements and worker types that a playbook names must exist."""
    for given in playbook.give:
        app, _, entitlement = given.partition(":")
        if app not in apps:
            if f"apps/{app}.yaml" not in broken:
                yield f"{reader.line(name, app)}: give: unknown app {app!r}; {suggest(app, list(apps))}"
            continue
        known = apps[app].entitlements
        if entitlement and known is not None and not PLACE.search(entitlement) and entitlement not in known:
            where = reader.line(name, entitlement)
            yield f"{where}: give: {app} has no entitlement {entitlement!r}; {suggest(entitlement, list(known))}"
    for word in (*playbook.who.get("worker_type", ()), *playbook.unless.get("worker_type", ())):
        if word not in company.worker_types:
            where = reader.line(name, word)
            yield f"{where}: unknown worker_type {word!r}; {suggest(word, list(company.worker_types))}"


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


def names(found: dict[str, Any]) -> str:
    """A list for a message."""
    return ", ".join(found) or "none yet"
