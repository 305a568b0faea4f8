"""Examples: golden people. Somebody with these attributes, on that date, has exactly this access."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from mappings.access import Target
from mappings.day import standing
from mappings.folder import EMPLOYMENT, Reader, Rules, RulesError, describe, in_order, plain, read_folder, said
from mappings.naming import work_email
from mappings.people import EXTRA, Person, Status, frame_of
from mappings.rules import desired, fill, matching, reason, targets, values_of
from mappings.vocabulary import PLACE
from mappings.words import OneOrMore, Words, suggest

FOLDER = "examples"


class ExamplePerson(Person):
    """A person of whom only what matters is said."""

    employee_id: str = Field(default="example", min_length=1)
    given_name: str = "Ana"
    family_name: str = "Moreau"
    hire_date: date | None = date(2026, 1, 5)

    @model_validator(mode="before")
    @classmethod
    def named_extras(cls, words: Any) -> Any:
        """`extra.<name>` is written as everywhere."""
        if not isinstance(words, dict):
            return words
        extras = {k.removeprefix(EXTRA): v for k, v in words.items() if k.startswith(EXTRA)}
        plainly = {k: v for k, v in words.items() if not k.startswith(EXTRA)}
        return plainly | ({"extras": extras} if extras else {})


class Example(Words):
    """examples/<name>.yaml: one, or a list of them."""

    title: str
    person: ExamplePerson
    """Attributes; names, the id and the hire date need not be said."""
    on: date | None = None
    """Left out: the first day of work."""
    access: OneOrMore | None = None
    """`app` or `app:entitlement`, which implies the account: exactly this, and nothing where it is `[]`."""
    has: OneOrMore = ()
    """In place of `access`: at least this."""
    has_not: OneOrMore = Field(default=(), alias="not")
    """In place of `access`: none of this."""
    suspended: OneOrMore | None = None
    """Apps where the account rests during a leave; what rests is no access."""
    email: str = ""
    """The work e-mail, as HR has it or as the naming rule makes it where nobody else has it."""
    attributes: dict[str, dict[str, str]] = Field(default_factory=dict)
    """App -> its field -> value; fields that are not named may be anything."""
    status: Status | None = None

    @field_validator("access", "suspended", mode="before")
    @classmethod
    def empty_is_written(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("write [] for nothing")
        return value

    @model_validator(mode="after")
    def says_something_once(self) -> Example:
        if self.access is not None and (self.has or self.has_not):
            raise ValueError("'access' says exactly what there is; take 'has' and 'not' out, or 'access'")
        if not self.model_fields_set - {"title", "person", "on"}:
            raise ValueError("nothing is expected; add 'access', or 'has', 'not', 'email', 'attributes', 'status'")
        return self

    @property
    def day(self) -> date:
        """The date for which it holds."""
        return self.on or self.person.hire_date or date(2026, 1, 5)

    @property
    def named(self) -> dict[str, tuple[str, ...]]:
        """All that is written as `app` or `app:entitlement`, by word."""
        words = {"access": self.access, "has": self.has, "not": self.has_not, "suspended": self.suspended}
        return {word: given for word, given in words.items() if given}


@dataclass(frozen=True)
class Placed:
    """An example and where it stands."""

    example: Example
    file: str
    loc: tuple[int, ...]
    """Its number in the file, where there are several."""
    where: str
    """`file:line`."""


@dataclass(frozen=True)
class Outcome:
    """What the rules make of an example."""

    where: str
    title: str
    lacks: dict[str, str]
    """What should be there -> why it is not."""
    too_much: dict[str, str]
    """What should not be there -> why it is."""
    differs: tuple[str, ...]
    """Of the e-mail, attributes and status."""
    playbooks: frozenset[str]
    """Those that are for this person."""

    @property
    def good(self) -> bool:
        """Whether all is as expected."""
        return not (self.lacks or self.too_much or self.differs)

    def __str__(self) -> str:
        parts = [f"lacks {told(self.lacks)}"] if self.lacks else []
        parts += [f"should not have {told(self.too_much)}"] if self.too_much else []
        return f"{self.where}: {self.title}: {'; '.join([*parts, *self.differs])}"


@dataclass(frozen=True)
class Report:
    """A mappings folder, examined."""

    files: int
    outcomes: tuple[Outcome, ...]
    warnings: tuple[str, ...]

    @property
    def bad(self) -> tuple[Outcome, ...]:
        """The examples that are not as expected."""
        return tuple(o for o in self.outcomes if not o.good)


def examine(folder: Path) -> Report:
    """Read a mappings folder with its examples and try them. RulesError names every mistake of all its files."""
    problems: list[str] = []
    rules = None
    try:
        rules = read_folder(folder)
    except RulesError as error:
        problems += error.problems
    reader = Reader(folder)
    placed = read_examples(reader)
    if rules:
        reader.problems += [problem for each in placed for problem in check(reader, each, rules)]
    problems += reader.problems
    if problems or rules is None:
        raise RulesError(sorted(problems, key=in_order))
    outcomes = tuple(outcome(each, rules) for each in placed)
    files = sum(len(list((folder / kind).glob("*.yaml"))) for kind in ("hr", "apps", "playbooks", "shadow", FOLDER))
    return Report(files + 1, outcomes, tuple(warnings(rules, outcomes)))


# reading


def read_examples(reader: Reader) -> list[Placed]:
    """All examples that can be read; the reader keeps the problems."""
    names = [f"{FOLDER}/{name}.yaml" for name in reader.names(FOLDER)]
    return [each for name in names if reader.load(name) for each in placed_in(reader, name)]


def placed_in(reader: Reader, name: str) -> Iterator[Placed]:
    """The example, or the several ones, of one file."""
    tree = reader.trees[name]
    several = isinstance(tree, CommentedSeq)
    for number, part in enumerate(tree if several else [tree]):
        loc = (number,) if several else ()
        where = reader.line(name, *loc, *([] if several else ["title"]))
        try:
            yield Placed(Example.model_validate(plain(part)), name, loc, where)
        except ValidationError as error:
            reader.problems += [problem(reader, name, part, where, e) for e in error.errors()]


def problem(reader: Reader, name: str, part: Any, where: str, error: Any) -> str:
    """One mistake in an example, with file and line."""
    if not isinstance(part, CommentedMap) and isinstance(reader.trees[name], CommentedSeq):
        return f"{where}: words with values are needed, like {{title: …, person: {{…}}, access: […]}}"
    if isinstance(part, CommentedMap) and not error["loc"]:
        return f"{where}: {said(error)}"
    if isinstance(part, CommentedMap) and error["type"] == "missing":
        return f"{where}: the word {error['loc'][-1]!r} is missing"
    return describe(name, reader.texts[name], part, Example, error)


def check(reader: Reader, placed: Placed, rules: Rules) -> Iterator[str]:
    """What only the rules can know: worker types, places, apps, entitlements and fields must be known ones."""
    example = placed.example
    lists = {
        "worker_type": rules.company.worker_types,
        "location": tuple(rules.company.locations),
        "employment_status": EMPLOYMENT,
    }
    for attribute, known in lists.items():
        value = getattr(example.person, attribute)
        if value and known and value not in known:
            where = reader.line(placed.file, *placed.loc, "person", attribute)
            yield f"{where}: person.{attribute}: unknown {attribute} {value!r}; {suggest(value, known)}"
    for word, given in example.named.items():
        for number, what in enumerate(given):
            if wrong := unknown(what, rules):
                yield f"{reader.line(placed.file, *placed.loc, word, number)}: {word}: {wrong}"
    for app, fields in example.attributes.items():
        if wrong := unknown_field(app, fields, rules):
            yield f"{reader.line(placed.file, *placed.loc, 'attributes', app)}: attributes: {wrong}"


def unknown(what: str, rules: Rules) -> str:
    """What is wrong with `app` or `app:entitlement`; empty where nothing is."""
    app, _, entitlement = what.partition(":")
    if app not in rules.apps:
        return f"unknown app {app!r}; {suggest(app, rules.apps)}"
    known = rules.apps[app].entitlements
    if entitlement and known is not None and entitlement not in known:
        return f"{app} has no entitlement {entitlement!r}; {suggest(entitlement, known)}"
    return ""


def unknown_field(app: str, fields: Iterable[str], rules: Rules) -> str:
    """What is wrong with fields of an app; empty where nothing is."""
    if app not in rules.apps:
        return f"unknown app {app!r}; {suggest(app, rules.apps)}"
    known = rules.apps[app].attributes
    return next((f"{app} has no field {f!r}; {suggest(f, known)}" for f in fields if f not in known), "")


# trying


def outcome(placed: Placed, rules: Rules) -> Outcome:
    """Try one example."""
    example = placed.example
    address = example.person.work_email or work_email(example.person, rules.company.email, ())
    person = example.person.model_copy(update={"work_email": address})
    frame = frame_of([person])
    statuses, here = standing(frame, rules.company, example.day)
    status, values = Status(statuses.iloc[0]), values_of(person)
    wanted = targets(desired(frame, here, rules), values, rules, on_leave=status is Status.LEAVE)
    held = {what: why for t in wanted.values() if t.active for what, why in written(t.app, t.entitlements, t.why)}
    lacks, too_much = compared(example, held)
    because = "" if here.iloc[0] else f"nobody has access who is {status} on {example.day}"
    masks = matching(frame, here, rules).iloc[0]
    return Outcome(
        where=placed.where,
        title=example.title,
        lacks={what: because or why_not(what, wanted, values, rules) for what in lacks},
        too_much={what: held[what] for what in too_much},
        differs=tuple(differences(example, status, address, wanted)),
        playbooks=frozenset(str(name) for name in masks.index[masks]),
    )


def written(app: str, entitlements: dict[str, str], why: str) -> Iterator[tuple[str, str]]:
    """The account and its entitlements as people write them, each with its reason."""
    yield app, why
    for name, because in entitlements.items():
        yield f"{app}:{name}", because


def compared(example: Example, held: Collection[str]) -> tuple[list[str], list[str]]:
    """What is lacking and what is too much."""
    wanted = with_accounts(example.has if example.access is None else example.access)
    unwanted = example.has_not if example.access is None else [what for what in held if what not in wanted]
    return briefly([what for what in wanted if what not in held]), briefly([w for w in unwanted if w in held])


def with_accounts(given: Iterable[str]) -> list[str]:
    """What is written, and the accounts that it implies."""
    return list(dict.fromkeys(what for each in given for what in (each.partition(":")[0], each)))


def briefly(names: list[str]) -> list[str]:
    """Without the accounts that an entitlement in the list implies."""
    apps = {name.partition(":")[0] for name in names if ":" in name}
    return [name for name in names if name not in apps]


def why_not(what: str, wanted: dict[str, Target], values: dict[str, str], rules: Rules) -> str:
    """Whom the playbooks that give it are for, or that there is none."""
    app = what.partition(":")[0]
    if app in wanted and not wanted[app].active:
        return wanted[app].why
    found = [
        reason(playbook)
        for playbook in rules.playbooks.values()
        if any(fill(given, values) == what or given.partition(":")[0] == what for given in playbook.give)
    ]
    return " or ".join(found) or "no playbook gives it"


def differences(example: Example, status: Status, address: str, wanted: dict[str, Target]) -> Iterator[str]:
    """Where the e-mail, the status, what rests and the attributes are not as expected."""
    if example.status and example.status is not status:
        yield f"is {status} on {example.day}, not {example.status}"
    if example.email and example.email != address:
        yield f"e-mail is {address}, not {example.email}"
    for app, target in wanted.items():
        if example.suspended is not None and (app in example.suspended) == target.active:
            yield f"{app} {'does not rest' if target.active else 'rests'} ({target.why})"
    for app, fields in example.attributes.items():
        there = wanted[app].attributes if app in wanted else {}
        for name, value in fields.items():
            if (found := there.get(name, "")) != value:
                yield f"{app} {name} is {found!r}, not {value!r}"


def told(found: dict[str, str]) -> str:
    """`crm:Sales Rep, desk:Support (Sales Playbook: department = Sales), badges (…)`."""
    reasons: dict[str, list[str]] = {}
    for what, why in found.items():
        reasons.setdefault(why, []).append(what)
    return ", ".join(f"{', '.join(names)} ({why})" for why, names in reasons.items())


# what no example and no playbook is about


def warnings(rules: Rules, outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Playbooks that no example covers, and what nobody is given."""
    covered = {name for each in outcomes for name in each.playbooks}
    for name, playbook in rules.playbooks.items():
        if name not in covered:
            yield f"playbooks/{name}.yaml: no example is somebody whom {playbook.title} is for"
    given = [each for playbook in rules.playbooks.values() for each in playbook.give]
    for app, words in rules.apps.items():
        mine = {name for each in given for a, _, name in [each.partition(":")] if a == app}
        if not mine:
            yield f"apps/{app}.yaml: no playbook gives it"
        elif not any(PLACE.search(name) for name in mine):
            rest = [name for name in words.entitlements or () if name not in mine]
            if rest:
                yield f"apps/{app}.yaml: no playbook gives {', '.join(rest)}"
