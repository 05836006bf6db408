"""The message shortcut *Ask about this*: a modal takes the question, which the message's thread answers.

Slack lets every app offer shortcuts on every message, so the message may be one that the bot can't read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.blocks import objects, string
from adapters.slack.incoming.asking import Asking, Question
from adapters.slack.incoming.interactions import About, Who
from adapters.slack.incoming.once import Once
from adapters.slack.incoming.payloads import inner
from adapters.slack.incoming.soon import in_time
from adapters.slack.manifest import SHORTCUT
from adapters.slack.outgoing.replies import later
from adapters.slack.outgoing.whispers import Whispers
from adapters.slack.people import People
from adapters.slack.reading import Message, attributed
from adapters.slack.text import Json, said
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.errors import code_of, translated
from bot.platform import Gone
from bot.text.safe import line, seen
from bot.text.writing import unmarked

log = structlog.get_logger(__name__)

#: Of the modal: the block of the one input, the input, and how much it takes.
BLOCK, INPUT, LONGEST = "question", "text", 3_000
#: Characters of the message that the model reads, and that others see once more.
QUOTED, REMINDED = 8_000, 200
#: Characters of what the modal says of a mistake.
FAULT = 300

EMPTY = "Write a question."
TOO_LATE = "That took too long. Please choose *Ask about this* once more."


@dataclass
class Shortcuts:
    """Takes shortcuts, and the modals that they have opened.

    Attributes:
        asking: Asks in people's names.
        people: Finds who did something.
        me: The bot's user.
        errands: Does what may lag behind.
        whispers: Tells people what comes too late for the modal.
    """

    asking: Asking
    people: People
    me: str
    errands: Errands
    whispers: Whispers
    _once: Once = field(default_factory=Once, init=False)

    async def chosen(self, body: Json) -> None:
        """Open the modal for a shortcut."""
        who, about, trigger = Who.of(body), About.of(body), string(body.get("trigger_id"))
        if not (who and about and trigger) or body.get("callback_id") != SHORTCUT:
            return
        if self._once.first(trigger):
            tell = partial(later, self.asking.web, string(body.get("response_url")))
            if text := await in_time(self.errands, self._open(who, about, trigger), tell):
                self.errands.start(tell(text))

    async def _open(self, who: Who, about: About, trigger: str) -> str:
        actor = await self.people.doer(who.user, who.called, who.workspace, who.team)
        if (
            why := await self.asking.inbox.barred(actor, self.asking.place(about.channel, who.team))
        ) is not None:
            return why
        try:
            with translated():
                await self.asking.web.views_open(trigger_id=trigger, view=modal(about))
        except SlackApiError as error:
            if "trigger_id" not in code_of(error):
                raise
            log.info("a modal came too late", error=code_of(error))
            return TOO_LATE
        return ""

    async def submitted(self, body: Json) -> Json:
        """Ask what a modal holds; return what Slack is to do with the modal, nothing to close it."""
        view = inner(body, "view")
        who, about, number = Who.of(body), About.carried_by(view), string(view.get("id"))
        if not (who and about) or view.get("callback_id") != SHORTCUT:
            return {}
        values = inner(inner(view, "state"), "values")
        text = string(inner(inner(values, BLOCK), INPUT).get("value")).strip()
        if not seen(text):
            return _fault(EMPTY)
        if not self._once.first(number):
            return {}
        key = f"slack/{who.team}/{about.channel}/{about.message}"
        tell = partial(self.whispers.tell, key, who.user)
        if why := await in_time(self.errands, self._ask(who, about, text), tell):
            self._once.forget(number)  # the modal stays, and may be sent once more
            return _fault(why)
        return {}

    async def _ask(self, who: Who, about: About, text: str) -> str:
        actor = await self.people.doer(who.user, who.called, who.workspace, who.team)
        place = self.asking.place(about.channel, who.team)
        write = partial(self._question, about, text)
        return await self.asking.ask(actor, place, write, about.thread or about.message)

    async def _question(self, about: About, text: str) -> Question:
        """Return the question *text* with the message that it is about quoted, as that is now.

        Raises:
            Gone: The message is, or the bot may not read it.
        """
        message = attributed(await self._message(about), self.me)
        ours = message.get("user") == self.me
        read = Message.of({} if ours else message)
        words = said(message) if ours else read.says(await self.people.names(read.ids()))
        quote = partial(_quote, await self._author(message), words)
        # What a thread begins with is read with the thread, and so are its files.
        files = read.files if about.thread not in {"", about.message} else ()
        return Question(f"{quote(QUOTED)}\n\n{text}", f"{quote(REMINDED)}\n{text}", files)

    async def _message(self, about: About) -> Json:
        with translated():
            answer = await self.asking.web.conversations_replies(
                channel=about.channel,
                ts=about.thread or about.message,
                oldest=about.message,
                latest=about.message,
                inclusive=True,
                limit=2,  # the thread's first message comes too
            )
        for each in objects(answer.get("messages")):
            if each.get("ts") == about.message and each.get("subtype") != "tombstone":
                return each
        raise Gone("message_not_found")

    async def _author(self, message: Json) -> str:
        """Return who wrote *message*, on one line."""
        user = string(message.get("user"))
        name = (await self.people.somebody(user)).name if user else string(message.get("username"))
        return line(name)[:80] or "somebody"


def modal(about: About) -> Json:
    """Return the modal that asks for a question *about* a message."""
    return {
        "type": "modal",
        "callback_id": SHORTCUT,
        "private_metadata": about.carried,
        "title": _plain("Ask about this"),
        "submit": _plain("Ask"),
        "close": _plain("Cancel"),
        "blocks": [
            {
                "type": "input",
                "block_id": BLOCK,
                "label": _plain("Your question"),
                "hint": _plain("The answer comes in the message's thread, where others can read it too."),
                "element": {
                    "type": "plain_text_input",
                    "action_id": INPUT,
                    "multiline": True,
                    "focus_on_load": True,
                    "max_length": LONGEST,
                },
            }
        ],
    }


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def _fault(why: str) -> Json:
    """Return what lets the modal say what is wrong."""
    return {"response_action": "errors", "errors": {BLOCK: unmarked(why)[:FAULT]}}


def _quote(name: str, words: str, most: int) -> str:
    """Return *words* that *name* wrote, or the first *most* characters, in lines that begin with ">"."""
    cut = words.strip() if len(words.strip()) <= most else f"{words.strip()[:most]}…"
    return "\n".join(f"> {each}".rstrip() for each in [f"{name} wrote:", *cut.split("\n")])
