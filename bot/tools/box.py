"""Which tools there are: those in the box, and those of packages that are installed beside Rivulet.

A package has an entry point in the group `rivulet.tools` that leads to an `Offered` or to several.  Nothing
is imported that the operator has not named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from bot.tools import Offered
from bot.tools.server import SERVER
from bot.tools.strict import bounded
from bot.unavailable import Unavailable

#: The group of the entry points.
GROUP = "rivulet.tools"
SETTING = "RIVULET_TOOLS"


def _boxed(name: str) -> Callable[[], object]:
    return lambda: import_module(f"bot.tools.{name}").TOOLS


#: What makes the tools in the box, by the names that `RIVULET_TOOLS` has for them; the last run at the API.
BOX: Mapping[str, Callable[[], object]] = {
    "dates": lambda: import_module("bot.tools.dates").tools(lambda: datetime.now(UTC)),
    **{name: _boxed(name) for name in ("search", "files", "notes")},
    **{each.name: lambda each=each: each for each in SERVER},  # type: ignore[misc]
}
#: Those of them that read what people wrote, or keep it.
PRIVATE = frozenset({"search", "files", "notes"})
#: Those of them that send what the model chooses to places that it chooses.
OUTWARD = frozenset({"web_fetch"})


def names() -> list[str]:
    """Return all names that `RIVULET_TOOLS` may have; imports none of the tools."""
    return list(dict.fromkeys([*BOX, *(point.name for point in entry_points(group=GROUP))]))


def offered(names: Sequence[str]) -> list[Offered]:
    """Return the tools that *names* stand for, in their order.

    Raises:
        Unavailable: A name is unknown, or there twice; a package can't be imported, or brings no tools; two
            tools have one name.
    """
    if twice := _twice(names):
        raise Unavailable(f"{SETTING}: {twice} is named twice.")
    if not names:
        return []
    makes = _makes(names)
    found: dict[str, tuple[str, Offered]] = {}
    for name in names:
        for each in makes[name]():
            if each.name in found:
                raise Unavailable(
                    f"{SETTING}: {found[each.name][0]} and {name} both have the tool {each.name}."
                )
            found[each.name] = name, each
    tools = [each for _, each in found.values()]
    described = bounded([each.described for each in tools])
    return [replace(each, described=told) for each, told in zip(tools, described, strict=True)]


def _makes(names: Iterable[str]) -> dict[str, Callable[[], Sequence[Offered]]]:
    """Return what makes the tools of each of *names*; nothing is imported yet."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, _package(point)))
    makes: dict[str, Callable[[], Sequence[Offered]]] = {}
    for name in names:
        own = [BOX[name]] if name in BOX else []
        packed = [point for point in points if point.name == name]
        owners = ["Rivulet"] * len(own) + [_package(point) for point in packed]
        if not owners:
            there = ", ".join(dict.fromkeys([*BOX, *(point.name for point in points)]))
            raise Unavailable(f"{SETTING}: there is no {name}; there are {there}.")
        if len(owners) > 1:
            raise Unavailable(f"{SETTING}: {' and '.join(owners)} both have {name}: uninstall a package.")
        makes[name] = _made(name, own[0] if own else packed[0].load, owners[0])
    return makes


def _made(name: str, load: Callable[[], object], owner: str) -> Callable[[], Sequence[Offered]]:
    """Return what loads the tools called *name*, and says in a line why *owner* does not have them."""

    def make() -> Sequence[Offered]:
        try:
            found = load()
        except (Exception, SystemExit) as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            told = f"{name} can't be imported from {owner} ({why}): mend that, or leave {name} out."
            raise Unavailable(f"{SETTING}: {told}") from error
        tools = [found] if isinstance(found, Offered) else found
        if not isinstance(tools, Sequence) or not all(isinstance(each, Offered) for each in tools):
            raise Unavailable(
                f"{SETTING}: {name} of {owner} is no tool; docs/write-a-tool.md says how to make one."
            )
        return tools

    return make


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _twice(names: Sequence[str]) -> str:
    """Return the first of *names* that is there twice; "" if none is."""
    return next((name for number, name in enumerate(names) if name in names[:number]), "")
