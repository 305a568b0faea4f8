"""An app without an API, driven by a browser from a recipe in its YAML; what is written is read back from its pages.

Costs: a page or two per read; a write reads the account before and after. A recipe that does not fit the page becomes
a task for a person, with a picture of what was there. Least permission: what a person needs who does it by hand.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import NoReturn, TypeVar

from connectors.base import Outcome
from connectors.browser_chromium import Choice, Chromium, ours
from connectors.browser_grants import EndsSessionsByPage, WithGrants
from connectors.browser_page import Broken, Missing, Seat, SignedOut, Told, Unanswered
from connectors.browser_proof import Camera
from connectors.browser_session import Refusal, Session
from connectors.browser_visit import Visit
from connectors.browser_words import check_recipe
from connectors.errors import ConnectorError, NeedsHuman, OutOfDate, Refused, Retryable
from connectors.pictures import Picture
from connectors.recipes import Options, Steps
from connectors.redaction import Redaction
from connectors.surroundings import Surroundings
from mappings.access import Account
from mappings.vocabulary import AppRules

__all__ = ["PROVED", "Browser", "Options", "connect"]

PROVED = "tests/test_browser_contract.py"
"""Where the contract is held at a real server: a page has no twin."""

T = TypeVar("T")
WRITES = ("create", "update", "enable", "disable", "delete")
READ_FIRST = "read back before trying again"
ATTEMPTS = 2
OUT_AGAIN = "the login page is shown again right after signing in"
ONE_AT_A_TIME = tuple(threading.Lock() for _ in range(64))
"""By app and account. A page sends all of an account at once: of two writes side by side one would undo the other."""


class Interrupted(Retryable):
    """The session ended in the middle of a write; there is a new one."""


class Browser:
    """Keeps App. Its pages are used from any thread; the browser's own thread does the work."""

    lists_entitlements = False

    def __init__(self, name: str, rules: AppRules, options: Options, around: Surroundings) -> None:
        self.name, self.rules, self.options, self.around = name, rules, options, around
        login = options.login
        hidden = [login.password, login.totp] if login else []
        self.secrets = {*around.secrets.values(), *(each.get_secret_value() for each in hidden)} - {""}
        self.redaction = Redaction({str(n): secret for n, secret in enumerate(self.secrets)})
        self.choice = Choice(options.browser, options.sandbox)
        self.sessions: dict[Chromium, Session] = {}
        self.local = threading.local()

    def __repr__(self) -> str:
        return f"Browser({self.name}, {self.options.url})"

    @property
    def undeclared(self) -> frozenset[str]:
        """Verbs for which there is no recipe: people do them."""
        missing = {verb for verb in WRITES if getattr(self.options, verb) is None}
        return frozenset(missing | (set() if self.options.accounts else {"accounts"}))

    def pictures(self) -> tuple[Picture, ...]:
        """Those made by calls of this thread since it last asked."""
        taken: tuple[Picture, ...] = getattr(self.local, "pictures", ())
        self.local.pictures = ()
        return taken

    # the verbs

    def check(self) -> str:
        """Signs in and looks at the list, or at the page of somebody who is not there."""
        if self.options.accounts is None:
            self.look("check", lambda visit: visit.read("nobody"))
        else:
            self.look("check", lambda visit: visit.listed("nobody" if self.options.find else ""))
        return f"{self.rules.title} shows its accounts at {self.options.url} to a browser."

    def accounts(self) -> Iterator[Account]:
        """1 page per page of the list."""
        if self.options.accounts is None:
            self.hand_over_to_people("accounts", "list accounts")
        return iter(self.look("list accounts", lambda visit: visit.everybody()))

    def find(self, key: str) -> Account | None:
        """1 page per page of what the search finds."""
        return self.look(f"find {key}", lambda visit: visit.find(key))

    def read(self, id: str) -> Account | None:
        """1 page, and 1 more where entitlements are on another."""
        return self.look(f"read account {id}", lambda visit: visit.read(id))

    def create(self, attributes: Mapping[str, str], looked: bool = False) -> tuple[Outcome, str]:
        """Looks for the key before and after."""
        key = attributes[self.rules.key]
        doing = f"create account for {key}"
        steps = self.steps("create", doing)

        async def job(visit: Visit) -> tuple[Outcome, str]:
            if found := await visit.find(key):
                return Outcome.ALREADY, found.id
            await visit.picture("before")
            await visit.walker().walk(steps, "create")
            found = await visit.find(key)
            await visit.picture("after")
            if found is None:
                raise Retryable(self.name, doing, "the app said yes, but the account cannot be found yet")
            return Outcome.DONE, found.id

        return self.attempt("create", key, doing, job, {**attributes, "key": key}, lambda error: self.made(key, error))

    def made(self, key: str, error: ConnectorError) -> tuple[Outcome, str] | None:
        """After a failed create: the account, if it is there. What was refused was there before: whose is it?"""
        found = self.find(key)
        return (Outcome.ALREADY if isinstance(error, Refused) else Outcome.DONE, found.id) if found else None

    def update(self, id: str, attributes: Mapping[str, str]) -> Outcome:
        """Sets the fields whose attributes are given, and no others."""

        def so(account: Account | None) -> bool:
            return account is not None and all(account.attributes.get(k) == v for k, v in attributes.items())

        return self.write("update", id, f"update account {id}", so, attributes)

    def enable(self, id: str, looked: bool = False) -> Outcome:
        """Reads before and after."""
        return self.write("enable", id, f"enable account {id}", lambda account: account is not None and account.active)

    def disable(self, id: str, looked: bool = False) -> Outcome:
        """Reads before and after. ALREADY where the account is gone."""
        return self.write("disable", id, f"disable account {id}", lambda account: account is None or not account.active)

    def delete(self, id: str) -> Outcome:
        """Reads before and after."""
        return self.write("delete", id, f"delete account {id}", lambda account: account is None)

    # how they are carried out

    def write(
        self,
        verb: str,
        id: str,
        doing: str,
        so: Callable[[Account | None], bool],
        attributes: Mapping[str, str] | None = None,
        steps: Steps | None = None,
        **places: str,
    ) -> Outcome:
        """Read, do, read again; `so` says whether the account is as it should be."""
        walked = self.steps(verb, doing) if steps is None else steps
        given = frozenset(attributes) if attributes is not None else None

        async def job(visit: Visit) -> Outcome:
            account = await visit.read(id)
            if so(account):
                return Outcome.ALREADY
            if account is None:
                raise Refused(self.name, doing, "there is no such account", status=404)
            await visit.picture("before")
            known = {**account.attributes, **(attributes or {}), "key": account.key or id}
            await visit.walker(given, **known).walk(walked, verb)
            await visit.read(id)
            await visit.picture("after")
            return Outcome.DONE

        return self.attempt(verb, id, doing, job, {"id": id, **places}, lambda _: self.settled(id, so))

    def settled(self, id: str, so: Callable[[Account | None], bool]) -> Outcome | None:
        """After a failed write: DONE if the page shows it all the same."""
        return Outcome.DONE if so(self.read(id)) else None

    def attempt(
        self,
        verb: str,
        whom: str,
        doing: str,
        job: Callable[[Visit], Awaitable[T]],
        values: Mapping[str, str],
        settle: Callable[[ConnectorError], T | None],
    ) -> T:
        """Do a write, while no other is done to the account. After a failure it is read back first; after the end of a
        session it is done once more."""
        with ONE_AT_A_TIME[hash((self.name, whom)) % len(ONE_AT_A_TIME)]:
            return self.attempted(verb, whom, doing, job, values, settle)

    def attempted(
        self,
        verb: str,
        whom: str,
        doing: str,
        job: Callable[[Visit], Awaitable[T]],
        values: Mapping[str, str],
        settle: Callable[[ConnectorError], T | None],
    ) -> T:
        """The attempts, one after another."""
        values = {**values, "random": f"{secrets.token_urlsafe(18)}aA1!"}
        for _ in range(ATTEMPTS):
            try:
                return self.use(doing, job, values, verb, whom)
            except ConnectorError as error:
                if getattr(error, "status", None) in (401, 404):
                    raise
                found = self.read_back(settle, error)
                if found is not None:
                    self.remember(error.pictures)
                    return found
                if not isinstance(error, Interrupted):
                    raise
        raise self.locked_out(doing, OUT_AGAIN)

    def read_back(self, settle: Callable[[ConnectorError], T | None], error: ConnectorError) -> T | None:
        """What the app shows after a failure; the failure itself where it cannot be read either."""
        try:
            return settle(error)
        except ConnectorError:
            raise error from None

    def look(self, doing: str, job: Callable[[Visit], Awaitable[T]]) -> T:
        """A job that only reads: a session that has ended is renewed, and lost answers are asked for again."""
        for last in range(1, ATTEMPTS + 1):
            try:
                return self.use(doing, job, {})
            except Interrupted:
                continue
            except Retryable as error:
                if last == ATTEMPTS or error.after is not None:
                    raise
        raise self.locked_out(doing, OUT_AGAIN)

    def use(
        self,
        doing: str,
        job: Callable[[Visit], Awaitable[T]],
        values: Mapping[str, str],
        verb: str = "",
        whom: str = "",
    ) -> T:
        """The job's result, out of the browser's thread. Raises errors of connectors.errors alone."""
        chromium = ours(self.choice)
        keep = self.around.keep if verb and self.options.pictures else None
        camera = Camera(keep, verb or "read", whom, {*self.secrets, values.get("random", "")})
        try:
            done = chromium.run(self.visit(chromium, doing, job, values, camera))
        except ConnectorError as error:
            error.pictures = tuple(camera.taken)
            raise
        self.remember(camera.taken)
        return done

    def remember(self, taken: Iterable[Picture]) -> None:
        """Pictures of this thread, until it asks for them."""
        self.local.pictures = (*getattr(self.local, "pictures", ()), *taken)

    async def visit(
        self,
        chromium: Chromium,
        doing: str,
        job: Callable[[Visit], Awaitable[T]],
        values: Mapping[str, str],
        camera: Camera,
    ) -> T:
        """The job at a page of the app; what goes wrong becomes an error of connectors.errors."""
        from playwright.async_api import Error

        session, generation = self.session(chromium), -1
        try:
            async with session.seat(chromium, camera) as seat:
                generation = seat.generation
                return await self.at_page(Visit(self, seat, camera, values), seat, job, doing)
        except SignedOut:
            await self.renewed(session, chromium, doing, generation, camera)
            raise Interrupted(self.name, doing, "the session had ended", READ_FIRST) from None
        except Refusal as error:
            raise self.locked_out(doing, str(error)) from None
        except Broken as error:
            raise self.broken(doing, "", str(error)) from None
        except (Unanswered, Error) as error:
            raise self.unanswered(doing, error) from None

    async def at_page(self, visit: Visit, seat: Seat, job: Callable[[Visit], Awaitable[T]], doing: str) -> T:
        """The job, recorded while it lasts; a failure has its picture."""
        await visit.camera.begin(seat)
        failed = True
        try:
            done = await job(visit)
            failed = False
            return done
        except (Broken, Told, Missing) as error:
            await visit.picture("failure")
            where = visit.last.now if visit.last else ""
            if isinstance(error, Told):
                raise self.told(doing, where, str(error)) from None
            raise self.broken(doing, where, str(error)) from None
        except Unanswered:
            await visit.picture("failure")
            raise
        except Refused:
            failed = False
            raise
        finally:
            await visit.camera.end(seat, failed)

    async def renewed(self, session: Session, chromium: Chromium, doing: str, generation: int, camera: Camera) -> None:
        """A new session after that one has ended."""
        try:
            await session.renew(chromium, generation, camera)
        except Refusal as error:
            raise self.locked_out(doing, str(error)) from None
        except Broken as error:
            raise self.broken(doing, "", str(error)) from None

    def session(self, chromium: Chromium) -> Session:
        """This process's session; made in the browser's thread, where it stays."""
        if chromium not in self.sessions:
            self.sessions = {chromium: Session(self.options, self.around.keep)}
        return self.sessions[chromium]

    async def turn(self, call: str) -> None:
        """Wait until the app's published limits allow one more page."""
        if self.around.turns and not await asyncio.to_thread(self.around.turns.take, call):
            raise Unanswered("the app's rate limit is used up", self.options.patience)

    # what goes wrong

    def steps(self, verb: str, doing: str) -> Steps:
        """The recipe of a verb, or the step is for a person."""
        steps: Steps | None = getattr(self.options, verb)
        if steps is None:
            self.hand_over_to_people(verb, doing)
        return steps

    def hand_over_to_people(self, verb: str, doing: str) -> NoReturn:
        raise NeedsHuman(self.name, doing, f"apps/{self.name}.yaml declares no `{verb}`", self.todo(verb))

    def todo(self, verb: str) -> str:
        """What a person is asked to do in place of the recipe."""
        return self.rules.instructions.get(verb, f"Do it in {self.rules.title} by hand, at {self.options.url}.")

    def broken(self, doing: str, where: str, why: str) -> OutOfDate:
        verb = doing.split()[0]
        told = self.redaction.mask(f"{where}: {why}" if where else why)
        todo = f"{self.todo(verb)} Then mend the recipe in apps/{self.name}.yaml ({told})."
        return OutOfDate(self.name, doing, f"the page is not as the recipe says ({told})", todo)

    def told(self, doing: str, where: str, words: str) -> Refused:
        why = self.redaction.mask(f"the page says: {words.rstrip('.')}")
        return Refused(self.name, doing, why, f"It was at {self.redaction.mask(where)}." if where else "")

    def unanswered(self, doing: str, error: Exception) -> Retryable:
        if isinstance(error, Unanswered):
            return Retryable(self.name, doing, self.redaction.mask(str(error)), f"{READ_FIRST}.", error.after)
        words = str(error).splitlines()[0]
        why = "the browser cannot be started" if "launch" in words else "the browser ended in the middle"
        todo = f"{READ_FIRST}; install chromium or set `browser` where it cannot start."
        return Retryable(self.name, doing, why, todo)

    def locked_out(self, doing: str, words: str) -> Refused:
        names = ", ".join(self.around.secrets) or "the login in its YAML"
        todo = f"Check {names}."
        if self.options.login and not self.options.login.steps:
            todo = f"Sign in anew with `rollcall app record {self.name} --session`."
        return Refused(self.name, doing, self.redaction.mask(f"cannot sign in: {words}"), todo, 401)


def connect(name: str, rules: AppRules, options: Options, around: Surroundings) -> Browser:
    """The app that these rules declare; no browser is started yet. Refused where the recipe names unknown places."""
    check_recipe(name, rules, options)
    parts: tuple[type, ...] = (WithGrants,) if options.entitlements else ()
    parts += (EndsSessionsByPage,) if options.end_sessions is not None else ()
    kind = type("".join(["Browser", *(part.__name__ for part in parts)]), (*parts, Browser), {})
    app: Browser = kind(name, rules, options, around)
    return app
