"""What the apps show of one person, and what the record knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connectors.base import Prepares
from connectors.errors import ConnectorError
from flows.record import history, holdings, identities, tasks
from flows.record.tables import HeldRow, LinkRow
from flows.site import Site
from mappings.access import Account, Target
from mappings.adoption import FOUND
from mappings.draft import Known
from mappings.plan import FAREWELL, Verb
from mappings.rules import attributes_of
from mappings.vocabulary import Tier

AT_ONCE = 16  # apps read side by side


@dataclass(frozen=True)
class Seen:
    """What one app showed."""

    app: str
    key: str
    account: Account | None
    note: str = ""
    read: bool = True
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


def read_apps(
    site: Site, names: list[str], links: dict[str, LinkRow], values: dict[str, str], leaving: bool
) -> tuple[Seen, ...]:
    """Look at these apps side by side."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(lambda name: read_app(site, name, links.get(name), values, leaving), names))


def prepare(site: Site, wanted: Mapping[str, Target], pool: ThreadPoolExecutor) -> None:
    """Begin to learn what grants will need; what goes wrong here will be told by the grant itself."""
    for app, target in wanted.items():
        connector = site.app(app)
        if isinstance(connector, Prepares):
            for name in target.entitlements:
                pool.submit(connector.prepare, name)


def read_app(site: Site, name: str, link: LinkRow | None, values: dict[str, str], leaving: bool) -> Seen:
    """One app's account: by id where one is known, else by key. An SSO that cannot be read stops a joiner."""
    rules = site.rules.apps[name]
    key = link.key if link else attributes_of(rules, values).get(rules.key, "")
    if rules.connector == "manual":
        return Seen(name, key, from_record(site, link))
    try:
        account = account_of(site, name, link, key)
    except ConnectorError as error:
        if rules.tier is Tier.SSO and not leaving:
            raise
        return Seen(name, key, from_record(site, link), f"{error} Planned from the record.", read=False)
    if account and not link and another_persons(site, name, account, values):
        return Seen(name, key, None, f"{name}: the account {key} is another person's; it was not touched")
    return Seen(name, key, account)


def account_of(site: Site, name: str, link: LinkRow | None, key: str) -> Account | None:
    """Read by the linked id; search by the key only where there is no link, or nothing behind it."""
    app = site.app(name)
    if link and link.external_id and (account := app.read(link.external_id)):
        return account
    found = app.find(key) if key else None
    return app.read(found.id) if found else None


def from_record(site: Site, link: LinkRow | None) -> Account | None:
    """The account as Rollcall last left it."""
    if link is None:
        return None
    granted = holdings.open_rows(site.db, link.person_id, link.app)
    return Account(
        id=link.external_id or link.key,
        key=link.key,
        active=link.active,
        attributes=link.attributes,
        entitlements=frozenset(granted) - {""},
    )


def another_persons(site: Site, name: str, account: Account, values: dict[str, str]) -> bool:
    """Whether the account carries another employee_id than this person's."""
    fields = [f for f, template in site.rules.apps[name].attributes.items() if template == "{employee_id}"]
    mine = {"", *identities.human(site.db, values["employee_id"])}
    return any(account.attributes.get(f, "") not in mine for f in fields)


def known_of(site: Site, person_id: str, seen: Seen, link: LinkRow | None) -> Known:
    """What planning needs to know of one app."""
    held: dict[str, HeldRow] = holdings.open_rows(site.db, person_id, seen.app)
    resting = link is not None and not link.active
    return Known(
        account=seen.account,
        granted={name: row.why for name, row in held.items() if row.why != FOUND},  # nobody knows who gave that
        active_by_us=link.active if link and seen.account else None,
        until={name: row.until for name, row in held.items() if row.until},
        left=undone(site, person_id, seen.app) if resting else frozenset(),
        disabled_at=holdings.account_ended(site.db, person_id, seen.app) if resting else None,
    )


def undone(site: Site, person_id: str, app: str) -> frozenset[Verb]:
    """What of an account's end did not succeed since it was disabled; the hand-over: since it was last in use."""
    done = {verb: history.last_done(site.db, person_id, app, verb) for verb in (Verb.DISABLE, *FAREWELL)}
    begun = max(history.last_done(site.db, person_id, app, verb) for verb in (Verb.CREATE, Verb.ENABLE))
    since = dict.fromkeys(FAREWELL, done[Verb.DISABLE]) | {Verb.HAND_OVER: begun}
    if not done[Verb.DISABLE]:
        return frozenset()
    asked = {row.verb for row in tasks.open_tasks(site.db, person_id) if row.app == app}  # asking is not doing
    return frozenset(verb for verb in FAREWELL if done[verb] <= since[verb] or verb in asked)
