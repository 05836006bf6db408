"""Where an answer that broke off goes on: takes away what was said twice.  Pure.

A model that is asked to go on often repeats its last words first.  Nothing but exact repetition is taken
away, and none that is so short that it may be chance: a letter too much is better than a letter too few.
"""

from __future__ import annotations

#: Characters of the end of the old text that are looked at, and so the longest repetition that is found.
TAIL = 400
#: The shortest repetition, and how many different characters it has: a rule of dashes is none.
LEAST, DIFFERENT = 8, 3


class Seam:
    """Joins *said* and what comes after it.

    Args:
        said: The text before the break.
    """

    def __init__(self, said: str) -> None:
        self._tail = said[-TAIL:]
        self._head = ""
        self._open = True

    def feed(self, text: str) -> str:
        """Take the next piece of the new text; return what of it is new, as soon as that is known."""
        if not self._open:
            return text
        self._head += text
        return "" if self._undecided() else self.end()

    def end(self) -> str:
        """Return what was held back: nothing more comes."""
        if not self._open:
            return ""
        self._open = False
        return self._head[overlap(self._tail, self._head) :]

    def _undecided(self) -> bool:
        """Whether the new text may yet turn out to repeat more of the old one than it does so far."""
        size = len(self._head)
        return any(
            self._tail.startswith(self._head, start) for start in range(max(0, len(self._tail) - size))
        )


def overlap(tail: str, head: str) -> int:
    """Return the length of the longest end of *tail* that *head* begins with; 0 if that may be chance."""
    for size in range(min(len(tail), len(head)), LEAST - 1, -1):
        if tail.endswith(head[:size]) and len(set(head[:size])) >= DIFFERENT:
            return size
    return 0
