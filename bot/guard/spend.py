"""How much may be spent: caps, what they forbid, and the words for it.

Caps are for a person, a channel, a workspace and all together, each for a day and a month of UTC.  A request
is let through while less than every cap is spent or held for requests that run, so a cap is exceeded by no
more than what one request can cost.  Nothing here talks to the model or keeps anything; the ledger does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil

import structlog

from bot.config.rules import Caps
from bot.events import Usage
from bot.guard.prices import MICRO, Price, Prices
from bot.platform import Actor, Place
from bot.store.accounts import ALLOWANCE, Accounts, Cap, Hold, Scope, Span, Spent, Sum, first_of_month
from bot.tally import Tally

log = structlog.get_logger(__name__)

DAY = 86_400
#: Days by which a clock that was set back is not believed, so that no cap begins anew.
BACK = 2
#: The part of a cap at which admins are told, and of whose caps.
NEARLY = 0.8
TOLD: tuple[Scope, ...] = ("all", "workspace", "channel")

WHOSE: Mapping[str, str] = {
    "person": "You have used up your",
    "channel": "This channel has used up its",
    "workspace": "This workspace has used up its",
    "all": "The bot has used up its",
}
BUSY: Mapping[str, str] = {
    "person": "Your answers that are being written may use up your",
    "channel": "Answers that are being written in this channel may use up its",
    "workspace": "Answers that are being written in this workspace may use up its",
    "all": "Answers that are being written may use up the bot's",
}
TOGETHER: Mapping[str, str] = {
    "channel": "Channel {channel} of {platform}",
    "workspace": "Workspace {workspace} of {platform}",
    "all": "The bot",
}
UNKEPT = (
    "The bot can't write its accounts, and has used up the {most} that it may spend until it can. Please ask "
    "again later. {who} can mend that."
)
UNPRICED = "Nobody has said what {model} costs, and without that the bot may not ask it. {who} can mend that."
OPERATOR = "Whoever runs this bot"
#: What the money of a cap is called.
ADJECTIVES: Mapping[str, str] = {"day": "for today", "month": "for this month"}
_SCOPES: Mapping[str, Scope] = {"person": "person", "channel": "channel", "workspace": "workspace"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a cap is used."""

    cap: Cap
    sum: Sum

    @property
    def left(self) -> int:
        """Micro-dollars that are not spent; what is held for requests that run is left."""
        return max(0, self.cap.most - self.sum.spent)


