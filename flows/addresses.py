"""A person's work address: HR's, the one assigned before, or a new one that nobody has."""

from __future__ import annotations

from connectors.errors import ConnectorError
from flows.record import emails, snapshots
from flows.site import Site
from mappings import naming
from mappings.feed import people_of
from mappings.people import Person
from mappings.vocabulary import AppRules, Tier


def work_address(site: Site, person: Person, leaving: bool, reserve: bool) -> tuple[str | None, bool]:
    """The person's work address, and whether it is still to be assigned."""
    mine = emails.of_person(site.db, person.employee_id)
    if person.work_email or leaving:
        return person.work_email or next(iter(mine), None), False
    if mine:
        return mine[0], "work_email" in site.rules.hr.write_back
    while True:
        address = naming.work_email(person, site.rules.company.email, Taken(site))
        if not reserve or emails.reserve(site.db, address, person.employee_id):
            return address, True


class Taken:
    """Addresses that somebody has: in HR, in the record, at the SSO. Asked one at a time."""

    def __init__(self, site: Site) -> None:
        self.site = site
        latest = snapshots.latest(site.db, site.rules.company.hr)
        self.in_hr = set(latest[1]["work_email"].dropna().str.lower()) if latest else set()

    def __contains__(self, address: object) -> bool:
        word = str(address)
        if word in self.in_hr or emails.taken(self.site.db, [word]):
            return True
        sso = [name for name, app in self.site.rules.apps.items() if app.tier is Tier.SSO]
        return any(self.site.app(name).find(word) is not None for name in sso)


def manager_email(site: Site, manager_id: str | None, ending: bool) -> str | None:
    """The manager's address, where any app wants it; a leaver's run goes on without."""
    if not manager_id or not any(asks_for_manager(app, ending) for app in site.rules.apps.values()):
        return None
    try:
        feed = people_of(site.hr.read_one(manager_id), site.rules.hr)
    except ConnectorError:
        if not ending:
            raise
        return None
    found = feed.people["work_email"].dropna()
    return str(found.iloc[0]) if len(found) else next(iter(emails.of_person(site.db, manager_id)), None)


def asks_for_manager(app: AppRules, ending: bool) -> bool:
    """Whether the app's YAML needs the manager's address: in an account, or for what a leaver hands over."""
    words = [*app.attributes.values(), *app.instructions.values()]
    return (ending and app.leaving.hand_over == "manager") or any("{manager_email}" in word for word in words)
