"""The tools of one answer: what is offered, bound to its asker, to its place in the ledger, and to a yes.

A tool that changes something is in the ledger before it is called, so that no repair calls it again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import regex

from bot.core.approvals import PATIENCE
from bot.model import Ask, Result, Run, Tool
from bot.model.rounds import LATE, RESULT
from bot.tally import Count
from bot.text.heard import heard
from bot.tools import Caller, Offered, Refused, Use

REFUSED = "The person who asked did not allow this call. Do not try it again; go on without it."
BARRED = "The person who asked may not use me here any more. Call no tools; say that, and end the answer."
#: What is not seen in a text, or not told from other white space.
_UNSEEN = regex.compile(r"[\p{DI}\p{Zl}\p{Zp}]|[^\P{C}\n]|[^\P{Zs} ]")
#: How the ledger tells of a call; see `Entry.calling`.
BEFORE, AFTER = "while calling {0}", "after calling {0}"

#: Tells the ledger of a call.
Keep = Callable[[str], Awaitable[None]]
#: Tells whether a tool may be called for the asker now.
StillMay = Callable[[], Awaitable[bool]]


def bound(
    offered: Sequence[Offered],
    caller: Caller,
    keep: Keep,
    still_may: StillMay,
    tools: Count | None = None,
) -> list[Tool]:
    """Return what is *offered*, to be run for *caller* as long as they *still_may*.

    Calls are counted in *tools*; see `Tally.tools`.
    """
    count = tools or Count()
    return [
        Tool(
            each.described,
            partial(_counted, count, partial(_run, each, each.use, caller, keep, still_may), each.name)
            if each.use
            else None,
            each.title,
            each.seconds,
            PATIENCE if each.asks else 0.0,
        )
        for each in offered
    ]


async def _counted(count: Count, run: Run, name: str, given: Mapping[str, Any], ask: Ask) -> Result:
    """Run a tool, and count how that went."""
    outcome = "cut"
    try:
        result = await run(given, ask)
        outcome = "failed" if result.error else "ok"
        return result
    finally:
        count.add(name, outcome)


async def _run(
    offered: Offered,
    use: Use,
    caller: Caller,
    keep: Keep,
    still_may: StillMay,
    given: Mapping[str, Any],
    ask: Ask,
) -> Result:
    if not await still_may():
        return Result(BARRED, error=True)
    if offered.asks:
        try:
            allowed = await ask(offered.name, call_of(offered.name, given))
        except Refused as refused:
            return Result(str(refused), error=True)
        if not allowed:
            return Result(REFUSED, error=True)
        if not await still_may():  # it may have taken minutes
            return Result(BARRED, error=True)
    if offered.writes:
        await keep(BEFORE.format(offered.name))
    try:
        async with asyncio.timeout(offered.seconds):  # those in which a person was asked do not count
            result = await use(caller, given)
    except TimeoutError:
        return Result(LATE.format(seconds=offered.seconds), error=True)
    if offered.writes:
        await keep(AFTER.format(offered.name))
    return _seen(result)


def _seen(result: Result) -> Result:
    """Return *result* without what nobody sees in it: messages and files may hide words for the model."""
    begin, rest = result.text[:RESULT], result.text[RESULT:]  # the model reads no more
    return replace(result, text=heard(begin) + rest)


def call_of(name: str, given: Mapping[str, Any]) -> str:
    """Return the exact call, as people read it: what they would not see in it is spelt as JSON spells it."""
    call = f"{name} {json.dumps(given, ensure_ascii=False, indent=2)}" if given else name
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], call)
