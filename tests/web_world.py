"""The chat page as people use it: browsers on a real socket, with what the wire can do to them.

There is no platform outside that could fail, so what a platform's failures are is done to the surface itself.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from adapters.web.hearing import routes
from adapters.web.platform import Web
from adapters.web.settings import Settings, tokens_of
from adapters.web.surface import WebSurface
from adapters.web.talks import Talk
from bot.events import Page
from bot.platform import Asked, Gone, Platform, Receipt, Remains, SlowDown, Surface
from bot.run.server import serving
from bot.store.memory import Memory
from tests.contract import Call, Part, Seen, Trouble, World, at, until
from tests.ports import free_port
from tests.web import TOKENS

#: Seconds of an answer that is late.
LATE = 0.3
NAMES = {"Stop": "stop", "Continue": "continue", "Try again": "retry"}
NAMES |= {"Allow once": "allow", "Allow for this conversation": "always", "No": "refuse"}

Json = dict[str, Any]


@dataclass
class Shown:
    """A message as a page shows it."""

    told: Json
    blocks: list[str] = field(default_factory=list)
    edits: int = -1

    def take(self, told: Json) -> None:
        """Do what the page does; see `adapters/web/page/log.js`."""
        self.edits += 1
        stale = told.get("stale")
        self.told = told
        if "blocks" not in told or (stale and self.blocks):
            return
        for index, kind, text, *_ in told["blocks"]:
            while len(self.blocks) <= index:
                self.blocks.append("")
            self.blocks[index] = (
                self.blocks[index] + text if kind == "more" else text if kind == "code" else plain(text)
            )
        del self.blocks[told["count"] :]

    @property
    def text(self) -> str:
        """What people read."""
        if self.told["role"] == "person":
            return str(self.told["text"])
        return "\n\n".join(self.blocks).replace("\u2060", "") or ("…" if self.told["live"] else "")


def plain(html: str) -> str:
    """Return what a browser shows of *html*."""
    return unescape(re.sub(r"<[^>]*>", "", html.replace("<br />", "\n"))).strip("\n")


class View:
    """One conversation in one tab."""

    def __init__(self) -> None:
        self.messages: dict[str, Shown] = {}
        self.last = ""
        self.events = 0

    def take(self, id_: str, told: Json) -> None:
        """Take one event."""
        self.last, self.events = id_, self.events + 1
        if told["whole"]:
            keys = {each["key"] for each in told["messages"]}
            self.messages = {key: each for key, each in self.messages.items() if key in keys}
        for each in told["messages"]:
            self.messages.setdefault(each["key"], Shown(each)).take(each)
        for key in told["gone"]:
            self.messages.pop(key, None)


class Browser:
    """One person's browser.

    Args:
        url: Says where the page is.
        token: What they sign in with; "" for nothing.
    """

    def __init__(self, url: Callable[[], str], token: str = "") -> None:
        self.url = url
        self.token = token
        self.views: dict[str, View] = {}
        self.cookie = ""
        self._tabs: dict[str, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """What requests go through."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=5)
            connector = aiohttp.TCPConnector(limit=0)
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=jar)
        return self._session

    def headers(self) -> dict[str, str]:
        """What a browser sends with each request."""
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        return {"Origin": self.url(), **cookie}

    async def sign_in(self) -> int:
        """Sign in with the token; return the status, 0 where nobody answers."""
        form = {"token": self.token}
        url, sent = f"{self.url()}/web/sign-in", self.headers()
        try:
            async with self.session.post(url, data=form, headers=sent, allow_redirects=False) as answer:
                if "Set-Cookie" in answer.headers:
                    self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
                return answer.status
        except (aiohttp.ClientError, OSError):
            return 0

    async def post(self, path: str, told: Json) -> tuple[int, Json]:
        """Post JSON; return the status, 0 where nobody answers, and the answer."""
        if self.token and not self.cookie:
            await self.sign_in()
        try:
            url = f"{self.url()}/web/{path}"
            async with self.session.post(url, json=told, headers=self.headers()) as answer:
                return answer.status, await answer.json()
        except (aiohttp.ClientError, OSError):
            return 0, {}

    def open(self, talk: str) -> View:
        """Open a tab with *talk*, which comes back by itself."""
        view = self.views.setdefault(talk, View())
        if talk not in self._tabs:
            self._tabs[talk] = asyncio.create_task(self._read(talk, view))
        return view

    async def shut(self, talk: str = "") -> None:
        """Close the tab with *talk*, or all."""
        for name in [talk] if talk else list(self._tabs):
            tab = self._tabs.pop(name)
            tab.cancel()
            await asyncio.wait({tab})

    async def close(self) -> None:
        """Close the browser."""
        await self.shut()
        if self._session:
            await self._session.close()

    async def _read(self, talk: str, view: View) -> None:
        while True:
            with suppress(aiohttp.ClientError, OSError, EOFError):
                await self.read_once(talk, view)
            await asyncio.sleep(0.02)

    async def read_once(self, talk: str, view: View) -> None:
        """Read until the connection ends."""
        if self.token and not self.cookie:
            await self.sign_in()
        url = f"{self.url()}/web/events/{talk}"
        async with self.session.get(url, params={"last": view.last}, headers=self.headers()) as answer:
            if answer.status != 200:
                raise EOFError
            await read_events(answer, view)


