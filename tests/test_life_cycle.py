"""The stories of tests/life_stories.py, lived in one company; what people can use is read at the servers."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from connectors.sandbox import Sandbox
from tests.life_stories import STORIES, At, Story
from tests.lives import Lives, company, edit

WIDE = {"count": 200, "percent": 100}
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
Seen = dict[tuple[str, int], dict[str, set[str]]]
"""Story and number of the look -> person -> what the person can use."""


def number(story: Story, person: str) -> str:
    """A person's employee number."""
    return f"{STORIES.index(story) + 100}{person}"


def names(id: str) -> dict[str, str]:
    """A name unlike all the others."""
    dice = random.Random(id)
    given, family = ("".join(dice.choice(CONSONANTS) + dice.choice(VOWELS) for _ in range(n)).title() for n in (3, 5))
    return {"given": given, "family": family}


def say(lives: Lives, story: Story, look: At) -> None:
    """What HR enters before the look."""
    for person, words in look.hr.items():
        id = number(story, person)
        if words is None:
            lives.forget(id)
            continue
        row = dict(words)
        if row.get("manager") in ("a", "b"):
            row["manager"] = number(story, row["manager"])
        if id in lives.rows:
            lives.say(id, **row)
        else:
            lives.hire(**({"id": id} | names(id) | row))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """All looks of all stories in the order of time."""
    looks = sorted(
        ((look.order, STORIES.index(story), n, story, look) for story in STORIES for n, look in enumerate(story.looks)),
        key=lambda item: item[:3],
    )
    found: Seen = {}
    limits = {"trust": dict.fromkeys(("vanished", "leavers", "emptied", "changed", "identity", "held", "new"), WIDE)}
    limits["blast_radius"] = dict.fromkeys(("leavers", "disables", "deletes", "removals", "changes"), WIDE)
    folder = tmp_path_factory.mktemp("stories")
    with Sandbox() as sandbox, company(sandbox, folder, **limits) as lives:
        rules = lives.site.rules.folder
        edit(rules, "apps/crm.yaml", leave="suspend")
        edit(rules, "playbooks/operations.yaml", grace_days=7)
        lives.reload()
        for _, _, n, story, look in looks:
            say(lives, story, look)
            lives.sync(look.moment)
            found[story.name, n] = {p: lives.access_of(number(story, p)) for p in look.then}
        yield found


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.name.replace(" ", "-"))
def test_a_life(seen: Seen, story: Story) -> None:
    for n, look in enumerate(story.looks):
        for person, words in look.then.items():
            check(seen[story.name, n][person], words, f"{person} at {look.when}")


def check(access: set[str], words: str, where: str) -> None:
    """Whether the access is as the words say."""
    for word in (f"{sign}{rest}".strip() for sign, rest in split(words)):
        if word == "nothing":
            assert access == set(), where
        elif word == "works":
            assert "sso" in access, where
        elif word.startswith("+"):
            assert word[1:] in access, where
        else:
            assert word[1:] not in access, where


def split(words: str) -> Iterator[tuple[str, str]]:
    """`works -crm +sso:All Staff` → the words with their signs; blanks stand within names."""
    sign, rest = "", ""
    for part in words.split(" "):
        if part[:1] in "+-" or not rest:
            if rest:
                yield sign, rest
            sign, rest = (part[0], part[1:]) if part[:1] in "+-" else ("", part)
        else:
            rest += " " + part
    yield sign, rest


def test_there_are_sixty_lives() -> None:
    assert len({story.name for story in STORIES}) == len(STORIES) >= 60
