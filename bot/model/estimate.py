"""How many tokens a text has: estimated by its bytes, and corrected by what the API has counted.  Pure."""

from __future__ import annotations

#: Tokens a byte of UTF-8: at first, and the bounds of what is believed of any text.  Bytes, since a letter of
#: an alphabet that is written with three bytes takes about as many tokens as three of English.
FIRST, LEAST, MOST = 0.3, 0.125, 1.0
#: What the newest count weighs beside all before.
WEIGHT = 0.2
#: Bytes from which on a request says something: below, what the API adds to each one weighs too much.
TELLING = 2_000


class Estimate:
    """An estimate that gets better with every count.

    Attributes:
        rate: Tokens a byte.
    """

    def __init__(self, rate: float = FIRST) -> None:
        self.rate = rate

    def tokens(self, size: int) -> int:
        """Return how many tokens *size* bytes of text probably have."""
        return round(size * self.rate)

    def room(self, tokens: int) -> int:
        """Return how many bytes of text probably have *tokens* tokens."""
        return int(tokens / self.rate)

    def learn(self, size: int, tokens: int) -> None:
        """Take note that *size* bytes of text had *tokens* tokens."""
        if size >= TELLING and tokens > 0:
            seen = min(max(tokens / size, LEAST), MOST)
            self.rate += WEIGHT * (seen - self.rate)


def size(text: str) -> int:
    """Return the bytes of *text* in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
