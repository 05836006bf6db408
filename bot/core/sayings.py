"""What is said without asking the model: hints, refusals, and why an answer was interrupted.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.core.intake import Refusal
from bot.events import CONTINUE, RETRY, Control

#: What can be said to the bot beside asking it, and what it does, as *help* says it.
COMMANDS: Mapping[str, str] = {
    "stop": "stop the answer that is being written here",
    "again": "answer the last question here anew",
    "model": "see which model answers you, or choose another: `model NAME`",
    "usage": "see what your questions have cost",
    "help": "see what can be done here",
    "forget": "`forget me` deletes what the bot keeps of you",
}
#: A mention that says one of them.
CALLED = re.compile(r"!(\w+)(?:\s+(.*))?", re.DOTALL)

HINT = "Mention me with a question, and I'll answer it here. React with 🛑 to an answer to stop it."
NOTHING = "There is nothing to stop here. React with 🛑 to an answer, or press its Stop button."
BUSY = "Too many questions are waiting in this conversation. Please ask again in a moment."
YOURS = "One question of yours is being answered here and one is waiting. Please ask again after them."
OFTEN = "You have asked as often as I may answer for now. Please ask again later."
FULL = "Too many people are asking right now. Please ask again in a minute."
TOO_LATE = "Your later edits came too late for this answer."
TOO_MUCH = {
    Refusal.CONVERSATION: BUSY,
    Refusal.USER: YOURS,
    Refusal.RATE: OFTEN,
    Refusal.FULL: FULL,
}
RESTART = "Interrupted by a restart. Say “continue” for the rest."
UNBEGUN = "Interrupted before it began. Please ask again."
AWAY = "Interrupted: for minutes nothing could be written here. Say “continue” for the rest."
AGAIN = "A restart came in between. Please give the command once more."
LAPSED = "Lapsed with a restart: nothing was called. Ask again if you still want it."
CALLING = "Interrupted {0}. Look whether that was done, then say “continue”."
REPLACED = "Replaced by a newer question."
#: What the model reads of a call in an answer that was interrupted.
UNSURE = "(I was interrupted {0}. It may have been done or not.)"


def interrupted(*, begun: bool, reason: str = RESTART, calling: str = "") -> tuple[str, tuple[Control, ...]]:
    """Return the note and the buttons under an answer that was interrupted.

    Args:
        begun: It has text.
        reason: What it was interrupted by.
        calling: See `Entry.calling`; a tool that ran must not run again unless a person wants that.
    """
    if calling.startswith("before"):
        return LAPSED, ()
    if calling:
        return CALLING.format(calling), (CONTINUE,)
    return (reason, (CONTINUE,)) if begun else (UNBEGUN, (RETRY,))


def plain_answer(text: str) -> str:
    """Return what is said to a question that the model need not see, after a restart; "" for all others."""
    if means_stop(text):
        return NOTHING
    if command_in(text):
        return AGAIN
    return "" if text.strip() else HINT


def command_in(text: str) -> tuple[str, str] | None:
    """Return name and rest of the command that a mention's *text* is; None if it is a question."""
    found = CALLED.fullmatch(text.strip())
    if not found or found[1].lower() not in COMMANDS:
        return None
    return found[1].lower(), (found[2] or "").strip()


def means_stop(text: str) -> bool:
    """Tell whether a mention says nothing but *stop*."""
    return text.strip().lower() == "stop"
