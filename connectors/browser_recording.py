"""From what Playwright's recorder writes down (`playwright codegen --target jsonl`) to steps of a recipe.

One JSON object a line: an action's name, its locator as a chain of {kind, body, options, next}, what was typed, and the
signals that followed (a dialog, a new tab). Seen in Playwright 1.65; the form is not documented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.recipes import ROLES

Tree = dict[str, Any]
KINDS = {"label": "label", "text": "text", "placeholder": "placeholder", "alt": "alt", "title": "title"}
KINDS |= {"test-id": "test_id", "default": "css"}
SECRET = re.compile(r"passw|passphrase|pin\b", re.IGNORECASE)
CODE = re.compile(r"one.?time|otp|verification|authenticat|2fa|token|code\b", re.IGNORECASE)
WITHOUT_MEANING = ("openPage", "closePage")


class Unknown(Exception):
    """Something that has no words in a recipe."""


class Recording:
    """Actions as recorded. `typed`: place -> what was typed for it; `url`: the app's."""

    def __init__(self, lines: Iterable[str], url: str, typed: Mapping[str, str]) -> None:
        self.url = url.rstrip("/")
        self.typed = sorted(typed.items(), key=lambda pair: -len(pair[1]))
        self.actions = [each for line in lines if (each := action(line))]
        self.left_out: list[str] = []
        """What could not be said in a recipe's words."""

    def steps(self) -> list[Tree]:
        """The steps, as YAML has them."""
        return list(self.translated())

    def translated(self) -> Iterator[Tree]:
        first = self.actions[0].get("pageGuid") if self.actions else None
        here = first
        for number, each in enumerate(self.actions):
            if each["name"] in WITHOUT_MEANING or self.only_a_way(number):
                continue
            if each.get("pageGuid") != here and each.get("pageGuid") == first:
                yield {"first_tab": True}
            here = each.get("pageGuid")
            try:
                yield self.step(each)
            except Unknown as error:
                self.left_out.append(str(error))

    def only_a_way(self, number: int) -> bool:
        """Whether an action is part of the one after it: a click into a field, an Enter's own click."""
        each = self.actions[number]
        following = self.actions[number + 1] if number + 1 < len(self.actions) else {}
        into = each.get("selector") == following.get("selector") and following.get("name") in ("fill", "select")
        return each["name"] == "click" and (each.get("clickCount") == 0 or into)

    def step(self, each: Tree) -> Tree:
        """One action as a step. Unknown where there are no words for it."""
        name = each["name"]
        if name == "navigate":
            return {"open": self.path(each["url"])}
        if name not in TRANSLATED:
            raise Unknown(f"{name}: {each.get('selector', '')}")
        target = self.target(each["locator"])
        step: Tree = TRANSLATED[name](self, each, target)
        return step | self.signals(each)

    def signals(self, each: Tree) -> Tree:
        """What a click led to."""
        names = {signal.get("name") for signal in each.get("signals", ())}
        confirm = {"confirm": True} if "dialog" in names else {}
        return confirm | ({"tab": True} if "popup" in names else {})

    def path(self, address: str) -> str:
        """A path below the app's url; other hosts stay whole."""
        whole = self.placed(address)
        if whole == self.url or whole.startswith(f"{self.url}/"):
            return whole[len(self.url) :] or "/"
        here, there = urlsplit(self.url), urlsplit(whole)
        return whole if here.netloc != there.netloc else whole.partition(there.netloc)[2] or "/"

    def placed(self, text: str) -> str:
        """A text with what was typed replaced by its place."""
        for place, value in self.typed:
            text = text.replace(value, "{" + place + "}") if value else text
        return text

    def target(self, locator: Tree) -> Tree:
        """A chain of locators: the last is the thing, those before it what it is within."""
        found: Tree = {}
        outer: Tree | None = None
        node: Tree | None = locator
        while node:
            kind, options = node["kind"], node.get("options") or {}
            if kind in ("nth", "first"):
                found["nth"] = int(node.get("body") or 0) + 1
            elif kind == "frame":
                outer, found = {"frame": found}, {}
            elif kind == "has-text":
                found["having"] = self.placed(str(node["body"]))
            else:
                outer = (outer or {}) | ({"within": found} if found else {})
                found = self.one(kind, node, options) | ({} if "within" not in outer else {"within": outer["within"]})
                found |= {"frame": outer["frame"]} if "frame" in outer else {}
                outer = None
            node = node.get("next")
        return found

    def one(self, kind: str, node: Tree, options: Tree) -> Tree:
        """One locator by its kind."""
        exact = {"exact": True} if options.get("exact") else {}
        if kind == "role":
            return self.by_role(str(node["body"]), options.get("name"), exact)
        if kind not in KINDS or not isinstance(node["body"], str):
            raise Unknown(f"the locator {kind} {node.get('body')!r}")
        return {KINDS[kind]: self.placed(node["body"])} | exact

    def by_role(self, role: str, name: Any, exact: Tree) -> Tree:
        """A role by its own word where it has one; a row by what was typed, since its other cells are of one person."""
        if not isinstance(name, str):
            return {"role": role}
        if role in ("row", "listitem", "article"):
            places = [place for place, value in self.typed if value and value in name]
            return {role: "{" + places[0] + "}"} if places else {"role": role, "name": name}
        return ({role: self.placed(name)} if role in ROLES else {"role": role, "name": self.placed(name)}) | exact

    # the actions

    def click(self, each: Tree, target: Tree) -> Tree:
        if each.get("button", "left") != "left" or each.get("clickCount", 1) > 1:
            raise Unknown(f"a double or right click at {each.get('selector', '')}")
        return {"click": target}

    def fill(self, each: Tree, target: Tree) -> Tree:
        """What was typed into a field for secrets is not written down."""
        named = str(target)
        if SECRET.search(named):
            return {"fill": target, "with": "{password}"}
        if CODE.search(named) and str(each["text"]).replace(" ", "").isdigit():
            return {"fill": target, "with": "{totp}"}
        return {"fill": target, "with": self.placed(each["text"])}

    def select(self, each: Tree, target: Tree) -> Tree:
        options = [self.placed(option) for option in each["options"]]
        return {"select": target, "option": options[0] if len(options) == 1 else options}

    def press(self, each: Tree, target: Tree) -> Tree:
        return {"press": each["key"], "on": target}

    def check(self, each: Tree, target: Tree) -> Tree:
        return {each["name"]: target}

    def shown(self, each: Tree, target: Tree) -> Tree:
        return {"expect": target}

    def text(self, each: Tree, target: Tree) -> Tree:
        if each.get("substring"):
            return {"expect": {"text": self.placed(each["text"]), "within": target}}
        return {"expect": target, "reads": self.placed(each["text"])}

    def value(self, each: Tree, target: Tree) -> Tree:
        return {"expect": target, "reads": self.placed(each["value"])}

    def checked(self, each: Tree, target: Tree) -> Tree:
        return {"expect": target, "reads": "true" if each.get("checked") else "false"}


TRANSLATED = {
    "click": Recording.click,
    "fill": Recording.fill,
    "select": Recording.select,
    "press": Recording.press,
    "check": Recording.check,
    "uncheck": Recording.check,
    "assertVisible": Recording.shown,
    "assertText": Recording.text,
    "assertValue": Recording.value,
    "assertChecked": Recording.checked,
}


def action(line: str) -> Tree | None:
    """A line of a recording; None for its head and for what is no JSON."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("name"), str) else None
