"""Finds the connector that an hr/*.yaml names: a file in this folder with `Options` and `connect`."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

import connectors.hr
from connectors.hr.base import Source
from mappings.folder import RulesError, first_line, suggest
from mappings.vocabulary import HrSource

APART = {"base", "catalogue", "encoding"}
"""Files of this folder that are no connector."""
VARIABLE = re.compile(r"\$\{(\w+)\}")


def known() -> list[str]:
    """Names a `connector:` may have."""
    names = (module.name for module in pkgutil.iter_modules(connectors.hr.__path__))
    return sorted(name for name in names if name not in APART)


def source(name: str, rules: HrSource, values: Mapping[str, str], folder: Path) -> Source:
    """The source of hr/<name>.yaml with `${NAME}` taken from values; RulesError names every mistake."""
    if rules.connector not in known():
        raise RulesError([f"{where(folder, name, rules.connector)}: unknown connector {rules.connector!r}; "
                          f"{suggest(rules.connector, known())}"])  # fmt: skip
    module = importlib.import_module(f"connectors.hr.{rules.connector}")
    try:
        options = module.Options.model_validate(filled(rules.options, values, name, folder))
    except ValidationError as error:
        raise RulesError([told(e, module.Options, name, folder) for e in error.errors()]) from None
    secret = [
        rules.options[word] for word, field in module.Options.model_fields.items() if field.annotation is SecretStr
    ]
    secrets = {word: values[word] for option in secret for word in VARIABLE.findall(option)}
    found: Source = module.connect(name, rules, options, secrets, folder)
    return found


def filled(value: Any, values: Mapping[str, str], name: str, folder: Path) -> Any:
    """Options with their variables filled in."""
    if isinstance(value, dict):
        return {key: filled(inner, values, name, folder) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    missing = [word for word in VARIABLE.findall(value) if not values.get(word)]
    if missing:
        line = where(folder, name, missing[0])
        raise RulesError([f"{line}: {word} is not set; set it in the environment or in .env" for word in missing])
    return VARIABLE.sub(lambda match: values[match[1]], value)


def told(error: Any, model: type[BaseModel], name: str, folder: Path) -> str:
    """One mistake in the options, with file, line, word and the known words; never the value, it may be secret."""
    word = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"{where(folder, name, 'options')}: options lacks {word!r}"
    if error["type"] == "extra_forbidden":
        known_words = suggest(word, list(model.model_fields))
        return f"{where(folder, name, word)}: unknown word {word!r} in options; {known_words}"
    return f"{where(folder, name, word)}: options.{word}: {error['msg'].removeprefix('Value error, ')}"


def where(folder: Path, name: str, word: str) -> str:
    """`hr/<name>.yaml:line` of the first place with this word."""
    file = folder / "hr" / f"{name}.yaml"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return f"hr/{name}.yaml{first_line(lines, word)}"
