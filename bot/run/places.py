"""The terms of each place, made of the settings, the rules and the tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from bot.config import Settings
from bot.config.rules import Rulebook, Rules, Who, Written, from_environment
from bot.core.terms import Terms, no_more
from bot.guard.spend import Spend
from bot.model import Asking
from bot.platform import Actor, Place
from bot.run.configured import Toolsets
from bot.run.money import prices_of
from bot.show.writes import Showing
from bot.tools import Offered
from bot.tools.mcp.servers import Servers


class Places:
    """What holds where.  An answer that has begun keeps its terms when others come to hold.

    Args:
        settings: What holds everywhere.
        book: What holds where.
        toolsets: The tools that *book* names.
        servers: The MCP servers.
        tools: Tools that may be used everywhere besides.
        spend: What says how much may be spent, by *book*; None for as much as anybody likes.

    Attributes:
        tell: Tells the admins of a place, or all, something.
    """

    def __init__(
        self,
        settings: Settings,
        book: Rulebook,
        toolsets: Toolsets,
        servers: Servers | None = None,
        tools: Sequence[Offered] = (),
        spend: Spend | None = None,
    ) -> None:
        self.book = book
        self.spend = spend
        self._asking = asking_of(settings)
        self._showing = showing_of(settings)
        self._toolsets = toolsets
        self._servers = servers
        self._tools = tuple(tools)
        self.tell: Callable[[str, Place | None], None] = _nobody
        self._made: dict[Rules, Terms] = {}
        self._follow_ups = self._somewhere()

    @classmethod
    def alike(cls, settings: Settings, tools: Sequence[Offered] = ()) -> Places:
        """Return what holds everywhere where there is no file, with *tools*."""
        return cls(settings, Rulebook(replace(from_environment(settings), tools=())), {}, tools=tools)

    def follow_ups(self) -> bool:
        """Tell whether there is a place where a thread needs no mentions."""
        return self._follow_ups

    def take(self, written: Written, toolsets: Toolsets) -> None:
        """Let *written* hold from the next question on."""
        self._toolsets = toolsets
        self._made = {}
        self.book.take(written)
        if self.spend:
            self.spend.prices = prices_of(self.book)
        self._follow_ups = self._somewhere()

    def terms(self, place: Place, _actor: Actor) -> Terms:
        """Return what holds for a question in *place*."""
        rules = self.book.at(place)
        if (found := self._made.get(rules)) is None:
            found = self._made[rules] = self._terms(rules)
        return found

    def who(self, place: Place) -> Who:
        """Return who may use the bot in *place*."""
        return self.book.at(place).who

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


def _nobody(_text: str, _place: Place | None) -> None:
    """Tell nobody: no core runs yet."""


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
