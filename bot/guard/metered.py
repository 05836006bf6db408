"""A model whose requests are paid for: each is reserved before it is made, and settled after.

It stands around the model that makes the requests, below all that asks twice, so that every try, every round
of tools and every continuation counts.  What a request has cost is what the API has counted.  Of one that was
stopped or broke off, what had arrived is counted: what the API had told by then, and an estimate of the rest.
It must never keep a request from ending: nothing here waits once it is made.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from bot.events import Event, Finished, Text, Thinking, ToolStarted, Usage
from bot.guard.spend import Spend
from bot.model import Ask, Kind, Model, ModelError, Payer, Request, Tool, nobody
from bot.model.estimate import FIRST, Estimate, size
from bot.model.room import bulk
from bot.store.accounts import Hold, Spent

#: Tokens of output after which what has arrived is noted, for the case that the process dies.
STEP = 2_000
#: Tokens a second that a model thinks, of which nothing arrives: about what Claude writes.
THINKING = 60
#: Tokens of a call of a tool, of which only the name is seen here.
CALLING = 100
#: Tokens that a search brings, about.
FOUND = 5_000
#: What an estimate of what is read may be short of: a part of it, and tokens.
MARGIN, BESIDE = 1.25, 500
#: The API's tools that run code.
CODE = frozenset({"code_execution", "bash_code_execution", "text_editor_code_execution"})
#: Failures after which the API may have read the request, though it has told nothing.
MAYBE = frozenset({Kind.SILENT, Kind.CUT})
#: Answers that go on, and tools whose weight is known, at most.
GOING, KNOWN = 4_096, 1_000

NOTHING = Usage()
#: Tell requests of this process from all others.
PROCESS, NUMBERS = secrets.token_hex(8), itertools.count(1)


class Metered:
    """Answers with *model*, where those who ask have the money; see `Model`.

    Args:
        model: Who answers; one request of it is one of the API.
        spend: Says what may be spent, and keeps count.
    """

    def __init__(self, model: Model, spend: Spend) -> None:
        self._model = model
        self._spend = spend
        self._weights = Weights()
        self._going: OrderedDict[str, None] = OrderedDict()  # questions whose answer is counted

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`; raise `ModelError` where nothing more may be spent."""
        if request.payer is None:
            async with aclosing(self._model.stream(request, ask)) as events:
                async for event in events:
                    yield event
            return
        meter = Meter(self._spend, request, request.payer, self._weights.tokens(request))
        try:
            if refused := await meter.reserve(request):
                raise ModelError(refused, Kind.CAPPED)
            async with aclosing(self._model.stream(replace(request, counted=meter.count), ask)) as events:
                async for event in events:
                    meter.take(event)
                    yield event
        except ModelError as error:
            meter.failed(error.kind)
            raise
        finally:
            self._weights.learn(request, meter.read)
            meter.end(turns=self._turns(request.payer.question, meter))

    def _turns(self, question: str, meter: Meter) -> int:
        """Return whether what *meter* has measured is the first of the answer to *question*."""
        first = question not in self._going and meter.heard
        if meter.is_last:
            self._going.pop(question, None)
        elif meter.heard:
            self._going[question] = None
            if len(self._going) > GOING:
                self._going.popitem(last=False)
        return int(first)


