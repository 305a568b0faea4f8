"""From hr/<name>.yaml to the source: a module of this folder with a pydantic model `Options` and
`connect(name, rules, options, around, folder) -> Source`. The file being there is the registration."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

import connectors.hr
from connectors.catalogue import (
    PLACE,
    SECRET_NAME,
    check_secrets,
    describe,
    filled,
    is_connector,
    variables,
    wrong_words,
)
from connectors.errors import Refused
from connectors.hr.base import Source
from connectors.quota import Memory, Shelf, Turns
from connectors.surroundings import Surroundings
from mappings.folder import first_line
from mappings.vocabulary import HrSource
from mappings.words import suggest


def source(
    name: str,
    rules: HrSource,
    values: Mapping[str, str],
    folder: Path,
    shelf: Shelf | None = None,
    urgent: bool = False,
    keep: Path | None = None,
    looking: bool = False,
) -> Source:
    """The source of hr/<name>.yaml, with `${NAME}` in its options filled from `values`; nothing is read yet.

    `shelf`, `urgent`, `keep`: as of connectors.catalogue.connect; `looking`: as of Surroundings. A word that may be
    left out is left out where its variable has no value. Raises Refused naming the file, the line, the word and what
    is known, never a value.
    """
    module = connector(name, rules, folder)
    rules = rules.model_copy(update={"options": without_unset(rules.options, module.Options, values)})
    if missing := [word for word in variables(rules) if not values.get(word, "").strip()]:
        why = f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no value"
        raise Refused(name, where(folder, name, missing[0]), why, "Set it in the environment or in .env.")
    secrets = {word: values[word].strip() for word in variables(rules) if SECRET_NAME.search(word)}
    check_secrets(name, secrets)
    try:
        options = module.Options.model_validate(filled(rules.options, values))
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        place = where(folder, name, str(["options", *wrong[0]["loc"]][-1]))
        raise Refused(name, place, "; ".join(describe(module.Options, each) for each in wrong)) from None
    turns = Turns(f"hr-{name}", rules.limits, shelf or Memory(), urgent) if rules.limits else None
    found: Source = module.connect(name, rules, options, Surroundings(secrets, turns, keep, looking), folder)
    return found


def without_unset(options: Mapping[str, Any], model: type[BaseModel], values: Mapping[str, str]) -> dict[str, Any]:
    """Options but those that may be None and stand for a variable without a value: a webhook that is not set up."""
    free = {word for word, field in model.model_fields.items() if field.default is None}

    def unset(word: str, said: Any) -> bool:
        place = PLACE.fullmatch(said) if word in free and isinstance(said, str) else None
        return place is not None and not values.get(place[1], "").strip()

    return {word: said for word, said in options.items() if not unset(word, said)}


def connector(name: str, rules: HrSource, folder: Path) -> ModuleType:
    """The module of this folder that `connector:` names; Refused where there is none."""
    if rules.connector not in known():
        why = f"unknown connector {rules.connector!r}; {suggest(rules.connector, known())}"
        raise Refused(name, where(folder, name, rules.connector), why)
    return importlib.import_module(f"connectors.hr.{rules.connector}")


def mistakes(name: str, rules: HrSource, folder: Path) -> str:
    """What is wrong with a source's options whatever its variables hold; empty where nothing is."""
    try:
        wrong = wrong_words(connector(name, rules, folder).Options, rules.options)
    except Refused as error:
        return f"{error.doing}: {error.why}"
    return f"{where(folder, name, 'options')}: {'; '.join(wrong)}" if wrong else ""


def known() -> list[str]:
    """Names that `connector:` may have."""
    names = [module.name for module in pkgutil.iter_modules(connectors.hr.__path__)]
    return sorted(name for name in names if is_connector(importlib.import_module(f"connectors.hr.{name}")))


def where(folder: Path, name: str, word: str) -> str:
    """`hr/<name>.yaml:line` of the first place with this word, or without a line."""
    file = folder / "hr" / f"{name}.yaml"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return f"hr/{name}.yaml{first_line(lines, word)}"
