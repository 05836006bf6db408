"""Whether a text has words, or only pictures.  Pure."""

from __future__ import annotations

import re

#: A letter or digit that a mark makes an emoji (U+FE0F, U+20E3), and emoji that are written with their names.
_PICTURE = re.compile(r".\ufe0f?\u20e3|.\ufe0f|:[\w+'-]{1,100}:(?:skin-tone-\d:)?")


def wordy(text: str) -> bool:
    """Tell whether *text* has a letter or a digit that is no part of an emoji."""
    return any(character.isalnum() for character in _PICTURE.sub(" ", text))
