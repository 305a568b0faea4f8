"""A person's work address: HR's, the one assigned before, or a new one that nobody has."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.base import App, Mailboxes
from connectors.errors import ConnectorError
from flows.record import emails, identities, snapshots
from flows.site import Site
from mappings import naming
from mappings.feed import people_of
from mappings.people import Person
from mappings.vocabulary import AppRules, Tier


def work_address(
    site: Site, person: Person, leaving: bool, reserve: bool, taken: Taken | None = None
) -> tuple[str | None, bool]:
    """The person's work address, and whether it is still to be assigned. `taken`: where there are many to ask for."""
    mine = emails.of_person(site.db, person.employee_id)
    if leaving:
        return person.work_email or next(iter(mine), None), False
    if person.work_email:
        return after_name_change(site, person, person.work_email, mine, reserve, taken)
    if older := of_older_record(site, person.employee_id):
        return older, False  # HR has it, in the other record
    if mine:
        return mine[0], writes_back(site)
    return make(site, person, reserve, taken), True


def writes_back(site: Site) -> bool:
    """Whether HR is told of addresses."""
    return "work_email" in site.rules.hr.write_back


def make(site: Site, person: Person, reserve: bool, taken: Taken | None = None) -> str:
    """A new address by the naming rule that nobody has."""
    taken = taken or Taken(site)
    while True:
        address = naming.work_email(person, site.rules.company.email, taken)
        if not reserve:
            return address
        with site.db.writing():
            if emails.reserve(site.db, address, person.employee_id):
                emails.assign(site.db, person.employee_id, address, naming.called(person))
                return address


def of_older_record(site: Site, person_id: str) -> str | None:
    """The address that HR has in an older record of the same human."""
    former = identities.former_ids(site.db, person_id)
    latest = snapshots.latest(site.db, site.rules.company.hr) if former else None
    if latest is None:
        return None
    known = latest[1].set_index("employee_id")["work_email"].dropna()
    return next((str(known[id]) for id in former if id in known.index), None)


def after_name_change(
    site: Site, person: Person, held: str, mine: list[str], reserve: bool, taken: Taken | None = None
) -> tuple[str, bool]:
    """HR's address; where the name changed since Rollcall assigned it, and the company wants that, a new one.

    An address that people gave in HR is never replaced, nor is one that they set back.
    """
    rules = site.rules.company.email
    said = emails.assigned(site.db, person.employee_id)
    if rules.on_name_change == "keep" or emails.folded(held) not in map(emails.folded, mine):
        return held, False
    if said is not None and emails.folded(said.address) != emails.folded(held):
        return (held, False) if said.in_hr else (said.address, writes_back(site))
    name = naming.called(person)
    if said is not None and said.name != name and not naming.follows(held, person, rules):
        before = next((a for a in mine if naming.follows(a, person, rules)), None)
        if before and reserve:
            emails.assign(site.db, person.employee_id, before, name)
        return before or make(site, person, reserve, taken), writes_back(site)
    if reserve and (said is None or not said.in_hr or said.name != name):
        emails.assign(site.db, person.employee_id, held, name, in_hr=True)
    return held, False


def derived(
    site: Site, person_id: str, address: str | None, kept: Mapping[str, list[str]] | None = None
) -> dict[str, str | None]:
    """What templates may use besides HR's values: the newest former address, and a user name that stays.

    `kept`: everybody's addresses, where there are many to ask for.
    """
    mine = emails.of_person(site.db, person_id) if kept is None else kept.get(person_id, [])
    former = next((a for a in mine if emails.folded(a) != emails.folded(address or "")), None)
    stays = site.rules.company.email.user_name == "stays" and mine
    return {"former_email": former, "user_name": mine[-1].partition("@")[0] if stays else None}


class Taken:
    """Addresses that somebody has or had: in HR, in the record, at the SSO as key or alias. Asked one at a time."""

    def __init__(self, site: Site) -> None:
        self.site = site
        latest = snapshots.latest(site.db, site.rules.company.hr)
        self.in_hr = set(latest[1]["work_email"].dropna().str.lower()) if latest else set()

    def __contains__(self, address: object) -> bool:
        word = str(address)
        if word in self.in_hr or emails.taken(self.site.db, [word]):
            return True
        sso = [name for name, app in self.site.rules.apps.items() if app.tier is Tier.SSO]
        return any(at_sso(self.site.app(name), word) for name in sso)


def at_sso(app: App, address: str) -> bool:
    """Whether an account there has the address, in use or not."""
    return app.holds_address(address) if isinstance(app, Mailboxes) else app.find(address) is not None


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
