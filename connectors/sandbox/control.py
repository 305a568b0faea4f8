"""The sandbox's own door, for tests and demos on this machine: state, log, faults, latency, limits, clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.quotas import Limit
from connectors.sandbox.twin import Clock, Twin

LOOPBACK = {"127.0.0.1", "::1", "testclient"}


class House(Protocol):
    """What control needs of the server."""

    clock: Clock

    def twin(self, name: str) -> Twin | None:
        """The twin of this name; `app-7` for the seventh copy of the CRM."""

    def names(self) -> list[str]:
        """Twins made so far."""

    def reset(self, name: str) -> None:
        """Put a twin back to how it was on the first day."""

    def keep_clock(self) -> None:
        """Write the clock's date to the state file."""


class Control:
    """Endpoints under /_control."""

    def __init__(self, house: House) -> None:
        self.house = house

    def app(self) -> Starlette:
        one = "/_control/{twin}"
        routes = [
            Route("/_control/health", self.health),
            Route("/_control/clock", self.clock, methods=["GET", "PUT"]),
            Route("/_control/reset", self.reset_all, methods=["POST"]),
            Route(f"{one}/state", self.state),
            Route(f"{one}/log", self.log, methods=["GET", "DELETE"]),
            Route(f"{one}/faults", self.faults, methods=["GET", "PUT"]),
            Route(f"{one}/latency", self.latency, methods=["PUT"]),
            Route(f"{one}/limits", self.limits, methods=["PUT"]),
            Route(f"{one}/options", self.options, methods=["PUT"]),
            Route(f"{one}/reset", self.reset, methods=["POST"]),
            Route(f"{one}/sign-in", self.sign_in, methods=["POST"]),
            Route(f"{one}/give", self.give, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: refusal})

    def named(self, request: Request) -> Twin:
        self.near(request)
        twin = self.house.twin(request.path_params["twin"])
        if not twin:
            known = ", ".join([*self.house.names(), "app-1 … app-50"])
            raise HTTPException(404, f"unknown twin {request.path_params['twin']!r}; known ones are {known}")
        return twin

    def near(self, request: Request) -> None:
        if not request.client or request.client.host not in LOOPBACK:
            raise HTTPException(403, "control is for this machine only")

    async def health(self, request: Request) -> Response:
        return JSONResponse({"ok": True, "twins": self.house.names()})

    async def clock(self, request: Request) -> Response:
        self.near(request)
        if request.method == "PUT":
            body = await body_of(request)
            today = body.get("today")
            try:
                self.house.clock.set_to = date.fromisoformat(today) if today else None
            except (TypeError, ValueError) as error:
                raise HTTPException(422, "today is YYYY-MM-DD, or null for the real date") from error
            self.house.keep_clock()
        return JSONResponse({"today": self.house.clock.today().isoformat()})

    async def state(self, request: Request) -> Response:
        return JSONResponse(self.named(request).state())

    async def log(self, request: Request) -> Response:
        twin = self.named(request)
        if request.method == "DELETE":
            twin.log.clear()
        return JSONResponse([seen.shown() for seen in twin.log])

    async def faults(self, request: Request) -> Response:
        twin = self.named(request)
        if request.method == "PUT":
            wanted = await body_of(request, list)
            try:
                twin.faults.replace(wanted)
            except (ValidationError, TypeError) as error:
                raise HTTPException(422, str(error)) from error
            twin.store.lag(twin.faults.lag())
        return JSONResponse([fault.model_dump() for fault in twin.faults.all])

    async def latency(self, request: Request) -> Response:
        twin = self.named(request)
        twin.latency = number(await body_of(request), "ms") / 1000
        return JSONResponse({"ms": twin.latency * 1000})

    async def limits(self, request: Request) -> Response:
        """One limit for all calls: {"requests": …, "per_seconds": …}; or the vendor's own with time gone faster:
        {"faster": 60} makes a minute a second."""
        twin, body = self.named(request), await body_of(request)
        if "faster" in body:
            faster = number(body, "faster") or 1
            wanted = [limit._replace(per_seconds=limit.per_seconds / faster) for limit in twin.quotas]
        else:
            wanted = [Limit(int(number(body, "requests")), number(body, "per_seconds"))]
        twin.keep_to(wanted)
        return JSONResponse([limit._asdict() for limit in wanted])

    async def options(self, request: Request) -> Response:
        """Set what the twin lets tests set, as how the SSO answers a PATCH."""
        twin, body = self.named(request), await body_of(request)
        if not body or any(value not in twin.settable.get(name, ()) for name, value in body.items()):
            raise HTTPException(422, f"{twin.name} has the options {dict(twin.settable)}")
        for name, value in body.items():
            setattr(twin, name, value)
        return JSONResponse(body)

    async def reset(self, request: Request) -> Response:
        self.house.reset(self.named(request).name)
        return JSONResponse({"ok": True})

    async def reset_all(self, request: Request) -> Response:
        self.near(request)
        for name in self.house.names():
            self.house.reset(name)
        return JSONResponse({"ok": True})

    async def sign_in(self, request: Request) -> Response:
        """Let a user of the SSO sign in: {"userName": …} makes a session, as far as the account may."""
        twin, body = self.named(request), await body_of(request)
        session = twin.sign_in(str(body.get("userName", "")))
        if not session:
            raise HTTPException(403, "no such user, or the user may not sign in")
        return JSONResponse(session, 201)

    async def give(self, request: Request) -> Response:
        """Let an account own things: {"what": "deals", "to": "ann@…", "items": [{"title": …}, …]}."""
        twin, body = self.named(request), await body_of(request)
        try:
            made = twin.give(str(body.get("what")), str(body.get("to")), list(body.get("items") or []))
        except (ValueError, TypeError) as error:
            raise HTTPException(422, str(error)) from error
        return JSONResponse(made, 201)


async def body_of(request: Request, kind: type = dict) -> Any:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise HTTPException(422, f"not JSON: {error}") from error
    if not isinstance(body, kind):
        raise HTTPException(422, f"expected a JSON {'list' if kind is list else 'object'}")
    return body


def number(body: Mapping[str, Any], name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise HTTPException(422, f"{name} is a number from 0 up")
    return float(value)


async def refusal(request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    return JSONResponse({"error": detail}, status)
