"""What of a conversation the model reads, where all of it would be too much.  Pure.

The question goes first, then the message that the conversation began with, then the newest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from bot.platform import Said

#: Messages before the question.
HISTORY = 40
#: Characters of one prompt, and those of its first message where that is too much.
READ = 50_000
ANCHOR = 8_000
#: Messages and characters of people who may not ask, and of bots.
DATA, DATA_READ = 20, 8_000
#: The shortest piece of a text that is worth reading.
PIECE = 200

#: Says in one line how many characters were left out.
Lacking = Callable[[int], str]


def excerpt(said: Sequence[Said], is_data: Callable[[Said], bool], lacking: Lacking) -> list[Said]:
    """Return what the model reads of *said*, whose last is the question; `skipped` says where gaps are."""
    said = _spoken(said)
    last = len(said) - 1
    texts = {index: each.text for index, each in enumerate(said)}
    for index in range(1, last - HISTORY + 1):
        del texts[index]
    newest = sorted(texts, reverse=True)
    data = [index for index in dict.fromkeys((0, *newest)) if index != last and is_data(said[index])]
    fits = _fit(texts, data[:DATA], DATA_READ, lacking)
    texts = {
        index: fits.get(index, text) for index, text in texts.items() if index not in data or index in fits
    }
    if sum(map(len, texts.values())) > READ:
        if 0 in texts and last > 0:
            texts[0] = _cut(texts[0], ANCHOR, lacking)
        texts = _fit(
            texts, dict.fromkeys((last, *(index for index in (0, *newest) if index in texts))), READ, lacking
        )
    return _with_gaps(said, texts)


def _spoken(said: Sequence[Said]) -> list[Said]:
    """Return those of *said* that have a text; the gap before one that has none is before the next."""
    spoken: list[Said] = []
    gap = False
    for each in said:
        gap = gap or each.skipped
        if each.text or each is said[-1]:
            spoken.append(replace(each, skipped=gap))
            gap = False
    return spoken


def _with_gaps(said: Sequence[Said], texts: Mapping[int, str]) -> list[Said]:
    kept: list[Said] = []
    gap = False
    for index, each in enumerate(said):
        gap = gap or each.skipped or index not in texts
        if index in texts:
            kept.append(replace(each, text=texts[index], skipped=gap))
            gap = False
    return kept


def _fit(texts: Mapping[int, str], order: Iterable[int], room: int, lacking: Lacking) -> dict[int, str]:
    """Return those of *texts* that fit into *room* characters, taken in *order*; the last may be cut."""
    fits: dict[int, str] = {}
    for index in order:
        if len(texts[index]) > room < PIECE:
            break
        fits[index] = _cut(texts[index], room, lacking)
        room -= min(room, len(texts[index]))
    return fits


def _cut(text: str, room: int, lacking: Lacking) -> str:
    """Return *text* if it has at most *room* characters, else its beginning and its end."""
    if len(text) <= room:
        return text
    end = room // 4
    return f"{text[: room - end]}\n{lacking(len(text) - room)}\n{text[len(text) - end :]}"
