"""`rivulet top`: what a running bot does right now, in a terminal; it asks the bot once a second.

Where people and channels are shown, it is by their ids; nothing that was said leaves the bot.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bot.guard.prices import MICRO
from bot.run.orders import order

#: Seconds between two looks.
EVERY = 1.0
#: Rows of a table; the rest is a number.
MOST = 15
#: Columns of numbers.
NUMBERS = frozenset({"since", "said", "unshown", "live", "waiting", "used", "edit at", "429"})
STARTING = "The bot starts."


async def show(data: Path, *, once: bool = False) -> int:
    """Show the bot that has the folder *data* until Ctrl-C, or *once*, as where there is no terminal.

    Raises:
        Unavailable: None runs there.
    """
    console = Console(highlight=False)
    told = await order(data, {"top": True})
    if once or not sys.stdout.isatty():
        console.print(drawn(told))
        return 0
    live = Live(drawn(told), console=console, screen=True, auto_refresh=False)
    try:
        live.start(refresh=True)
        while True:
            await asyncio.sleep(EVERY)
            live.update(drawn(await order(data, {"top": True})), refresh=True)
    finally:
        live.stop()  # also where the first picture was not through


def drawn(told: Mapping[str, Any]) -> Group | Text:
    """Return what `Sources.report` says, as tables."""
    if not told:
        return Text(STARTING)
    busy = sorted(told["budgets"], key=lambda each: (-each["live"], -_used(each), each["key"]))
    return Group(
        *_lines(told),
        "",
        _table(("answer", "in", "since", "", "said", "unshown", "model"), map(_answer, told["answers"])),
        "",
        _table(("rate limit", "live", "waiting", "used", "edit at", "429"), map(_budget, busy)),
    )


def _lines(told: Mapping[str, Any]) -> Sequence[str]:
    questions, platforms = told["questions"], told["platforms"]
    up = " · ".join(f"{name} {health}" for name, health in platforms.items())
    ended = " · ".join(f"{number:.0f} {name}" for name, number in sorted(told["endings"].items()))
    return (
        f"{up}   ledger {told['store']} · Claude {told['model']} · loop {told['loop_ms']:.0f} ms late",
        f"{questions['running']} run, {questions['waiting']} wait; since the start {ended or 'none ended'}",
        _spent(told),
    )


def _spent(told: Mapping[str, Any]) -> str:
    tokens, cost, today = told["tokens"], sum(told["cost"].values()) / MICRO, told["today"] / MICRO
    read = sum(tokens.get(kind, 0) for kind in ("input", "cache_read", "cache_write"))
    cached = f", {tokens.get('cache_read', 0) / read:.0%} from the cache" if read else ""
    written = tokens.get("output", 0)
    return f"tokens: {read:,.0f} read{cached}, {written:,.0f} written; ${cost:,.2f}; ${today:,.2f} today"


def _answer(one: Mapping[str, Any]) -> Sequence[str]:
    since, said, unshown = f"{one['seconds']:.0f} s", f"{one['said']:,}", f"{one['unshown']:,}"
    return one["question"], one["channel"], since, one["state"], said, unshown, one["model"]


def _budget(one: Mapping[str, Any]) -> Sequence[str]:
    price = f"{one['price']:.1f} s" if one["price"] else ""
    blocked = f"{one['blocked']:.0f} s" if one["blocked"] else ""
    used = f"{one['calls'] - one['left']} of {one['calls']}"
    return one["key"], str(one["live"]), str(one["waiting"]), used, price, blocked


def _used(one: Mapping[str, Any]) -> float:
    return 1 - float(one["left"]) / float(one["calls"])


def _table(heads: Sequence[str], rows: Any) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right" if head in NUMBERS else "left", no_wrap=True)
    found = [*rows]
    for row in found[:MOST]:
        table.add_row(*map(Text, row))
    if len(found) > MOST:
        table.add_row(f"and {len(found) - MOST} more")
    return table
