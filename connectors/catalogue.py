"""From an app's YAML to the app: picks the connector by file name, fills in variables, checks the options.

A connector is a module under connectors/ or connectors/apps/ with a pydantic model `Options` and
`connect(name, rules, options, around) -> App`. The file being there is the registration.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from connectors.base import App, Grants, Owns, Sessions, Tokens
from connectors.errors import Refused
from connectors.quota import Memory, Shelf, Turns
from connectors.surroundings import Surroundings
from mappings.folder import known_words
from mappings.vocabulary import AppRules, HrSource
from mappings.words import suggest

PACKAGES = ("connectors", "connectors.apps")
PLACE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
WORDS = ("extra_forbidden", "missing")
"""Kinds of mistakes in the words themselves, which no variable mends."""
PROTOCOLS = (App, Grants, Sessions, Tokens, Owns)


def connect(
    name: str,
    rules: AppRules,
    values: Mapping[str, str],
    shelf: Shelf | None = None,
    urgent: bool = False,
    keep: Path | None = None,
) -> App:
    """The app `name`, with `${NAME}` in its options filled from `values`; nothing is called yet.

    `shelf`: where the rate limits are kept, this process where it is left out. `urgent`: for leavers, who may use all
    of a limit. `keep`: a folder for what must outlive a call.
    Raises Refused naming the file, the word and what is known, never a value.
    """
    module = connector(name, rules.connector)
    missing = [v for v in variables(rules) if not values.get(v, "").strip()]
    if missing:
        why = f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no value"
        raise Refused(name, file_of(name), why, "Set it in the environment or in .env.")
    secrets = {v: values[v].strip() for v in secret_variables(rules)}
    check_secrets(name, secrets)
    options = checked(name, module.Options, filled(rules.options, values))
    turns = Turns(name, rules.limits, shelf or Memory(), urgent) if rules.limits else None
    return cast(App, module.connect(name, rules, options, Surroundings(secrets, turns, keep)))


def variables(rules: AppRules | HrSource) -> list[str]:
    """Names of the variables that an app or HR source needs, in the order of its YAML."""
    return list(dict.fromkeys(name for text in texts(rules.options) for name in PLACE.findall(text)))


def secret_variables(rules: AppRules) -> list[str]:
    """Those whose values are never shown: all under `auth`, and any whose name says so."""
    under_auth = {name for text in texts(rules.options.get("auth")) for name in PLACE.findall(text)}
    return [name for name in variables(rules) if name in under_auth or SECRET_NAME.search(name)]


def capabilities(app: App) -> set[str]:
    """The verbs that a machine can do at this app."""
    kept = {verb for protocol in PROTOCOLS if isinstance(app, protocol) for verb in verbs(protocol)}
    left_out: frozenset[str] = getattr(app, "undeclared", frozenset())
    return kept - left_out


def verbs(protocol: type) -> set[str]:
    """The methods a protocol asks for."""
    return {name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")}


def connector(app: str, name: str) -> ModuleType:
    """The connector's module; Refused with the known ones where there is none."""
    for package in PACKAGES:
        if name.isidentifier() and importlib.util.find_spec(f"{package}.{name}"):
            module = importlib.import_module(f"{package}.{name}")
            if is_connector(module):
                return module
    raise Refused(app, file_of(app), f"unknown connector {name!r}; {suggest(name, sorted(known()))}")


def known() -> Iterator[str]:
    """Names of all connectors there are."""
    for package in PACKAGES:
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if not found.ispkg and is_connector(importlib.import_module(f"{package}.{found.name}")):
                yield found.name


def is_connector(module: ModuleType) -> bool:
    """Whether a module keeps what this page asks of a connector."""
    options = getattr(module, "Options", None)
    return isinstance(options, type) and issubclass(options, BaseModel) and callable(getattr(module, "connect", None))


def texts(tree: Any) -> Iterator[str]:
    """All texts in a tree of dicts and lists."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from texts(value)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from texts(value)


def filled(tree: Any, values: Mapping[str, str]) -> Any:
    """The tree with every `${NAME}` replaced; blanks around a value, such as a line's end, go."""
    if isinstance(tree, str):
        return PLACE.sub(lambda m: values[m[1]].strip(), tree)
    if isinstance(tree, Mapping):
        return {key: filled(value, values) for key, value in tree.items()}
    return [filled(value, values) for value in tree] if isinstance(tree, (list, tuple)) else tree


def check_secrets(name: str, secrets: Mapping[str, str]) -> None:
    """A secret travels in a header: refuse here what would fail there, and without showing it."""
    for variable, value in secrets.items():
        shown = "".join(value.split("\n")) if value.startswith("-----BEGIN ") else value  # a key as PEM has lines
        if not (shown.isascii() and shown.isprintable()):
            why = f"the value of {variable} has characters that no token has (line breaks, letters beyond ASCII)"
            raise Refused(name, file_of(name), why, f"Copy {variable} again.")


def checked(name: str, model: type[BaseModel], options: Any) -> BaseModel:
    """The options as the connector's model, or Refused naming every wrong word."""
    try:
        return model.model_validate(options)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        told = "; ".join(describe(model, each) for each in wrong)
    raise Refused(name, file_of(name), told)


def mistakes(name: str, rules: AppRules) -> str:
    """What is wrong with an app's options whatever its variables hold; empty where nothing is."""
    try:
        wrong = wrong_words(connector(name, rules.connector).Options, rules.options)
    except Refused as error:
        return f"{error.doing}: {error.why}"
    return f"{file_of(name)}: {'; '.join(wrong)}" if wrong else ""


def wrong_words(model: type[BaseModel], options: Any) -> list[str]:
    """Mistakes in options that are not filled in yet: what a variable may still mend is none."""
    try:
        model.model_validate(options)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        return [describe(model, each) for each in wrong if each["type"] in WORDS or not open_yet(each["input"])]
    return []


def open_yet(said: Any) -> bool:
    """Whether a variable has a say in it."""
    return any(map(PLACE.search, texts(said)))


def describe(model: type[BaseModel], error: Any) -> str:
    """One mistake in words, without the value, which may be a secret."""
    loc = ["options", *map(str, error["loc"])]
    where, last = ".".join(loc[:-1]), loc[-1]
    if error["type"] == "extra_forbidden":
        return f"unknown word {last!r} under {where}; {suggest(last, known_words(model, error['loc'][:-1]))}"
    if error["type"] == "missing":
        return f"the word {last!r} is missing under {where}"
    unquoted = error["type"] == "string_type" and isinstance(error["input"], (int, float, date))
    quote = "; write it in quotes" if unquoted else ""
    return f"{'.'.join(loc)}: {error['msg'].removeprefix('Value error, ')}{quote}"


def file_of(name: str) -> str:
    """The app's file as messages name it."""
    return f"apps/{name}.yaml"
