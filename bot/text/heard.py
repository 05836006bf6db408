"""What of a text from a chat the model may read: nothing that people do not see.  Pure.

Invisible characters can carry whole sentences: tag characters, variation selectors, runs of zero-width ones.
What a script or an emoji needs (a joiner between two letters, one selector behind an emoji) stays.
"""

from __future__ import annotations

import re

from bot.text.safe import clean

#: Characters that show nothing and that no script needs, and the fillers of Hangul.
_NOTHING = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2060-\u2064\u206a-\u206f"
    "\u3164\ufe00-\ufe0d\ufeff\uffa0\U0001d173-\U0001d17a]+"
)
#: Variation selectors of ideographs, one of which may stand behind one.
_VARIED = re.compile("(?<![\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]+")
#: More than one joiner, non-joiner or selector in a row.
_RUN = re.compile(
    "([\u200c\u200d\ufe0e\ufe0f\U000e0100-\U000e01ef])[\u200c\u200d\ufe0e\ufe0f\U000e0100-\U000e01ef]{2,}"
)


def heard(text: str) -> str:
    """Return *text* without white space around it and without what nobody sees in it."""
    return visible(text).strip()


def visible(text: str) -> str:
    """Return *text* without what nobody sees in it."""
    return _RUN.sub(r"\1", _VARIED.sub("", _NOTHING.sub("", clean(text))))


def one_line(name: str) -> str:
    """Return a person's *name* on one line, without what could end a label; "" if nothing is left."""
    return " ".join(re.sub('[:\uff1a<>\\[\\]"]', " ", heard(name)).split())[:80]
