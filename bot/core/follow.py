"""A press on *Continue* or *Try again* becomes a question, from what the ledger has of the answer above.

The key of that question is the message's, "/" and the control's name.  So each button under a message can be
pressed once, and after a restart the key says which message the button was under.
"""

from __future__ import annotations

import structlog

from bot.core.conversation import HISTORY, Past
from bot.core.live import Live, Means
from bot.core.sayings import UNSURE, plain_answer
from bot.events import CONTINUE
from bot.platform import Asked, Mention, Platform, Press, Remains, Said, Surface
from bot.store import Entry, Store

log = structlog.get_logger(__name__)

#: What `Platform.reopen` raises where the ids in a row of the ledger are none of the platform's.
FOREIGN = (ValueError, LookupError, TypeError)


async def followed(means: Means, platform: Platform, press: Press) -> Live | None:
    """Return the answer to *press*; None if the ledger knows no such button.

    Raises:
        OSError: The ledger can't be read now.
    """
    entry = await means.store.find_shown(press.message)
    asked = follow(entry, press, means.clock()) if entry else None
    if asked is None:
        return None
    try:
        past, remains = await remembered(means.store, platform, asked, Remains())
        surface = platform.reopen(asked, remains)
    except FOREIGN as error:
        log.warning("a row of the ledger was set aside", message=press.message, error=repr(error))
        return None
    if surface is None:
        return None
    return Live(means, mention_of(asked, surface), plain_answer(asked.text), past=past)


def follow(entry: Entry, press: Press, at: float) -> Asked | None:
    """Return what *press* on a button under the answer in *entry* asks; None if that button is not there."""
    if entry.note is None or press.control not in entry.controls:
        return None
    text = CONTINUE.name if press.control == CONTINUE.name else entry.asked.text
    key = f"{press.message}/{press.control}"
    return Asked(key, entry.asked.conversation, press.actor, press.place, text, at)


async def remembered(
    store: Store, platform: Platform, asked: Asked, remains: Remains
) -> tuple[Past, Remains]:
    """Return what was said before *asked*, and *remains* with the messages of the answers that it continues.

    If *asked* is a press, the platform's history may lack the answer above the button; the ledger has it.
    """
    first = asked
    said: tuple[Said, ...] = ()
    for _ in range(HISTORY):
        message, _, control = first.key.rpartition("/")
        try:
            entry = await store.find_shown(message)
        except OSError as error:
            log.warning("not all that was said before is known", question=asked.key, error=str(error))
            break
        if entry is None:
            break
        first = entry.asked
        if control == CONTINUE.name:
            text = "\n\n".join(
                filter(None, [entry.text, UNSURE.format(entry.calling) if entry.calling else ""])
            )
            said = (Said(first.text, first.actor), Said(text, None), *said)
        shown = (part.message for part in entry.parts if part.message)
        address = remains.address or entry.remains.address
        remains = Remains(address, (*shown, *remains.messages), remains.nonces)
    if first is asked:
        return Past(), remains
    return Past(surface=platform.reopen(first, Remains()), said=said), remains


def mention_of(asked: Asked, surface: Surface) -> Mention:
    """Return the question anew, to be answered on *surface*."""
    return Mention(asked.key, asked.conversation, asked.actor, asked.place, asked.text, surface)
