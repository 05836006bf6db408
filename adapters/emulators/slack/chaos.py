"""What can go wrong on Slack's side, as switches: each has the shape that the wire has then.

What is left to chance hangs on a seed and on the number of the call, never on the time, so that a case that
failed is one line to replay.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from adapters.emulators.control import control
from adapters.emulators.slack import shapes
from adapters.emulators.slack.http_sender import HttpSender
from adapters.emulators.slack.shapes import Json
from adapters.emulators.slack.sockets import Sockets
from adapters.emulators.slack.traffic import Fault, Traffic
from adapters.emulators.slack.web_api import WebApi
from adapters.emulators.slack.workspace import Workspace

HTML = "<html><head><title>503 Service Unavailable</title></head></html>"


def _fault(**given: Any) -> Fault:
    usual: dict[str, Any] = {"times": 1, "status": 200, "error": "", "headers": {}, "body": None}
    return Fault(**{**usual, "drop": False, "apply": False, "delay": 0.0, **given})


#: How one call can fail, by name.  "_applied": it took effect all the same, and only the answer is lost.
CALLS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "headers": {"Retry-After": "1"}},
    "429 fraction": {"status": 429, "headers": {"Retry-After": "1.5"}},
    "429 garbage": {"status": 429, "headers": {"Retry-After": "soon"}},
    "429 negative": {"status": 429, "headers": {"Retry-After": "-1"}},
    "429 bare": {"status": 429},
    "429 html": {"status": 429, "headers": {"Retry-After": "1"}, "body": HTML},
    "500": {"status": 500, "body": HTML},
    "502": {"status": 502, "body": ""},
    "503": {"status": 503, "error": "service_unavailable"},
    "internal_error": {"error": "internal_error"},
    "fatal_error": {"error": "fatal_error"},
    "html": {"body": HTML},
    "empty": {"body": ""},
    "half": {"raw": b'{"ok": tr'},
    "list": {"body": ["ok"]},
    "text": {"raw": b"ok", "kind": "text/plain"},
    "bytes": {"raw": b'{"ok": "\xff\xfe"'},
    "cut": {"drop": True},
    "500 applied": {"status": 500, "body": HTML, "apply": True},
    "internal_error applied": {"error": "internal_error", "apply": True},
    "html applied": {"body": HTML, "apply": True},
    "half applied": {"raw": b'{"ok": tr', "apply": True},
    "cut applied": {"drop": True, "apply": True},
    **{
        error: {"error": error}
        for error in (
            *("message_not_found", "cant_update_message", "edit_window_closed", "msg_too_long"),
            *("channel_not_found", "not_in_channel", "is_archived", "restricted_action"),
            *("token_revoked", "account_inactive", "invalid_auth"),
            *("message_not_in_streaming_state", "stopped_by_user"),
        )
    },
}


#: Those that another try may survive.
PASSING = (
    *(how for how in CALLS if how[0].isdigit() or "error" in how),
    *("html", "html applied", "empty", "half", "half applied", "cut", "cut applied", "list", "text", "bytes"),
)


class Chaos:
    """The switches; `Slack` has them beside its controls."""

    _sockets: Sockets
    _http: HttpSender
    _traffic: Traffic
    _api: WebApi
    _workspace: Workspace
    hears: bool

    @control
    async def fail(self, method: str, how: str, times: int = 1) -> None:
        """Let the next *times* calls of *method* fail in the way that `CALLS` names *how*."""
        self._traffic.add(method, _fault(**{**CALLS[how], "times": times}))

    @control
    async def chaos(
        self, seed: int, share: float, hows: Sequence[str] = (), methods: Sequence[str] = ()
    ) -> None:
        """Let a *share* of all calls fail, chosen by *seed*, the method and how many calls of it came before.

        Args:
            seed: The same one lets the same calls fail in the same way.
            share: 0 to 1; 0 ends it.
            hows: Of `CALLS`; all of `PASSING` if none is named.
            methods: Only these, if any are named.
        """
        chosen, counts = list(hows or PASSING), Counter[str]()

        def pick(method: str) -> Fault | None:
            counts[method] += 1
            if methods and method not in methods:
                return None
            chance = drawn(seed, method, counts[method])
            return _fault(**CALLS[chance.choice(chosen)]) if chance.random() < share else None

        self._traffic.chance = pick if share else None

    @control
    async def expire(self) -> None:
        """Let every native stream be over, as after its five minutes."""
        for kept in self._workspace.everything():
            if kept.streaming:
                kept.streams_until = time.monotonic() - 1.0

    @control
    async def calm(self) -> None:
        """Let nothing go wrong any more that a switch here, or `fault`, has set."""
        self._traffic.calm()
        self._api.shortens = self._api.narrow = 0
        self._api.revoked = ""
        self._sockets.life, self._sockets.spoilt = None, 0
        self._sockets.muted = self._sockets.silent = 0
        self._http.lost = self._http.unheard = 0
        await self.deliveries()

    @control
    async def shorten(self, on: bool = True, characters: int = 3_000) -> None:
        """Let markdown past so many *characters* be cut, with `ok: true` and a warning."""
        self._api.shortens = characters if on else 0

    @control
    async def narrow(self, on: bool = True, characters: int = 3_000) -> None:
        """Refuse markdown past so many *characters* with msg_too_long."""
        self._api.narrow = characters if on else 0

    @control
    async def tickets(self, life: float | None = None, *, spoilt: int = 0) -> None:
        """Let tickets be good for *life* seconds (None: for ever), and the next *spoilt* ones never."""
        self._sockets.life = life
        self._sockets.spoilt = spoilt

    @control
    async def mute(self, *, every: bool = False, also_new: int = 0) -> None:
        """Let the newest socket (or *every* one) go half-open: it stays, and answers nothing, no ping either.

        Args:
            every: All that are open.
            also_new: So many of the next ones too, after their hello.
        """
        self._sockets.mute(every=every)
        self._sockets.muted = also_new

    @control
    async def no_hello(self, times: int) -> None:
        """Accept the next *times* sockets without a word."""
        self._sockets.silent = times

    @control
    async def revoke(self, error: str = "token_revoked", *, tell: bool = True) -> None:
        """Let the bot's token be good for nothing any more, each call answered with *error*.

        Args:
            error: token_revoked, account_inactive (the app was removed), invalid_auth.
            tell: Whether the app is told before.
        """
        if tell and error == "account_inactive":
            self._workspace.subscriptions.add("app_uninstalled")
            self._workspace.tell({"type": "app_uninstalled"})
        elif tell:
            self._workspace.subscriptions.add("tokens_revoked")
            self._workspace.tell(
                {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [self._workspace.team.bot_user]}}
            )
        self._api.revoked = error

    @control
    async def restore(self) -> None:
        """Let the bot's token be good again."""
        self._api.revoked = ""

    @control
    async def rate_limit_app(self, minute: int = 1_700_000_000) -> None:
        """Tell the app that its events of a *minute* are held back."""
        payload: Json = {
            "token": shapes.VERIFICATION_TOKEN,
            "type": "app_rate_limited",
            "team_id": self._workspace.team.id,
            "minute_rate_limited": minute,
            "api_app_id": shapes.APP,
        }
        (self._http if self._http.url else self._sockets).event(payload)

    @control
    async def lose(self, requests: int = 0, answers: int = 0) -> None:
        """HTTP mode: let the next *requests* not get through, or the app's next *answers*."""
        self._http.lost, self._http.unheard = requests, answers

    @control
    async def forge(self, how: str, user: str = "U1") -> int:
        """HTTP mode: post a mention as somebody would who is not Slack; return the status.

        Args:
            how: What is wrong with it; see `http_sender.FORGED`.
            user: Who is said to have asked.
        """
        event = {"type": "app_mention", "user": user, "text": f"<@{shapes.BOT_USER}> forged", "channel": "C1"}
        event |= {"ts": f"{time.time():.6f}", "event_ts": f"{time.time():.6f}"}
        return await self._http.forge(how, shapes.callback(event, shared=False))

    @control
    async def deliveries(self, seed: int = 0, copies: int = 1, spread: float = 0.0) -> None:
        """Deliver every event 1 to *copies* times, each up to *spread* seconds late, in no order."""
        self._copies, self._spread, self._seed, self._told = copies, spread, seed, 0

    @control
    async def storm(
        self, seed: int, count: int, people: Sequence[str] = ("U1", "U2"), seconds: float = 1.0
    ) -> list[str]:
        """Let *people* mention the bot *count* times within *seconds*; return the questions' ts."""
        chance = drawn(seed, "storm", count)
        asked = []
        for number in range(count):
            text = f"<@{self._workspace.team.bot_user}> question {number}"
            asked.append(await self.say("C1", chance.choice(list(people)), text))  # type: ignore[attr-defined]
            if number % 50 == 49:
                await asyncio.sleep(seconds * 50 / count)
        return asked

    _copies, _spread, _seed, _told = 1, 0.0, 0, 0

    def send(self, payload: Json) -> None:
        """Deliver *payload* to the app over the way in that it has, as often and as late as it is set.

        An app that is installed by OAuth hears of workspaces only that have installed it.
        """
        if not self.hears:
            return
        self._told += 1
        way = self._http if self._http.url else self._sockets
        if self._copies == 1 and not self._spread:
            way.event(payload)
            return
        chance = drawn(self._seed, "delivery", self._told)
        for _ in range(chance.randint(1, self._copies)):
            self.spawn(_later(chance.random() * self._spread, way, payload))  # type: ignore[attr-defined]


def drawn(seed: int, what: str, number: int) -> random.Random:
    """Return the chance that hangs on all three and on nothing else."""
    digest = hashlib.sha256(f"{seed}/{what}/{number}".encode()).digest()
    return random.Random(int.from_bytes(digest[:8]))  # noqa: S311 - to be the same again is the point


async def _later(seconds: float, way: Sockets | HttpSender, payload: Json) -> None:
    await asyncio.sleep(seconds)
    way.event(payload)
