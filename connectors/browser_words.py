"""What a recipe's words alone cannot know: which places the app's attributes and its login can fill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.errors import Refused
from connectors.recipes import Options, Steps, places
from mappings.vocabulary import AppRules
from mappings.words import suggest

LOGIN = ("user", "password", "totp")
ONE = ("id", "key")


def check_recipe(name: str, rules: AppRules, options: Options) -> None:
    """Refused, naming the file and the step, where a place or an attribute is unknown."""
    wrong = [*unknown_places(rules, options), *unknown_attributes(rules, options), *unsure_id(options)]
    if wrong:
        raise Refused(name, f"apps/{name}.yaml", "; ".join(wrong))


def unknown_places(rules: AppRules, options: Options) -> Iterator[str]:
    """Each place that nothing fills, with where it stands."""
    for where, part, known in parts(rules, options):
        steps = part if isinstance(part, tuple) else (part,)
        for number, step in enumerate(steps, 1):
            for place in places(step):
                if place not in known:
                    at = f"options.{where}" + (f", step {number} ({step})" if isinstance(part, tuple) else "")
                    yield f"unknown place {{{place}}} in {at}; {suggest(place, known)}"


def parts(rules: AppRules, options: Options) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Each part of a recipe with the places it may use."""
    all_of_one = (*ONE, *rules.attributes)
    verbs: dict[str, Steps | None] = {
        verb: getattr(options, verb) for verb in ("update", "enable", "disable", "delete", "end_sessions")
    }
    yield from ((verb, steps, (*all_of_one, "random")) for verb, steps in verbs.items() if steps)
    if options.create:
        yield "create", options.create, ("key", "random", *rules.attributes)
    if options.login:
        yield "login.steps", options.login.steps, LOGIN
    if options.find:
        yield "find", options.find, ("key",)
    if options.accounts:
        yield "accounts", options.accounts, ()
    if options.account:
        yield "account", options.account, ONE
    if options.entitlements:
        yield "entitlements.grant", options.entitlements.grant, (*all_of_one, "entitlement")
        yield "entitlements.revoke", options.entitlements.revoke, (*all_of_one, "entitlement")
        yield "entitlements.held", options.entitlements.held, ONE


def unknown_attributes(rules: AppRules, options: Options) -> Iterator[str]:
    """Attributes that are read but not declared, and the key where it is not read."""
    for where, part in (("accounts", options.accounts), ("account", options.account)):
        if part is None:
            continue
        if rules.key not in part.fields:
            yield f"options.{where}.fields lacks the key {rules.key!r}"
        for field in set(part.fields) - set(rules.attributes):
            yield f"unknown attribute {field!r} in options.{where}.fields; {suggest(field, rules.attributes)}"


def unsure_id(options: Options) -> Iterator[str]:
    """An account's page cannot be found by the key where the list has ids of its own."""
    if options.account and options.accounts and options.accounts.id and "key" in set(places(options.account)):
        yield "options.account uses {key}, but options.accounts tells an id; use {id}"
