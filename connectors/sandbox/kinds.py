"""The twins there are: each module here or under vendors/ with a class `TWIN` and `environment(root)` is one."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

PACKAGES = ("connectors.sandbox", "connectors.sandbox.vendors")


def twins() -> dict[str, ModuleType]:
    """Module name, which is the twin's, -> module."""
    return {name: module for name, module in modules() if hasattr(module, "TWIN")}


def modules() -> list[tuple[str, ModuleType]]:
    """All modules of the sandbox but those that start it."""
    found = [
        (info.name, f"{package}.{info.name}")
        for package in PACKAGES
        for info in pkgutil.iter_modules(importlib.import_module(package).__path__)
        if not info.ispkg and info.name not in ("__main__", "server", "process", "kinds", "addresses", "control")
    ]
    return [(name, importlib.import_module(path)) for name, path in found]