class Spend:
    """Says what may be spent, and keeps count of what was.

    Args:
        accounts: Where that is kept.
        prices: What models cost.
        caps: Says how much may be spent in a place; asked anew each time.
        model: Who answers requests that name no model.
        contact: Says whom to ask in a place for more; "" for whoever runs the bot.
        tell: Told once, when most of a cap that is not one person's is used up, and in which place; where
            several processes spend, by the one that has used it up.
        clock: Seconds of the wall clock.
        tally: Where tokens and dollars are counted, for whoever looks at the bot.
    """

    def __init__(
        self,
        accounts: Accounts,
        prices: Prices,
        caps: Callable[[Place], Caps] = lambda _place: Caps(),
        model: str = "",
        contact: Callable[[Place], str] = lambda _place: "",
        tell: Callable[[str, Place], None] = lambda _text, _place: None,
        clock: Callable[[], float] = time.time,
        tally: Tally | None = None,
    ) -> None:
        self.accounts = accounts
        self.prices = prices
        self.model = model
        self._caps = caps
        self._contact = contact
        self.tell = tell
        self._clock = clock
        self._tally = tally or Tally()
        self._day = 0

    @property
    def day(self) -> int:
        """The day that it is, since 1970, UTC; never before one that it was, unless the clock was far off."""
        now = int(self._clock() // DAY)
        if not 0 <= self._day - now <= BACK:
            self._day = now
        return self._day

    @property
    def today(self) -> Sum:
        """What is spent and held today, in all."""
        return self.accounts.sum(Spent(self.day), Cap("all", "day", 0))

    def refusal(self, actor: Actor, place: Place) -> str:
        """Return why no question of *actor* is answered in *place*, "" if it is; costs no I/O."""
        who = self.who(actor, place)
        cap = self.accounts.forbids(who, listed(self._caps(place)))
        return self.sentence(cap, who, place) if cap else ""

    def price(self, model: str) -> Price | None:
        """Return what *model* costs, "" for the usual one; None if nobody knows."""
        return self.prices.of(model or self.model)

    def cost_of(self, model: str, usage: Usage) -> int:
        """Return micro-dollars for *usage* of *model*; 0 if nobody knows what it costs."""
        return self.prices.cost(model or self.model, usage)

    def who(self, actor: Actor, place: Place, model: str = "") -> Spent:
        """Return what stands for *actor* in the accounts today; a thread counts for its channel."""
        channel = place.parent or place.channel
        return _who(self.day, place.platform, place.workspace, channel, actor.id, model)

    def named(self, model: str) -> str:
        """Return the name of *model*, "" for the usual one."""
        return model or self.model

    async def reserve(self, hold: Hold, place: Place) -> str:
        """Hold back what a request may cost; return why it may not be made, "" if it may."""
        caps = listed(self._caps(place))
        if caps and not self.prices.of(hold.noted.model):
            return UNPRICED.format(model=hold.noted.model, who=self._contact(place) or OPERATOR)
        cap = await self.accounts.reserve(hold, caps)
        return self.sentence(cap, hold.noted, place) if cap else ""

    def settle(self, key: str, spent: Spent | None, place: Place) -> None:
        """Count that a request has cost *spent*, None for nothing, in place of what was held back."""
        if not spent:
            self.accounts.settle(key, None)
            return
        self._count(spent)
        caps = nearly(self._caps(place))

        def tell(reached: Cap, now: int) -> None:
            text = self._warning(caps[reached], now, spent)
            log.warning("most of a cap is used up", told=text)
            self.tell(text, place)

        self.accounts.settle(key, spent, tuple(caps), tell)

    def standing(self, actor: Actor, place: Place) -> list[Standing]:
        """Return how much of each cap is used that *actor* meets in *place*."""
        who = self.who(actor, place)
        caps = listed(self._caps(place))
        return [Standing(cap, self.accounts.sum(who, cap)) for cap in caps]

    def sentence(self, cap: Cap, who: Spent, place: Place) -> str:
        """Return what people are told about *cap*, which lets *who* begin nothing in *place*."""
        whom = self._contact(place) or OPERATOR
        if cap.scope == "ledger":
            return UNKEPT.format(most=dollars(ALLOWANCE), who=whom)
        budget = f"{dollars(cap.most)} {ADJECTIVES[cap.span]}"
        if self.accounts.sum(who, cap).spent < cap.most:
            return f"{BUSY[cap.scope]} {budget}. Please ask again when they have ended."
        until = ending(cap.span, self.day, self._clock())
        return f"{WHOSE[cap.scope]} {budget}, until {until}. {whom} can raise that."

    def _count(self, spent: Spent) -> None:
        for kind in ("input", "output", "cache_read", "cache_write"):
            self._tally.tokens.add(spent.model, kind, by=getattr(spent, kind))
        self._tally.cost.add(spent.platform, spent.model, by=spent.cost)

    def _warning(self, cap: Cap, now: int, spent: Spent) -> str:
        """Return what admins are told of *cap*, of which *now* is used since *spent* is counted."""
        whose = TOGETHER[cap.scope].format(
            channel=spent.channel, workspace=spent.workspace, platform=spent.platform
        )
        budget = f"{dollars(cap.most)} {ADJECTIVES[cap.span]}"
        until = ending(cap.span, self.day, self._clock())
        return f"{whose} has used {dollars(now)} of its {budget}, until {until}."


@lru_cache(maxsize=4096)
def _who(day: int, platform: str, workspace: str, channel: str, actor: str, model: str) -> Spent:
    return Spent(day, platform, workspace, channel, actor, model)


@lru_cache(maxsize=256)
def listed(caps: Caps) -> Sequence[Cap]:
    """Return *caps* as the accounts take them, without those that are 0; those of a month first."""
    found = []
    for each in fields(caps):
        scope, _, span = each.name.rpartition("_")
        most = round(getattr(caps, each.name) * MICRO)
        spans: Mapping[str, Span] = {"day": "day", "month": "month"}
        if most > 0:
            found.append(Cap(_SCOPES.get(scope, "all"), spans[span], most))
    return tuple(sorted(found, key=lambda cap: cap.span == "day"))


@lru_cache(maxsize=256)
def nearly(caps: Caps) -> Mapping[Cap, Cap]:
    """Return those of *caps* of which admins are told, by what is most of them."""
    told = [cap for cap in listed(caps) if cap.scope in TOLD]
    return {replace(cap, most=ceil(NEARLY * cap.most)): cap for cap in told}


def dollars(micro: int) -> str:
    """Return *micro* as people read it, to the cent, or as exactly as a small sum needs."""
    if 0 < micro < MICRO // 100:
        return f"${micro / MICRO:.4f}"
    return f"${micro / MICRO:,.2f}"


def ending(span: str, day: int, now: float) -> str:
    """Return when *span*, which *day* is in, ends: on the clock of UTC, and in how long from *now*."""
    if span == "day":
        end, when = (day + 1) * DAY, "00:00 UTC"
    else:
        end = first_of_month(first_of_month(day) + 31) * DAY
        date = datetime.fromtimestamp(end, UTC)
        when = f"{date.day} {date:%B}, 00:00 UTC"
    return f"{when}, {_in(end - now)}"


def _in(seconds: float) -> str:
    for name, size in (("day", DAY), ("hour", 3600), ("minute", 60)):
        if (number := round(seconds / size)) >= 1 and seconds >= size:
            return f"in {number} {name}{'s' * (number != 1)}"
    return "in a minute"
