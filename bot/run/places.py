"""The terms of each place, made of the settings, the rules and the tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial

from bot.config import Settings
from bot.config.rules import Rulebook, Rules, Written, from_environment
from bot.core.terms import Terms, no_more
from bot.guard.prices import Prices, prices
from bot.guard.spend import Caps
from bot.model import Asking
from bot.platform import Actor, Place
from bot.run.configured import Toolsets
from bot.show.writes import Showing
from bot.tools import Offered
from bot.tools.mcp import Servers


class Places:
    """What holds where.  An answer that has begun keeps its terms when others come to hold.

    Args:
        settings: What holds everywhere.
        book: What holds where.
        toolsets: The tools that *book* names.
        servers: The MCP servers.
        tools: Tools that may be used everywhere besides.
    """

    def __init__(
        self,
        settings: Settings,
        book: Rulebook,
        toolsets: Toolsets,
        servers: Servers | None = None,
        tools: Sequence[Offered] = (),
    ) -> None:
        self.book = book
        self._asking = asking_of(settings)
        self._showing = showing_of(settings)
        self._toolsets = toolsets
        self._servers = servers
        self._tools = tuple(tools)
        self._made: dict[Rules, Terms] = {}
        self._follow_ups = self._somewhere()

    @classmethod
    def alike(cls, settings: Settings, tools: Sequence[Offered] = ()) -> Places:
        """Return what holds everywhere where there is no file, with *tools*."""
        return cls(settings, Rulebook(replace(from_environment(settings), tools=())), {}, tools=tools)

    def follow_ups(self) -> bool:
        """Tell whether there is a place where a thread needs no mentions."""
        return self._follow_ups

    def caps(self, place: Place) -> Caps:
        """Return what may be spent in *place*."""
        return Caps(**asdict(self.book.at(place).caps))

    def contact(self, place: Place) -> str:
        """Return whom people in *place* can ask; "" for nobody in particular."""
        return self.book.at(place).who.contact

    @property
    def prices(self) -> Prices:
        """What models cost, by the table and the file."""
        return prices({model: price.given for model, price in self.book.written.prices.items()})

    def take(self, written: Written, toolsets: Toolsets) -> None:
        """Let *written* hold from the next question on."""
        self._toolsets = toolsets
        self._made = {}
        self.book.take(written)
        self._follow_ups = self._somewhere()

    def terms(self, place: Place, _actor: Actor) -> Terms:
        """Return what holds for a question in *place*."""
        rules = self.book.at(place)
        if (found := self._made.get(rules)) is None:
            found = self._made[rules] = self._terms(rules)
        return found

    def _somewhere(self) -> bool:
        return any(_follows(rules) for _, rules in self.book.each())

    def _terms(self, rules: Rules) -> Terms:
        asking = replace(
            self._asking,
            system=rules.system,
            model=rules.model,
            effort="" if rules.effort == "default" else rules.effort,
            thinking=rules.thinking == "summary",
        )
        return Terms(
            asking,
            replace(self._showing, stream=rules.stream, thinking=rules.thinking),
            (*self._tools, *self._toolsets.get(rules.tools, ())),
            partial(self._servers.offered, rules.mcp) if self._servers else no_more,
            _follows(rules),
            rules.footer,
            tuple(dict.fromkeys([rules.model, *rules.models])) if rules.models else (),
        )


def _follows(rules: Rules) -> bool:
    return rules.follow_ups == "thread"


def asking_of(settings: Settings) -> Asking:
    """Return what every request has in common, as *settings* say."""
    return Asking(
        settings.system,
        settings.model,
        "" if settings.effort == "default" else settings.effort,
        settings.max_tokens,
        settings.ahead,
        settings.thinking == "summary",
        settings.context,
        settings.channel_messages,
        settings.zone,
    )


def showing_of(settings: Settings) -> Showing:
    """Return how answers are shown, as *settings* say."""
    return Showing(settings.links, settings.pages, settings.code_file, settings.stream, settings.thinking)
