"""Which threads the newest questions are in, since Slack names no thread when it tells of a reaction."""

from __future__ import annotations

from collections import OrderedDict

from bot.platform import Mention

#: Questions that are remembered.
REMEMBERED = 500


class Lately:
    """The newest questions of all channels."""

    def __init__(self) -> None:
        self._threads: OrderedDict[str, str] = OrderedDict()

    def note(self, mention: Mention) -> None:
        """Remember *mention*."""
        thread = mention.conversation.rpartition("/")[2]
        self._threads[mention.key] = "" if mention.key.endswith(f"/{thread}") else thread
        if len(self._threads) > REMEMBERED:
            self._threads.popitem(last=False)

    def thread(self, message: str) -> str | None:
        """Return the thread that the question *message* is in, "" for none; None if it is not known."""
        return self._threads.get(message)
