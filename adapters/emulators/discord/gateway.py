"""Discord's gateway: sessions that outlive their sockets, intents, shards and RESUME.

Frames are plain JSON text.  What is published is numbered per session at once and sent in that
order; a session without a socket keeps it for the RESUME.  It must never decide what happens,
only who is told.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from adapters.emulators.discord import shapes
from adapters.emulators.discord.shapes import BOT, Json
from adapters.emulators.discord.world import World

#: Intents (events/gateway.mdx): (in guilds, in direct messages) by the beginning of an event's name.
GUILDS, CONTENT = 1 << 0, 1 << 15
INTENTS = {
    "GUILD_": (GUILDS, GUILDS),
    "CHANNEL_": (GUILDS, GUILDS),
    "THREAD_": (GUILDS, GUILDS),
    "MESSAGE_REACTION_": (1 << 10, 1 << 13),
    "MESSAGE_": (1 << 9, 1 << 12),
}
#: What a session without a socket keeps; Discord's own limit is not documented.
BACKLOG = 10_000
#: Close codes after which a session cannot be resumed (opcodes-and-status-codes.mdx): wrong seq, timed out.
GONE = (4007, 4009)
HEARTBEAT = 41250  # ms, as recorded in HELLO
#: Seconds that a session outlives its socket: "a few minutes" (gateway.mdx, Initiating a Disconnect).
LINGER = 180.0


def without_content(message: Json) -> Json:
    """Return *message* as an app without the message content intent sees it (gateway.mdx)."""
    direct = "guild_id" not in message and message.get("channel_type", shapes.DM) == shapes.DM
    named = any(each["id"] == BOT for each in message["mentions"])
    seen = dict(message)
    if not (direct or named or message["author"]["id"] == BOT):
        seen |= {"content": "", "embeds": [], "attachments": [], "components": [], "mention_roles": []}
    if seen.get("referenced_message"):
        place: Json = {key: message[key] for key in ("guild_id", "channel_type") if key in message}
        inner = without_content(seen["referenced_message"] | place)
        seen["referenced_message"] = {key: inner[key] for key in seen["referenced_message"]}
    return seen


@dataclass(eq=False)
class Link:
    """One socket and the frames that wait to be sent on it."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport
    frames: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)
    session: Session | None = None
    closed: bool = False

    async def close(self, code: int, reason: bytes = b"") -> None:
        """Close it from Discord's side, which leaves the session as it is."""
        self.closed = True
        await self.socket.close(code=code, message=reason)


@dataclass(eq=False)
class Session:
    """What a bot has identified for.

    Attributes:
        sent: The dispatches so far, newest last, for a RESUME.
        link: Its socket, if it has one now.
        left: The loop's time when it last had one.
    """

    intents: int
    shard: int
    shards: int
    link: Link | None
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    seq: int = 0
    sent: deque[Json] = field(default_factory=lambda: deque(maxlen=BACKLOG))
    left: float = 0.0

    def dispatch(self, event: str, data: Json) -> None:
        """Number an event and send it, now or after a RESUME."""
        self.seq += 1
        frame = {"op": 0, "t": event, "s": self.seq, "d": data}
        self.sent.append(frame)
        if self.link:
            self.link.frames.put_nowait(frame)

    def wants(self, event: str, guild: str) -> bool:
        """Return whether the session's shard and intents let it have an event."""
        if (int(guild or 0) >> 22) % self.shards != self.shard:
            return False
        needed = next((bits for name, bits in INTENTS.items() if event.startswith(name)), None)
        return needed is None or bool(self.intents & needed[0 if guild else 1])


