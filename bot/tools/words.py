"""Whether a text has certain words, as people look for them.  Pure."""

from __future__ import annotations

from unicodedata import normalize


def matching(words: str, text: str) -> bool:
    """Return whether each of *words*, or a longer word that it is a part of, is in *text*; in any case."""
    there = _folded(text)
    return all(word in there for word in _folded(words).split())


def _folded(text: str) -> str:
    return normalize("NFKC", text).casefold()