async def read_events(answer: aiohttp.ClientResponse, view: View) -> None:
    """Read the events of *answer* into *view* until it ends."""
    kept = b""
    id_ = ""
    async for piece in answer.content.iter_any():
        *lines, kept = (kept + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"id: "):
                id_ = line[4:].decode()
            elif line.startswith(b"data: "):
                view.take(id_, json.loads(line[6:]))


class Faults:
    """What is to happen to the next writes."""

    def __init__(self) -> None:
        self.planned: list[tuple[Call, Trouble, bool]] = []
        self.slow: dict[Call, float] = {}
        self.made: list[tuple[Call, float]] = []
        self.no_history = False


class WatchedSurface(WebSurface):
    """A surface whose writes are counted, and fail as planned."""

    def __init__(self, faults: Faults, *more: Any) -> None:
        super().__init__(*more)
        self._faults = faults

    async def post(self, page: Page, nonce: str) -> Receipt:
        known = f"web/{self._talk}/{nonce}" in (await self._here()).messages
        call: Call = "edit" if known else "post"  # one that has landed is found
        return await self._made(call, page, lambda: super(WatchedSurface, self).post(page, nonce))

    async def edit(self, message: str, page: Page) -> Receipt:
        return await self._made("edit", page, lambda: super(WatchedSurface, self).edit(message, page))

    async def history(self, limit: int) -> Any:
        if self._faults.no_history:
            raise OSError("the history can't be read")
        return await super().history(limit)

    async def _made(self, call: Call, page: Page, write: Callable[[], Awaitable[Receipt]]) -> Receipt:
        faults = self._faults
        faults.made.append((call, asyncio.get_running_loop().time()))
        seconds = faults.slow.get(call, 0.0)
        kinds = (call, "attach") if page.files else (call,)
        fault = next((each for each in faults.planned if each[0] in kinds), None)
        if fault is None:
            await asyncio.sleep(seconds / 2)
            receipt = await write()
            await asyncio.sleep(seconds / 2)
            return receipt
        faults.planned.remove(fault)
        _, how, lands = fault
        if lands:
            await write()
        if how == "slow":
            raise SlowDown(WebWorld.pause)
        if how == "gone":
            raise Gone("it is gone")
        await asyncio.sleep(LATE if how == "late" else 0)
        raise TimeoutError("no answer") if how == "late" else ConnectionError("it was cut off")


class Watched(Web):
    """The chat page, whose surfaces are watched."""

    faults: Faults

    def surface(self, talk: Talk, question: str) -> Surface:
        return WatchedSurface(self.faults, self, talk.id, talk.owner, question)

    def reopen(self, asked: Asked, remains: Remains) -> Surface | None:
        found = super().reopen(asked, remains)
        if not isinstance(found, WebSurface):
            return None
        return WatchedSurface(self.faults, self, found._talk, found._asker, found._question)


