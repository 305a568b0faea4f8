"""Ready files for hr/, one for each HR system, for a company to copy and decide about: the sample company's."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ruamel.yaml import YAML

from mappings.folder import plain
from mappings.vocabulary import HrSource

READY = files("mappings") / "sample" / "hr"


def names() -> list[str]:
    """The HR systems that there is a file for."""
    return sorted(path.name.removesuffix(".yaml") for path in READY.iterdir() if path.name.endswith(".yaml"))


def text(name: str) -> str:
    """The file as it stands, with its comments."""
    return (READY / f"{name}.yaml").read_text(encoding="utf-8")


def rules(text: str) -> HrSource:
    """A file's text, read and checked; ValidationError where it is no HR system's file."""
    return HrSource.model_validate(plain(YAML().load(text)))


def own(folder: Path) -> dict[str, HrSource]:
    """Those of a company's folder."""
    return {path.stem: rules(path.read_text(encoding="utf-8")) for path in sorted((folder / "hr").glob("*.yaml"))}


def choose(folder: Path, name: str) -> None:
    """Make a company's folder use this HR system, and drop the files of the others."""
    company = folder / "company.yaml"
    lines = company.read_text(encoding="utf-8").splitlines(keepends=True)
    company.write_text("".join(f"hr: {name}\n" if line.startswith("hr:") else line for line in lines), encoding="utf-8")
    for path in (folder / "hr").glob("*.yaml"):
        if path.stem != name:
            path.unlink()
