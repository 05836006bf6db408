"""Which messages ask the bot something: those that call it, and those that follow where it was asked.

Nobody is looked up here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from adapters.slack.blocks import string
from adapters.slack.incoming.payloads import ASKING, UNTOLD, by_person, moment, written
from adapters.slack.reading import Message
from adapters.slack.text import Json


class Questions:
    """Knows the questions among the messages of one workspace.

    Args:
        team: The workspace.
        me: The bot's user.
        bots: Ids of bots that may ask as members do.
        asked_in: See `Inbox.asked_in`.
    """

    def __init__(self, team: str, me: str, bots: Collection[str], asked_in: Callable[[str], str]) -> None:
        self._team = team
        self._me = me
        self._bots = bots
        self._asked_in = asked_in

    def told(self, event: Json) -> bool:
        """Tell whether *event*, one of perhaps two about a message, is the one that tells of a question."""
        return (self._tells(event) and self.asks(event)) or self.follows(event)

    def asked(self, message: Json) -> bool:
        """Tell whether *message*, as it was before an edit, has asked the bot something."""
        return self.asks(message) or self.follows(message)

    def asks(self, event: Json) -> bool:
        """Tell whether the message *event* asks the bot something.

        A person wrote it, or a bot that may ask: no edit, no joining of a channel, and nothing of ours.  It
        is in a direct message, or calls the bot.
        """
        channel, subtype = string(event.get("channel")), string(event.get("subtype"))
        if string(event.get("user")) == self._me or not moment(event.get("ts")) or not channel:
            return False
        admitted = self.admitted(event) and subtype in {*ASKING, "bot_message"}
        if not admitted and not by_person(event):
            return False
        return channel.startswith("D") or Message.of(event).addresses(self._me)

    def follows(self, event: Json) -> bool:
        """Tell whether the message *event* asks the bot something without calling it.

        A person wrote it in a thread after the bot was asked there, and it calls nobody.
        """
        channel, thread = string(event.get("channel")), moment(event.get("thread_ts"))
        ts, person = moment(event.get("ts")), by_person(event) and event.get("user") != self._me
        if not (channel and ts and thread and person) or thread == ts or event.get("type") != "message":
            return False
        first = self._asked_in(f"slack/{self._team}/{channel}/{thread}")
        after = bool(first) and float(ts) > written(first)  # Slack keeps no order
        return after and Message.of(event).calls_nobody()

    def _tells(self, event: Json) -> bool:
        """Tell whether *event* is the one, of perhaps two about a message, that is gone by."""
        if event.get("type") == "app_mention" or event.get("channel_type") == "im":
            return True
        # Of these Slack may send no mention; the core takes no message twice.
        return string(event.get("subtype")) in UNTOLD

    def admitted(self, event: Json) -> str:
        """Return the id by which the bot that wrote *event* may ask; "" if none may."""
        ids = (string(event.get(name)) for name in ("bot_id", "app_id", "user") if event.get("bot_id"))
        return next((each for each in ids if each in self._bots), "")
