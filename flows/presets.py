"""Ready files for apps/, one for each vendor, which a company copies and decides about: connectors/presets/*.yaml."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from importlib.resources import files

from ruamel.yaml import YAML

from connectors.catalogue import variables
from mappings.folder import plain
from mappings.vocabulary import AppRules

FOLDER = files("connectors") / "presets"
TWINS = "connectors.sandbox.vendors"
NOWHERE = "http://127.0.0.1:9"


def names() -> list[str]:
    """The vendors that there is a file for."""
    there = FOLDER.iterdir() if FOLDER.is_dir() else ()
    return sorted(p.name.removesuffix(".yaml") for p in there if p.name.endswith(".yaml"))


def text(name: str) -> str:
    """The file as it stands, with its comments."""
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def rules(name: str) -> AppRules:
    """The same, read and checked; ValidationError where it is no app's file."""
    return AppRules.model_validate(plain(YAML().load(text(name))))


def stand_ins(name: str, rules: AppRules) -> Mapping[str, str]:
    """Values for the app's variables that are well-formed and lead nowhere: enough to connect, not to call."""
    made_up = {v: NOWHERE if "URL" in v else "made-up" for v in variables(rules)}
    module = f"{TWINS}.{name}"
    if importlib.util.find_spec(TWINS) and importlib.util.find_spec(module):
        made_up |= importlib.import_module(module).environment(f"{NOWHERE}/{name}")
    return made_up