class Meter:
    """What one request costs.

    Args:
        spend: Says what may be spent.
        request: The request.
        payer: Who pays for it.
        reads: Tokens that it probably reads.

    Attributes:
        heard: Whether anything of a reply has arrived.
    """

    def __init__(self, spend: Spend, request: Request, payer: Payer, reads: int) -> None:
        self.heard = False
        self._spend = spend
        self._place = payer.place
        self._model = spend.named(request.model)
        self._who = spend.who(payer.actor, payer.place, self._model)
        self._key = f"{PROCESS}-{next(NUMBERS)}"
        self._reads = reads
        self._counted = NOTHING
        self._finished: Finished | None = None
        self._wrote = 0.0  # tokens, by what was seen
        self._noted = 0.0
        self._noted_cost = 0
        self._thinks: float | None = None
        self._tools = self._searches = self._codes = 0
        self._asked = False  # whether the request may have been read
        self._failed: Kind | None = None

    @property
    def read(self) -> int:
        """Tokens that the API has counted as read."""
        return self._counted.input + self._counted.cache_read + self._counted.cache_write

    @property
    def is_last(self) -> bool:
        """Whether the answer goes on with no other request, as far as can be known.

        One that broke off is tried again; where it was hung up on, its question may have been edited.
        """
        return self._finished is not None and self._finished.reason != "tool_use"

    async def reserve(self, request: Request) -> str:
        """Hold back what *request* may cost; return why it may not be made, "" if it may."""
        noted = self._so_far(ahead=STEP)
        self._noted_cost = noted.cost
        hold = Hold(self._key, reserve(self._spend, request, self._reads), noted)
        refused = await self._spend.reserve(hold, self._place)
        self._asked = not refused
        return refused

    def count(self, usage: Usage) -> None:
        """Take what the API has counted so far."""
        self.heard = True
        self._counted = usage
        self._note()

    def take(self, event: Event) -> None:
        """Take *event* of the reply."""
        self.heard = True
        now = asyncio.get_running_loop().time()
        if self._thinks is not None:
            self._wrote += (now - self._thinks) * THINKING
            self._thinks = None
        match event:
            case Text(text):
                self._wrote += size(text) * FIRST
            case Thinking():
                self._thinks = now
            case ToolStarted(title=name):
                self._tools += 1
                self._wrote += CALLING
                self._searches += name == "web_search"
                self._codes = self._codes or int(name in CODE)
            case Finished():
                self._finished = event
                self._counted = event.usage
        if self._wrote - self._noted >= STEP:
            self._note()

    def failed(self, kind: Kind) -> None:
        """Take note that the request has failed."""
        self._failed = kind

    def end(self, turns: int) -> None:
        """Settle: what has arrived counts in place of what was held back."""
        if self._thinks is not None:
            self._wrote += (asyncio.get_running_loop().time() - self._thinks) * THINKING
            self._thinks = None
        spent = None if self._is_free else self._so_far(turns=turns)
        self._spend.settle(self._key, spent, self._place)

    @property
    def _is_free(self) -> bool:
        """Whether the API has answered nothing, and has said so."""
        if not self._asked:
            return True
        return not self.heard and self._failed is not None and self._failed not in MAYBE

    def _note(self) -> None:
        """Have it noted what has arrived, and that a step more may be on its way."""
        self._noted = self._wrote
        noted = self._so_far(ahead=STEP)
        if noted.cost > self._noted_cost:
            self._noted_cost = noted.cost
            self._spend.accounts.note(self._key, noted)

    def _so_far(self, ahead: int = 0, turns: int = 0) -> Spent:
        """Return what it has cost so far, with *ahead* more tokens of output; it is *turns* answers."""
        usage, guessed = self._usage(ahead)
        model = (self._finished.model if self._finished else "") or self._model
        code = self._codes * self._spend.prices.code
        cost = self._spend.cost_of(model, usage) + code
        who = self._who
        return Spent(
            *(who.day, who.platform, who.workspace, who.channel, who.actor, model),
            *(turns, usage.input, usage.output, usage.cache_read, usage.cache_write, usage.searches),
            *(self._tools, cost, cost if guessed else code),
        )

    def _usage(self, ahead: int) -> tuple[Usage, bool]:
        """Return what counts, and whether any of it is not the API's count."""
        usage, wrote = self._counted, round(self._wrote)
        if self._finished and usage.output and self.read:
            return usage, False
        # If nothing is counted as read, it did not get so far, or a gateway leaves counts out.
        reads = usage.input if self.read else self._reads
        output = usage.output if self._finished and usage.output else max(usage.output, wrote) + ahead
        searches = max(usage.searches, self._searches)
        cached = usage.cache_read, usage.cache_write, usage.cache_hour
        return Usage(reads, output, *cached, searches), True


class Weights:
    """How many tokens requests have: by their bytes, and corrected by what the API counts."""

    def __init__(self) -> None:
        self._estimate = Estimate()
        self._tools: dict[tuple[str, int], int] = {}

    def tokens(self, request: Request) -> int:
        """Return how many tokens *request* probably has, without what the API finds for it."""
        text, more = bulk(request)
        described = self._described(request) if request.tools else 0
        return self._estimate.tokens(text + described) + more

    def learn(self, request: Request, tokens: int) -> None:
        """Take note that *request* had *tokens* tokens; 0 if that is not known."""
        if tokens and not any(tool.run is None for tool in request.tools):
            text, more = bulk(request)
            if not more:
                self._estimate.learn(text + self._described(request), tokens)

    def _described(self, request: Request) -> int:
        return sum(self._weight(tool) for tool in request.tools)

    def _weight(self, tool: Tool) -> int:
        """Return the bytes of the description of *tool*, or of one with its name and as many words."""
        key = tool.name, len(str(tool.described.get("description", "")))
        if key not in self._tools:
            if len(self._tools) >= KNOWN:
                self._tools.clear()
            self._tools[key] = size(str(tool.described))
        return self._tools[key]


def reserve(spend: Spend, request: Request, reads: int) -> int:
    """Return micro-dollars that *request*, of which *reads* tokens are known, may cost."""
    tokens = round(reads * MARGIN) + BESIDE
    searches = 0
    for tool in request.tools:
        if tool.run is None:
            uses = int(tool.described.get("max_uses", 0))
            tokens += uses * int(tool.described.get("max_content_tokens", FOUND))
            searches += uses if tool.name == "web_search" else 0
    price = spend.price(request.model)
    if price is None:
        return 0
    return price.most(tokens, request.max_tokens) + searches * spend.prices.search
