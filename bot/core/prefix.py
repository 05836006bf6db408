"""What stays the same from one question of a conversation to the next.  Forgotten on restart.

The API reads again from its cache what a request has in common with an earlier one, from the first word on.
So the token that stands before what the program says, and where an excerpt begins, last longer than a
request.

That the token lasts is safe, because it is never used where somebody may know it.  A text that is to be read
and has it, in whatever spelling, makes a new one: so a guess, even a lucky one, forges nothing.  An answer
that repeats it does so at once, and results of tools, which are read within the same answer, lose it.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from unicodedata import normalize

from bot.core.excerpt import Window

#: Conversations that are remembered.
MOST = 1000


def fresh() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_hex(4)


@dataclass(slots=True)
class Prefix:
    """One conversation's.

    Attributes:
        token: Stands before what the program says.
        window: How much is read, and from where on.
    """

    token: str = field(default_factory=fresh)
    window: Window = field(default_factory=Window)

    def keep_secret(self, texts: Iterable[str]) -> None:
        """Make a new token if one of *texts* has it."""
        if any(tells(text, self.token) for text in texts):
            self.token = fresh()


class Prefixes:
    """Remembers what stays the same, for the conversations that were asked in last."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Prefix] = OrderedDict()

    def of(self, conversation: str) -> Prefix:
        """Return what stays the same in *conversation*."""
        found = self._known.setdefault(conversation, Prefix())
        self._known.move_to_end(conversation)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return found


def tells(text: str, token: str) -> bool:
    """Tell whether *text* has *token*, in any type face and with anything but letters and digits between."""
    return _spelt(token).search(_plain(text)) is not None


def without(text: str, token: str) -> str:
    """Return *text* without *token*."""
    return _spelt(token).sub("…", _plain(text)) if tells(text, token) else text


def _spelt(token: str) -> re.Pattern[str]:
    return re.compile(r"[\W_]*".join(token), re.IGNORECASE)


def _plain(text: str) -> str:
    return text if text.isascii() else normalize("NFKC", text)
