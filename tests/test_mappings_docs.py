"""docs/mappings.md knows every word of the vocabulary, and its YAML is read as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from mappings import examples, policies, vocabulary
from mappings.examples import Example
from mappings.folder import plain
from mappings.policies import Leaving, ShadowSource
from mappings.vocabulary import Company, Playbook
from mappings.words import Words

PAGE = (Path(__file__).parents[1] / "docs" / "mappings.md").read_text(encoding="utf-8")
MODELS = sorted(
    {m for module in (vocabulary, policies, examples) for m in vars(module).values() if isinstance(m, type)}
    & set(Words.__subclasses__()),
    key=lambda m: m.__name__,
)
WORDS = [(model, field.alias or name) for model in MODELS for name, field in model.model_fields.items()]
BLOCKS = [plain(YAML(typ="rt").load(text)) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
NEEDED = {"name": "Larkspur", "hr": "csv", "email": {"domain": "larkspur.example"}}


@pytest.mark.parametrize(("model", "word"), WORDS, ids=lambda x: getattr(x, "__name__", x))
def test_every_word_is_explained(model: type[BaseModel], word: str) -> None:
    assert re.search(rf"`{word}[`:]|^ *{word}:|[{{ ]{word}: ", PAGE, re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: next(iter(b)))
def test_the_yaml_is_read(block: dict[str, object]) -> None:
    if "person" in block and "access" in block:
        assert Example.model_validate(block)
    elif "give" in block:
        assert Playbook.model_validate(block)
    elif "path" in block:
        assert ShadowSource.model_validate(block)
    elif "leaving" in block:
        assert Leaving.model_validate(block["leaving"])
    else:
        assert Company.model_validate(NEEDED | block)


def test_there_is_yaml_of_each_kind() -> None:
    assert len(BLOCKS) >= 6