class Gateway:
    """All sockets and sessions.

    Args:
        record: The emulator's log.
        valid: Whether a token is the bot's.

    Attributes:
        world: What READY and GUILD_CREATE speak of.
        url: Its own address, set once it listens.
        interval: The heartbeat interval of the next HELLO, in ms.
        content: Whether the app may have message content.
        answering: Whether heartbeats are acknowledged.
        refusals: Statuses that the next connections get instead of one; 0 for a cut.
        codes: What the next logins are closed with.
        starts: What is left of today's session starts, and ms until that is reset.
        concurrency: How many shards may identify at once; those with one key wait for each other.
        pace: Seconds that they wait; too early an IDENTIFY is answered with op 9.  0 lets all pass.
        linger: Seconds that a session outlives its socket.
    """

    world: World

    def __init__(self, record: Callable[..., None], valid: Callable[[str], bool]) -> None:
        self._record = record
        self._valid = valid
        self._sessions: dict[str, Session] = {}
        self.links: set[Link] = set()
        self.url = ""
        self.interval = HEARTBEAT
        self.content = True
        self.answering = True
        self.refusals: list[int] = []
        self.codes: list[int] = []
        self.starts = (1000, 0)
        self.concurrency, self.pace = 1, 0.0
        self.linger = LINGER
        self._silent = False
        self._identified: dict[int, float] = {}

    def publish(self, event: str, data: Json, guild: str) -> None:
        """Dispatch an event to every session that wants it."""
        for session in self._sessions.values():
            if session.wants(event, guild):
                hide = event in ("MESSAGE_CREATE", "MESSAGE_UPDATE") and not session.intents & CONTENT
                session.dispatch(event, without_content(data) if hide else data)

    def tell(self, op: int, data: Any = None) -> None:
        """Send an operation to every bot that is connected."""
        for link in self.links:
            link.frames.put_nowait({"op": op, "d": data})

    def abort(self) -> None:
        """Cut every connection without a word."""
        for link in list(self.links):
            link.transport.abort()

    async def close(self, code: int) -> None:
        """Close every connection with *code*."""
        if code in GONE:
            self.forget()
        for link in list(self.links):
            await link.close(code)

    def silence(self, *, on: bool) -> None:
        """Let nothing in or out, as on a connection whose other end has vanished."""
        self._silent = on
        for link in list(self.links):
            if on:
                link.transport.pause_reading()
            else:
                link.transport.abort()

    def forget(self) -> None:
        """Forget all sessions."""
        self._sessions.clear()
        for link in self.links:
            link.session = None

    def replay(self, count: int) -> None:
        """Send every session's last *count* dispatches again."""
        for session in self._sessions.values():
            for frame in list(session.sent)[-count:] if count > 0 else []:
                if session.link:
                    session.link.frames.put_nowait(frame)

    def invalidate(self, *, resumable: bool) -> None:
        """Tell every bot that its session is invalid, and forget it unless it is *resumable*."""
        self.tell(9, resumable)
        if not resumable:
            self.forget()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection."""
        if self.refusals:
            return await self._refuse(request, self.refusals.pop(0))
        socket = web.WebSocketResponse(timeout=1.0)
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)  # noqa: S101 -- it has just been prepared
        link = Link(socket, request.transport)
        self.links.add(link)
        self._record("connect", query=dict(request.query))
        if self._silent:
            link.transport.pause_reading()
        link.frames.put_nowait({"op": 10, "d": {"heartbeat_interval": self.interval}})
        writer = asyncio.get_running_loop().create_task(self._write(link))
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await self._receive(link, json.loads(frame.data))
        finally:
            writer.cancel()
            self._left(link)
        return socket

    async def _refuse(self, request: web.Request, status: int) -> web.Response:
        self._record("refuse", status=status)
        if not status and isinstance(request.transport, asyncio.Transport):
            request.transport.abort()
        return web.Response(status=status or 503)

    async def _write(self, link: Link) -> None:
        while True:
            frame = await link.frames.get()
            if self._silent:
                continue
            try:
                await link.socket.send_str(json.dumps(frame))
            except ConnectionError:
                return
            if frame["op"] == 0:
                data = frame["d"]
                message = data.get("message_id") or (frame["t"].startswith("MESSAGE_") and data.get("id"))
                shard = link.session.shard if link.session else None
                self._record("dispatch", event=frame["t"], seq=frame["s"], message=message or "", shard=shard)

    def _left(self, link: Link) -> None:
        """Forget a socket; a bot that closes with 1000 or 1001 ends its session too (gateway.mdx)."""
        self.links.discard(link)
        if link.session and link.session.link is link:
            link.session.link, link.session.left = None, _now()
            if not link.closed and link.socket.close_code in (1000, 1001):
                self._sessions.pop(link.session.id, None)

    async def _receive(self, link: Link, frame: Json) -> None:
        data: Any = frame.get("d")
        match frame["op"]:
            case 1:
                self._record("heartbeat", seq=data)
                if self.answering:
                    # No far side is nearer than this; discord.py notes the time of a heartbeat only after
                    # sending it, and reads an earlier ack as a lag of a whole interval.
                    asyncio.get_running_loop().call_later(0.02, link.frames.put_nowait, {"op": 11})
            case 2 | 6 if self.codes:
                await self._turn_away(link, self.codes.pop(0))
            case 2 if link.session is None:
                await self._identify(link, data)
            case 6 if link.session is None:
                await self._resume(link, data)
            case 2 | 6:
                await link.close(4005, b"Already authenticated.")
            case _ if link.session is None:
                await link.close(4003, b"Not authenticated.")
            case 3:
                self._record("presence", data=data)
            case 8:
                self._members(link.session, data)

    async def _turn_away(self, link: Link, code: int) -> None:
        self._record("turned away", code=code)
        if code in GONE:
            self.forget()
        await link.close(code)

    async def _identify(self, link: Link, data: Json) -> None:
        shard, shards = data.get("shard") or (0, 1)
        intents = int(data["intents"])
        accepted = self._valid(data["token"])
        early = accepted and self._early(shard)
        self._record(
            "identify", intents=intents, shard=[shard, shards], accepted=accepted and not early, early=early
        )
        if not accepted:
            await link.close(4004, b"Authentication failed.")
        elif early:
            link.frames.put_nowait({"op": 9, "d": False})
        elif shard >= shards:
            await link.close(4010, b"Invalid shard.")
        elif intents & CONTENT and not self.content:
            await link.close(4014, b"Disallowed intent(s).")
        else:
            link.session = Session(intents, shard, shards, link)
            self._sessions[link.session.id] = link.session
            self._greet(link.session)

    def _early(self, shard: int) -> bool:
        """Spend a session start; tell whether it comes too soon after one with the same key (gateway.mdx)."""
        remaining, reset_after = self.starts
        self.starts = max(0, remaining - 1), reset_after
        key, now = shard % self.concurrency, _now()
        early = now - self._identified.get(key, -self.pace) < self.pace
        self._identified[key] = now
        return early

    def _greet(self, session: Session) -> None:
        guilds = [each for each in self.world.guilds if session.wants("", each)]
        ready = {
            "v": 10,
            "user": {**self.world.users[BOT], "verified": True, "mfa_enabled": False, "email": None},
            "guilds": [{"id": each, "unavailable": True} for each in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.url,
            "shard": [session.shard, session.shards],
            "application": {"id": BOT, "flags": shapes.CONTENT_FLAG if self.content else 0},
            "private_channels": [],
            "relationships": [],
            "presences": [],
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": [],
            "user_settings": {},
            "_trace": [],
        }
        session.dispatch("READY", ready)
        here = self.world.by_guild()
        for each in guilds:
            if session.wants("GUILD_CREATE", each):
                session.dispatch("GUILD_CREATE", self.world.guild_create(each, here[each]))

    async def _resume(self, link: Link, data: Json) -> None:
        session = self._sessions.get(data["session_id"])
        accepted = self._valid(data["token"])
        known = session is not None and data["seq"] <= session.seq
        if session and not session.link and _now() - session.left > self.linger:
            known = False
        shard = session.shard if session else None
        self._record("resume", seq=data["seq"], accepted=accepted and known, shard=shard)
        if not accepted:
            await link.close(4004, b"Authentication failed.")
        elif session is None or not known:
            link.frames.put_nowait({"op": 9, "d": False})
        else:  # whatever other socket it had: what becomes of that one is not documented; it hears no more
            link.session, session.link = session, link
            for frame in session.sent:
                if frame["s"] > data["seq"]:
                    link.frames.put_nowait(frame)
            session.dispatch("RESUMED", {"_trace": []})

    def _members(self, session: Session, data: Json) -> None:
        """Answer op 8 in one chunk."""
        guild = str(data["guild_id"])
        wanted = data.get("user_ids")
        found = [
            {**shapes.member(self.world.roles_of(id_, guild)), "user": user}
            for id_, user in self.world.users.items()
            if wanted is None or id_ in wanted
        ]
        chunk = {"guild_id": guild, "members": found, "chunk_index": 0, "chunk_count": 1, "not_found": []}
        session.dispatch("GUILD_MEMBERS_CHUNK", {**chunk, "presences": [], "nonce": data.get("nonce")})


def _now() -> float:
    return asyncio.get_running_loop().time()