class Emulator:
    """The world outside: nothing but the browsers, as a test sees them."""

    def __init__(self) -> None:
        self.world: WebWorld

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Close the browsers."""
        await self.world.browser.close()

    async def limits(self, *, on: bool) -> None:
        """Nothing limits anything."""

    async def events(self, **_what: Any) -> list[Json]:
        """Nothing is logged."""
        return []

    async def verdict(self) -> Json:
        """What must not have happened, as the browsers saw it."""
        views = self.world.browser.views.values()
        live = [key for view in views for key, each in view.messages.items() if each.told.get("live")]
        return {"pings": [], "unfurls": [], "masks": [], "never_final": live}

    async def message(self, talk: str, message: str) -> Json:
        """A message with its buttons."""
        found = self.world.browser.views[talk].messages.get(f"web/{talk}/{message}")
        return {"controls": [label for _, label in found.told["controls"]] if found else []}

    async def press(self, talk: str, message: str, who: str, label: str = "Stop") -> None:
        """Press the button *label*."""
        await self.world.send(
            f"press/{talk}", {"message": f"web/{talk}/{message}", "control": NAMES.get(label, label)}
        )


class WebWorld(World):
    """The chat page: a conversation has one person, who has it open on two devices."""

    name = "web"
    ann, bob = "ann", "ann"
    alone = True
    bots = ()
    page = 12_000
    pause = 0.5
    stops = (*"🛑⏹❌✋", "⏹\ufe0f", *(f"✋{chr(tone)}" for tone in range(0x1F3FB, 0x1F400)))
    others = ("👀", "🟥", "🎉")
    emulator: Emulator

    def __init__(self, emulator: Emulator, **settings: Any) -> None:
        self.port = free_port()
        self.faults = Faults()
        self.stack = AsyncExitStack()
        self.browser = Browser(lambda: f"http://127.0.0.1:{self.port}", "ann-has-this-token")
        self.unsent: list[tuple[str, Json]] = []
        self.sent: list[tuple[str, Json]] = []
        super().__init__(emulator, **settings)
        emulator.world = self

    @classmethod
    def new_emulator(cls) -> Emulator:
        return Emulator()

    def load(self) -> Platform:
        found = Watched(tokens_of(Settings.model_validate({"RIVULET_WEB_TOKENS": TOKENS})), "", 20_000_000)
        found.faults = self.faults
        found.routes = routes(found)
        return found

    async def connect(self) -> None:
        self.port = await self.stack.enter_async_context(serving("127.0.0.1", self.port, [self.platform]))
        await super().connect()
        for path, told in [self.unsent.pop(0) for _ in list(self.unsent)]:
            await self.send(path, told)

    async def vanish(self) -> None:
        await super().vanish()
        await self.stack.aclose()

    async def restart(self, *, remember: bool = False) -> None:
        """As `World.restart`; without the ledger, what people saw is still there."""
        shelf = self.store._shelf
        await self.crash()
        if not remember:
            self.store = Memory()
            self.store._shelf = shelf
        self.platform = self.load()
        self.core = self.fresh_core()
        await self.connect()

    def key(self, message: str) -> str:
        return f"web/{message}"

    async def send(self, path: str, told: Json) -> int:
        """Do something in the page; what the server does not take now is done again when it is back."""
        self.sent.append((path, told))
        status, _ = await self.browser.post(path, told)
        if status in {0, 503}:
            self.unsent.append((path, told))
        return status

    async def say(self, text: str, who: str = "") -> str:
        return await self._ask(uuid4().hex[:16], text)

    async def _ask(self, talk: str, text: str, files: Sequence[str] = ()) -> str:
        self.browser.open(talk)
        name = uuid4().hex[:12]
        await self.send(f"ask/{talk}", {"id": name, "text": text, "files": list(files)})
        return f"{talk}/{name}"

    async def attach(self, text: str, files: Mapping[str, bytes], question: str = "") -> str:
        talk = at(question)[0] if question else uuid4().hex[:16]
        return await self._ask(talk, text, [await self.upload(talk, *each) for each in files.items()])

    async def upload(self, talk: str, name: str, data: bytes) -> str:
        """Send a file; return its key."""
        told = f"name={name}&type=application/octet-stream&size={len(data)}"
        id_ = uuid4().hex[:12]
        for offset in range(0, len(data), 2**19):
            url = f"{self.browser.url()}/web/files/{talk}/{id_}?{told}&offset={offset}"
            piece, headers = data[offset : offset + 2**19], self.browser.headers()
            async with self.browser.session.post(url, data=piece, headers=headers) as answer:
                key = (await answer.json())["key"]
        return str(key)

    async def spoil_files(self, times: int = 1, **fault: Any) -> None:
        raise NotImplementedError("files are in the ledger")

    async def talk(self, question: str, texts: Sequence[str]) -> str:
        pytest.skip("in a conversation of the chat page a person talks to the bot alone")

    async def reply(self, question: str, text: str, after: str = "") -> str:
        return await self._ask(at(question)[0], text)

    async def dm(self, text: str, who: str = "") -> str:
        return await self._ask("direct-to-the-bot", text)

    async def chat(self, text: str) -> str:
        return "nowhere-at-all/nothing"

    async def others_say(self, text: str) -> None:
        """Nobody who is no person can write; without a session nothing is heard."""
        other = Browser(self.browser.url)
        status, _ = await other.post(f"ask/{uuid4().hex}", {"id": "12345678", "text": text})
        assert status in {0, 401}
        await other.close()

    async def strangers_say(self, text: str) -> None:
        """A wrong token, and another person's conversation."""
        stranger = Browser(self.browser.url, "nobody-has-this-token")
        assert await stranger.sign_in() in {0, 401}
        await stranger.close()

    async def answers(self, question: str) -> list[Seen]:
        talk, _ = at(question)
        view = self.browser.views[talk]
        await self.settled()
        chain, found = {f"web/{question}"}, []
        for key, each in view.messages.items():
            if each.told["role"] == "bot" and each.told["under"] in chain:
                chain.add(key)
                under = each.told["under"].removeprefix("web/")
                told = each.told
                live = any(name == "stop" for name, _ in told["controls"]) or told["live"]
                found.append(Seen(key.removeprefix("web/"), each.text, told["note"], live, each.edits, under))
        return found

    async def attached(self, question: str) -> list[dict[str, Any]]:
        found = []
        for seen in await self.answers(question):
            talk, _ = at(seen.id)
            for name, _, size, key in self.browser.views[talk].messages[self.key(seen.id)].told["files"]:
                url = f"{self.browser.url()}/web/files/{talk}/{key.split('/')[-1]}"
                async with self.browser.session.get(url, headers=self.browser.headers()) as answer:
                    assert answer.headers["Content-Disposition"].startswith("attachment")
                    found.append({"name": name, "size": size, "text": (await answer.read()).decode()})
        return found

    async def react(self, message: str, emoji: str = "", who: str = "") -> None:
        await self._react(message, emoji or self.stops[0], on=True)

    async def unreact(self, message: str, emoji: str = "", who: str = "") -> None:
        await self._react(message, emoji or self.stops[0], on=False)

    async def _react(self, message: str, emoji: str, *, on: bool) -> None:
        await self.send(f"react/{at(message)[0]}", {"message": self.key(message), "emoji": emoji, "on": on})

    async def press(self, message: str, who: str = "") -> None:
        await self.emulator.press(*at(message), who)

    async def edit(self, question: str, text: str) -> None:
        await self.send(f"edit/{at(question)[0]}", {"message": self.key(question), "text": text})

    async def delete(self, message: str) -> None:
        await self.send(f"delete/{at(message)[0]}", {"message": self.key(message)})

    async def redeliver(self) -> None:
        """Send all that was asked once more, as a page does whose answer got lost."""
        for path, told in [*self.sent]:
            if path.startswith("ask/"):
                await self.browser.post(path, told)

    async def drop(self) -> None:
        """Cut every connection; the pages come back."""
        talks = list(self.browser.views)
        await self.browser.shut()
        for talk in talks:
            self.browser.open(talk)

    async def trouble(self, call: Call, how: Trouble, *, lands: bool = False, times: int = 1) -> None:
        self.faults.planned += [(call, how, lands)] * times

    async def refuse(self, call: Call, part: Part = "anything", times: int = 1, *, status: int = 400) -> None:
        raise NotImplementedError("nobody refuses anything")

    async def slow(self, call: Call, seconds: float) -> None:
        self.faults.slow[call] = seconds

    async def hide_history(self) -> None:
        self.faults.no_history = True

    async def calls(self, call: Call) -> list[float]:
        return [when for made, when in self.faults.made if made == call]

    async def settled(self) -> None:
        """Wait until every page has all that there is; what was asked is heard once it is answered."""

        async def told() -> bool:
            talks = self.platform._talks  # type: ignore[attr-defined]
            return all(
                view.last.endswith(f"-{talks[talk].number}")
                for talk, view in self.browser.views.items()
                if talk in talks and talks[talk].readers
            )

        await asyncio.sleep(0)
        with suppress(TimeoutError):  # while an answer grows, they never have all
            async with asyncio.timeout(0.5):
                await until(told)


__all__ = ["Browser", "View", "WebWorld"]
