"""The way of a request through Discord: latency, faults, the token, the limits, the endpoint.

What has been asked for is done even if the client has hung up meanwhile, as on the real side;
it must never be cancelled with the client's connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

from adapters.emulators.discord.attachments import Files, Upload
from adapters.emulators.discord.chaos import JSON_TYPE, VIA, Chaos, Fault
from adapters.emulators.discord.limits import Limits, TooMany
from adapters.emulators.discord.routes import Call, Endpoint, Routes
from adapters.emulators.discord.rules import Refusal

PREFIX = "/api/v10/"


@dataclass
class Rest:
    """Discord's REST side.

    Attributes:
        valid: Whether a token is the bot's.
        faults: Those still to come, oldest first.
        chaos: Those that chance brings, where no other does.
        latencies: Seconds by route name; "*" is for all others.
    """

    routes: Routes
    limits: Limits
    files: Files
    record: Callable[..., None]
    spawn: Callable[[Any], None]
    valid: Callable[[str], bool]
    faults: list[Fault] = field(default_factory=list)
    chaos: Chaos = field(default_factory=Chaos)
    latencies: dict[str, float] = field(default_factory=dict)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.path.removeprefix(PREFIX)
        endpoint = self.routes.find(request.method, path)
        raw = await self.files.read(request, self.routes.world.new_id)
        body = _digest(request, raw)
        self.record("call", method=request.method, path=path, route=endpoint.route, body=body)
        answered: asyncio.Future[web.Response | None] = asyncio.get_running_loop().create_future()
        self.spawn(self._work(request, endpoint, raw, answered))
        response = await answered
        while response is None:
            _abort(request.transport)
            await asyncio.sleep(1)  # until the server notices the cut, and cancels this
        return response

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for a file, which goes to another host of Discord's and counts nowhere."""
        route = "GET attachments"
        self.record("download", path=request.path, token="Authorization" in request.headers)
        fault = self._take(route, (b"", []))
        if fault is None:
            return await self.files.serve(request)
        await asyncio.sleep(fault.delay)
        response = self._spoil(route, fault, "")
        while response is None:
            _abort(request.transport)
            await asyncio.sleep(1)
        return response

    async def _work(
        self,
        request: web.Request,
        endpoint: Endpoint,
        raw: tuple[bytes, list[Upload]],
        answered: asyncio.Future[web.Response | None],
    ) -> None:
        try:
            response = await self._pass(request, endpoint, raw)
        except Exception as error:  # noqa: BLE001 -- a bug in here is the waiting request's to show
            answered.set_exception(error)
            return
        if not answered.done():
            answered.set_result(response)

    async def _pass(
        self, request: web.Request, endpoint: Endpoint, raw: tuple[bytes, list[Upload]]
    ) -> web.Response | None:
        """Apply a request half-way through its latency, or whatever a fault makes of it."""
        pause = self.latencies.get(endpoint.route, self.latencies.get("*", 0.0)) / 2
        await asyncio.sleep(pause)
        fault = self._take(endpoint.route, raw)
        if fault is None:
            response = self._answer(request, endpoint, raw)
            await asyncio.sleep(pause)
            return response
        if fault.apply:
            response = self._answer(request, endpoint, raw)
        await asyncio.sleep(fault.delay)
        if fault.drop or fault.status:
            return self._spoil(endpoint.route, fault, _digest(request, raw))
        return response if fault.apply else self._answer(request, endpoint, raw)

    def _take(self, route: str, raw: tuple[bytes, list[Upload]]) -> Fault | None:
        for fault in self.faults:
            if not fnmatchcase(route, fault.route) or not _has(raw, fault.having):
                continue
            if fault.after:
                fault.after -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
            return fault
        if chance := self.chaos.take(route):
            name, number, fault = chance
            self.record("chaos", name=name, route=route, after=number)
            return fault
        return None

    def _spoil(self, route: str, fault: Fault, body: str) -> web.Response | None:
        code = fault.body.get("code", 0) if isinstance(fault.body, dict) else 0
        if fault.drop:
            self.record("error", route=route, status=0, code=0)
        elif fault.status == 429:
            self.record("429", route=route, scope=fault.headers.get("X-RateLimit-Scope", ""), code=code)
        elif fault.status >= 400:
            self.record("error", route=route, status=fault.status, code=code, body=body)
        return fault.response()

    def _answer(
        self, request: web.Request, endpoint: Endpoint, raw: tuple[bytes, list[Upload]]
    ) -> web.Response:
        headers = dict(VIA)
        try:
            self._admit(request, endpoint)
            self.limits.spend(endpoint.route, endpoint.major, exempt=endpoint.open, headers=headers)
            path = request.path.removeprefix(PREFIX)
            call = Call(request.method, path, request.query, _parse(raw[0]), raw[1])
            answer = endpoint.answer(call)
        except TooMany as refusal:
            code = refusal.body.get("code", 0)
            self.record("429", route=endpoint.route, scope=refusal.scope, code=code, major=endpoint.major)
            return _json(refusal.body, 429, headers | refusal.headers)
        except Refusal as refusal:
            code = refusal.body["code"]
            self.record(
                "error", route=endpoint.route, status=refusal.status, code=code, body=_digest(request, raw)
            )
            return _json(refusal.body, refusal.status, headers)
        if answer is None:
            return web.Response(status=204, headers=headers)
        return _json(answer, 200, headers)

    def _admit(self, request: web.Request, endpoint: Endpoint) -> None:
        """Raise 401 without a good token."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if not endpoint.open and not (kind == "Bot" and self.valid(token)):
            raise Refusal(401, 0, "401: Unauthorized")


def _digest(request: web.Request, raw: tuple[bytes, list[Upload]]) -> str:
    """Return what two requests have in common if they ask for the same."""
    files = [(each.number, each.attachment["filename"], each.attachment["size"]) for each in raw[1]]
    said = f"{request.method} {request.path} {files}".encode() + raw[0]
    return hashlib.sha256(said).hexdigest()[:16]


def _has(raw: tuple[bytes, list[Upload]], name: str) -> bool:
    """Tell whether a request has the field *name*, if one is named, and something in it."""
    if name in {"", "files"}:
        return not name or bool(raw[1])
    try:
        return bool(json.loads(raw[0] or b"{}").get(name))
    except (ValueError, AttributeError):
        return False


def _abort(transport: asyncio.BaseTransport | None) -> None:
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"{}")
    except ValueError:
        raise Refusal(400, 50109, "The request body contains invalid JSON.") from None


def _json(body: Any, status: int, headers: Mapping[str, str]) -> web.Response:
    typed = {**headers, "Content-Type": JSON_TYPE}
    return web.Response(body=json.dumps(body).encode(), status=status, headers=typed)
