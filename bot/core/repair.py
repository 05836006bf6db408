"""What becomes of a question in nobody's hands: left by an earlier run, given up in this one, or never heard.

It is rebuilt as an answer that goes on, so it is written the way all answers are: there is no second way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from bot.core.follow import mention_of, remembered
from bot.core.live import Live, Means
from bot.core.sayings import interrupted, plain_answer
from bot.guard.access import Action
from bot.platform import Gone, Mention, Platform, SlowDown
from bot.show.answer import Ending
from bot.store import Entry

log = structlog.get_logger(__name__)

#: Questions younger than this many seconds are answered after a restart, older ones are told.
YOUNG = 300.0
#: How often one question is begun: it may be what ends the process.
RUNS = 3
#: Seconds after which nobody wants to hear of a question that nothing was said to.
STALE = 86_400.0
#: Seconds that a platform may look for mentions that were missed.
SEARCH = 60.0


async def resumed(
    means: Means, platform: Platform, entry: Entry, reason: str, after: float
) -> tuple[Live, bool] | None:
    """Return what goes on with *entry*, and whether it asks the model; None if nothing can.

    Args:
        means: What all answers share.
        platform: Where it was asked.
        entry: What the ledger has of it.
        reason: What an answer that has text says it was interrupted by.
        after: Seconds before anything is written.
    """
    asked, age = entry.asked, means.clock() - entry.asked.at
    past, remains = await remembered(means.store, platform, asked, entry.remains)
    surface = platform.reopen(asked, remains)
    if surface is None or (age > STALE and not entry.parts):
        log.warning("a question was lost", question=asked.key)
        await means.store.done(asked.key, means.clock())
        return None
    anew = entry.note is None and not entry.text and age < YOUNG and entry.runs < RUNS
    anew = anew and await means.access.authorize(asked.actor, asked.place, Action.ASK)
    saying = plain_answer(asked.text) if anew else ""
    live = Live(means, mention_of(asked, surface), saying, entry, after, past)
    if entry.note is not None:
        live.cut(Ending.FINISHED, entry.note, entry.offered)
    elif anew:
        await means.store.again(asked.key)
    else:
        live.cut(Ending.INTERRUPTED, *interrupted(begun=bool(entry.text), reason=reason))
    return live, anew and not saying


async def missed(means: Means, platform: Platform, now: float) -> Sequence[Mention]:
    """Return the mentions that were made while nobody listened, and some that the ledger knows."""
    try:
        recent = await means.store.recent(platform.name, now - STALE)
        async with asyncio.timeout(SEARCH):
            return await platform.missed(recent, now - YOUNG) if recent else ()
    except (SlowDown, Gone, OSError) as error:
        log.warning("not all that was missed was looked for", platform=platform.name, error=repr(error))
        return ()
