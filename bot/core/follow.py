"""A press on *Continue* or *Try again* becomes a question, from what the ledger has of the answer above.

The key of that question is the one of the answer's first message, "/", the control's name, and a number where
the answer itself was tried again.  So each button can be pressed once, and after a restart the key says which
message it was under.
"""

from __future__ import annotations

import re
import secrets

import structlog

from bot.core.conversation import HISTORY, Past
from bot.core.kept import SHARED
from bot.core.live import Live, Means, retries
from bot.core.sayings import UNSURE, plain_answer
from bot.events import CONTINUE, RETRY
from bot.platform import Asked, Mention, Platform, Press, Remains, Said, Surface
from bot.store import Entry, Part, Store

log = structlog.get_logger(__name__)

#: How the key of a press ends.
PRESSED = re.compile(rf"/({CONTINUE.name}|{RETRY.name})(\d*)$")
#: What a platform raises about ids in the ledger that are none of its own.
MISFIT = (ValueError, LookupError, TypeError)


async def followed(means: Means, platform: Platform, press: Press) -> Live | None:
    """Return the answer to *press*; None if the ledger knows no such button.

    Raises:
        OSError: The ledger can't be read now.
    """
    entry = await means.store.find_shown(press.message)
    asked = follow(entry, press, means.clock()) if entry else None
    if entry is None or asked is None:
        return None
    try:
        past, remains = await remembered(means.store, platform, asked, Remains())
        surface = platform.reopen(asked, remains)
    except MISFIT as error:
        log.warning("a row of the ledger was set aside", question=asked.key, error=repr(error))
        return None
    if surface is None:
        return None
    mention, saying = mention_of(asked, surface), plain_answer(asked.text)
    if press.control == CONTINUE.name:
        return Live(means, mention, saying, past=past)
    replaced = Entry(asked, parts=again(entry), controls=entry.controls)
    return Live(means, mention, saying, replaced, past=past, instead=entry.text)


def again(entry: Entry) -> tuple[Part, ...]:
    """Return the messages of *entry* as those of another answer in its place."""
    shared = secrets.token_hex(SHARED // 2)
    return tuple(
        Part(f"{shared}{number:x}", number, part.address, part.message)
        for number, part in enumerate(entry.shown)
    )


def follow(entry: Entry, press: Press, at: float) -> Asked | None:
    """Return what *press* on a button under the answer in *entry* asks; None if that button is not there."""
    if entry.note is None or press.control not in entry.controls:
        return None
    text = CONTINUE.name if press.control == CONTINUE.name else entry.asked.text
    key = f"{entry.messages[0]}/{press.control}{_tries(entry.asked.key) or ''}"
    return Asked(key, entry.asked.conversation, press.actor, press.place, text, at)


def _tries(key: str) -> int:
    """Return how often the answer to the question *key* took another's place in its messages."""
    found = re.search(rf"/{RETRY.name}(\d*)$", key)
    return int(found[1] or 0) + 1 if found else 0


async def _above(store: Store, key: str) -> Entry | None:
    """Return the answer above the button that was pressed, if *key* is a press; raises as `find_shown`."""
    if not (pressed := PRESSED.search(key)):
        return None
    message, number = key[: pressed.start()], int(pressed[2] or 0)
    if number:
        return await store.find(f"{message}/{RETRY.name}{number - 1 or ''}")
    return await store.find_shown(message, first=True)


async def outdone(store: Store, key: str) -> Entry | None:
    """Return the answer that the one to *key* replaces; None if there is none; raises as `find_shown`."""
    return await _above(store, key) if retries(key) else None


async def remembered(
    store: Store, platform: Platform, asked: Asked, remains: Remains
) -> tuple[Past, Remains]:
    """Return what was said before *asked*, and *remains* with the messages of the answers that it continues.

    If *asked* is a press, the platform's history may lack the answer above the button; the ledger has it.
    """
    first = asked
    said: tuple[Said, ...] = ()
    for _ in range(HISTORY):
        try:
            entry = await _above(store, first.key)
        except OSError as error:
            log.warning("not all that was said before is known", question=asked.key, error=str(error))
            break
        if entry is None:
            break
        continues = f"/{CONTINUE.name}" in first.key
        first = entry.asked
        if continues:
            text = "\n\n".join(
                filter(None, [entry.text, UNSURE.format(entry.calling) if entry.calling else ""])
            )
            said = (Said(first.text, first.actor), Said(text, None), *said)
        shown = (part.message for part in entry.parts if part.message)
        address = remains.address or entry.remains.address
        remains = Remains(address, tuple(dict.fromkeys((*shown, *remains.messages))), remains.nonces)
    if first is asked:
        return Past(), remains
    return Past(surface=platform.reopen(first, Remains()), said=said, root=first.key), remains


def mention_of(asked: Asked, surface: Surface) -> Mention:
    """Return the question anew, to be answered on *surface*."""
    return Mention(asked.key, asked.conversation, asked.actor, asked.place, asked.text, surface)
