"""What holds in a place: the environment, then the tables of `config.toml` from the widest to the narrowest.

Pure, but for what was read last: a `Rulebook` is given new tables while the bot runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

from bot.config.lines import Path, line_at
from bot.config.scope import CapKeys, PriceKeys, Scope, WhoKeys
from bot.config.settings import Settings

if TYPE_CHECKING:
    from bot.platform import Place

#: Places whose rules are remembered; of more, all are worked out anew.
PLACES = 4096
#: Levels of a place, the widest first, with the attributes of `Place` that name one of them.
LEVELS: Sequence[tuple[str, str]] = (
    ("workspace", "workspace"),
    ("category", "category"),
    ("channel", "parent"),
    ("channel", "channel"),
)
_named_by = attrgetter("platform", *(name for _, name in LEVELS))
#: Lists that add up; all others replace.
ADDING = ("deny", "admins")
DEFAULTS: Path = ("defaults",)


@dataclass(frozen=True, slots=True)
class Who:
    """Who may use the bot in a place; see `bot.config.scope.WhoKeys`."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    guests: bool = False
    outsiders: bool = False
    direct: bool = True
    open: bool = True
    admins: tuple[str, ...] = ()
    stop: Literal["anyone", "asker", "asker_and_admins"] = "anyone"
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Caps:
    """How much may be spent in a place, in dollars; 0 for as much as anybody likes.

    Attributes:
        person_day: By one person, on all channels of a platform together, in a day of UTC.
        person_month: The same in a month.
        channel_day: In one channel, threads in it included.
        channel_month: The same in a month.
        workspace_day: In one workspace or guild.
        workspace_month: The same in a month.
        day: By all together.
        month: The same in a month.
    """

    person_day: float = 2.0
    person_month: float = 0.0
    channel_day: float = 0.0
    channel_month: float = 0.0
    workspace_day: float = 0.0
    workspace_month: float = 0.0
    day: float = 20.0
    month: float = 0.0

    def __bool__(self) -> bool:
        """Tell whether there is any cap."""
        return any(getattr(self, name) for name in CapKeys.model_fields)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds in a place; see `bot.config.scope.Scope`.

    Attributes:
        mcp: The MCP servers whose tools the model may use; None for all.
    """

    model: str
    models: tuple[str, ...] = ()
    effort: str = "default"
    thinking: Literal["off", "seconds", "summary"] = "off"
    system: str = ""
    tools: tuple[str, ...] = ()
    mcp: tuple[str, ...] | None = None
    follow_ups: Literal["thread", "mention"] = "thread"
    stream: bool = True
    footer: bool = False
    i_understand: bool = False
    who: Who = field(default_factory=Who)
    caps: Caps = field(default_factory=Caps)


@dataclass(frozen=True, slots=True)
class Written:
    """What a file says, after it was found to be good.

    Attributes:
        scopes: Its tables: ("defaults",), (platform,), and (platform, level, id).
        prices: What models cost that the bot knows no price of.
        paths: What each of those tables is called in the file.
        lines: On which line what stands.
    """

    scopes: Mapping[Path, Scope] = field(default_factory=dict)
    prices: Mapping[str, PriceKeys] = field(default_factory=dict)
    paths: Mapping[Path, Path] = field(default_factory=dict)
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Path, *keys: str) -> int:
        """Return the line of the first of *keys* that the table *path* has; else its own."""
        at = self.paths.get(path, path)
        given = [name for name in keys if (*at, name) in self.lines]
        return line_at(self.lines, (*at, *given[:1])) if self.lines else 0


def from_environment(settings: Settings) -> Rules:
    """Return what holds where the file says nothing."""
    return Rules(
        model=settings.model,
        effort=settings.effort,
        thinking=settings.thinking,
        system=settings.system,
        tools=settings.tools,
        follow_ups=settings.follow_ups,
        stream=settings.stream,
        who=Who(stop=settings.stop),
    )


def merged(rules: Rules, scope: Scope) -> Rules:
    """Return *rules* with what *scope* says, which is narrower."""
    given: dict[str, Any] = {**scope.given}
    if "who" in given:
        given["who"] = _who(rules.who, given["who"])
    if "caps" in given:
        given["caps"] = replace(rules.caps, **given["caps"].given)
    return replace(rules, **given)


def _who(who: Who, keys: WhoKeys) -> Who:
    given = dict(keys.given)
    for name in ADDING:
        if name in given:
            given[name] = tuple(dict.fromkeys([*getattr(who, name), *given[name]]))
    return replace(who, **given)


class Rulebook:
    """Says what holds where, by what the file said last.

    Args:
        base: What holds where it says nothing; see `from_environment`.
        written: What it says.
    """

    def __init__(self, base: Rules, written: Written | None = None) -> None:
        self._base = base
        self._places: dict[tuple[str, ...], Rules] = {}
        self.written = written or Written()
        #: All ids that say anywhere who may use the bot.
        self.named = self._named()
        #: Why the file that is there now is not the one that holds; "" where it is.
        self.trouble = ""

    def at(self, place: Place) -> Rules:
        """Return what holds in *place*."""
        key = _named_by(place)
        if (found := self._places.get(key)) is None:
            if len(self._places) >= PLACES:
                self._places.clear()
            found = self._places[key] = self._merged(_chain(place))
        return found

    def take(self, written: Written) -> None:
        """Let *written* hold from now on."""
        self.written = written
        self.named = self._named()
        self._places.clear()

    def each(self) -> Iterator[tuple[Path, Rules]]:
        """Yield what holds in all, and then for each table of the file: with that one, and the wider ones.

        Of a channel's table that is what holds as far as the file tells: not which workspace it is in.
        """
        yield DEFAULTS, self._merged([DEFAULTS])
        for path in self.written.scopes:
            if path != DEFAULTS:
                yield path, self._merged(dict.fromkeys([DEFAULTS, path[:1], path]))

    def _named(self) -> frozenset[str]:
        found = [rules.who for _, rules in self.each()]
        return frozenset(id_ for who in found for ids in (who.allow, who.deny, who.admins) for id_ in ids)

    def _merged(self, paths: Iterable[Path]) -> Rules:
        rules = self._base
        for path in paths:
            if scope := self.written.scopes.get(path):
                rules = merged(rules, scope)
        return rules


def _chain(place: Place) -> Iterator[Path]:
    """Yield the tables that can hold in *place*, the widest first."""
    yield DEFAULTS
    yield (place.platform,)
    for level, name in LEVELS:
        if known := getattr(place, name):
            yield (place.platform, level, known)
