"""A platform that is a list, for tests of the core on the jumping clock."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.events import Page
from bot.model import Request
from bot.platform import Actor, Bucket, Limits, Mention, Op, Place, Receipt, Said, Surface

ANN = Actor("U1", "ann", workspace="T1")
BOB = Actor("U2", "bob", workspace="T1")
ROBOT = Actor("U3", "robot", workspace="T1", bot=True)
HERE = Place("C1", workspace="T1", home="T1")


@dataclass(frozen=True)
class Row:
    """One write that got through."""

    time: float
    message: str
    page: Page


@dataclass
class Sheet(Surface):
    """A surface that keeps what was written, and fails on request.

    Attributes:
        errors: What the next writes raise; None lets one through.
        lands: Whether a write that raises takes effect all the same.
        escapes: Whether it can replace a message; `replaced` are those it has.
        room: Where it branches to when others are live; `crowded` is what it was told.
    """

    name: str = "sheet"
    bucket: str = "bucket"
    limits: Limits = field(default_factory=lambda: Limits(2000))
    rate: float = 50 / 60
    burst: int = 50
    spacing: float = 1.0
    latency: float = 0.05
    errors: list[Exception | None] = field(default_factory=list)
    lands: bool = False
    said: Sequence[Said] = ()
    log: list[Row] = field(default_factory=list)
    nonces: dict[str, str] = field(default_factory=dict)
    statuses: list[bool] = field(default_factory=list)
    escapes: bool = False
    replaced: list[str] = field(default_factory=list)
    crowded: list[bool] = field(default_factory=list)
    room: Surface | None = None

    def buckets(self, op: Op) -> Sequence[Bucket]:
        kind = "post" if op is Op.POST else "edit"
        return [Bucket(f"{self.bucket}/{kind}", self.rate, self.burst, self.spacing)]

    def escape(self) -> Sequence[Bucket]:
        return [Bucket(f"{self.bucket}/post", self.rate, self.burst, self.spacing)] if self.escapes else ()

    async def replace(self, message: str, page: Page, nonce: str) -> Receipt:
        receipt = await self.post(page, nonce)
        self.replaced.append(message)
        return receipt

    async def branch(self, crowded: bool) -> Surface:
        self.crowded.append(crowded)
        return self.room if crowded and self.room else self

    async def post(self, page: Page, nonce: str) -> Receipt:
        assert 0 < len(nonce) <= 25
        message = self.nonces.setdefault(nonce, f"{self.name}/{len(self.nonces) + 1}")
        return await self._put(message, page)

    async def edit(self, message: str, page: Page) -> Receipt:
        return await self._put(message, page)

    async def status(self, on: bool) -> None:
        self.statuses.append(on)

    async def history(self, limit: int) -> Sequence[Said]:
        return self.said

    async def _put(self, message: str, page: Page) -> Receipt:
        error = self.errors.pop(0) if self.errors else None
        await asyncio.sleep(self.latency)
        if not error or self.lands:
            self.log.append(Row(asyncio.get_running_loop().time(), message, page))
        if error:
            raise error
        return Receipt(message)

    @property
    def shown(self) -> dict[str, Page]:
        """What every message shows now."""
        return {row.message: row.page for row in self.log}

    @property
    def last(self) -> Page:
        """What was written last."""
        return self.log[-1].page


def ask(
    sheet: Sheet, key: str = "q1", text: str = "hello?", actor: Actor = ANN, conversation: str = ""
) -> Mention:
    """Return a mention that is answered on *sheet*."""
    return Mention(key, conversation or key, actor, HERE, text, sheet)


def spoken(request: Request) -> list[tuple[str, str]]:
    """Return who says what in *request*; "" for the bot, and for a person who is the only one."""
    data = re.compile(r'<unver\S+ by="(.*?)">\n(.*)\n</\S+>', re.DOTALL)
    said = [turn.text for turn in request.turns if not re.match(r"\[\w{8}\] From the chat", turn.text)]
    said = [data.sub(r"[00000000] \1: \2", text) for text in said]
    named = [re.fullmatch(r"\[\w{8}\] (.*?): (.*)", text, re.DOTALL) for text in said]
    return [(found[1], found[2]) if found else ("", text) for found, text in zip(named, said, strict=True)]
