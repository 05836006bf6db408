"""What of a conversation the model reads, where all of it would be too much.  Pure.

The question goes first, then the message that the conversation began with, then the newest, each whole.

Where something is left out, the next excerpt of the conversation begins at the same message as the last one,
until that is too much; then half of it is dropped at once.  A window that moved on by one message with every
question would change what the model reads from its first line on, and the API's cache would never hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.model.estimate import Estimate, size
from bot.platform import Said

#: The most messages that a surface is asked for (it may look for one more, and pages often have 100), the
#: fewest, and tokens of the budget for one of them.
HISTORY, FEWEST, EACH = 199, 20, 160
#: Characters of one text: a paste, a log.
READ = 50_000
#: Characters of the first message where all is too much; a quarter of the room, if that is less.
ANCHOR = 8_000
#: Messages and characters of people who may not ask, and of bots.
DATA, DATA_READ = 20, 8_000
#: The shortest piece of a text that is worth reading.
PIECE = 200
#: Bytes that a name takes before a text.
LABEL = 24
#: Tokens of a conversation that are read.
CONTEXT = 32_000

#: Says in one line how many characters were left out.
Lacking = Callable[[int], str]


@dataclass(slots=True)
class Window:
    """How much of one conversation is read, and where that began the last time.

    Attributes:
        room: Bytes of text.
        first: Stands for the first message behind the one that the conversation began with; 0: not known.
        data: The same, of those who may not ask.
        anchor: Characters of the message that it began with; 0 for all.
        left_out: Whether the last excerpt lacks anything behind its first message.
    """

    room: int = Estimate().room(CONTEXT)
    first: int = 0
    data: int = 0
    anchor: int = 0
    left_out: bool = False


def wanted(tokens: int) -> int:
    """Return how many messages a surface is asked for, where *tokens* of a conversation are read."""
    return min(HISTORY, max(FEWEST, tokens // EACH))


def excerpt(
    said: Sequence[Said], is_data: Callable[[Said], bool], lacking: Lacking, window: Window
) -> list[Said]:
    """Return what the model reads of *said*, whose last is the question; `skipped` says where gaps are."""
    said = _spoken(said)
    texts = {index: _cut(each.text, READ, lacking) for index, each in enumerate(said)}
    marks = {index: _mark(said[index : index + 2]) for index in texts}
    cut = any(each.skipped for each in said)
    data = [index for index in range(len(said) - 1) if is_data(said[index])]
    root = 1 if len(said) > 1 and not said[0].skipped else 0
    texts = _data(texts, data, marks, window, lacking, root=root)
    texts = _newest(texts, marks, window, lacking, root=root, cut=cut)
    kept = _with_gaps(said, texts)
    window.left_out = any(each.skipped for each in kept[1:])
    return kept


def _data(
    texts: dict[int, str],
    data: Sequence[int],
    marks: Mapping[int, int],
    window: Window,
    lacking: Lacking,
    *,
    root: int,
) -> dict[int, str]:
    """Return *texts* without what is too much of those of *data*."""
    if not data:
        return texts
    first, later = [index for index in data if index < root], [index for index in data if index >= root]
    sizes = [len(texts[index]) for index in later]
    began = {index: _cut(texts[index], DATA_READ // 2 if later else DATA_READ, lacking) for index in first}
    room = DATA_READ - sum(map(len, began.values()))
    start = _start(sizes, _found(later, marks, window.data), room, DATA - len(first), again=window.data != 0)
    fits = {index: texts[index] for index in later[start:]}
    if later and not fits:
        fits = {later[-1]: _cut(texts[later[-1]], room, lacking)}
    window.data = marks[next(iter(fits))] if fits else 0
    return {
        index: began.get(index) or fits.get(index, text)
        for index, text in texts.items()
        if index not in data or index in began or index in fits
    }


def _newest(
    texts: dict[int, str],
    marks: Mapping[int, int],
    window: Window,
    lacking: Lacking,
    *,
    root: int,
    cut: bool,
) -> dict[int, str]:
    """Return those of *texts* that there is room for.

    Args:
        texts: By their places, oldest first, the question last.
        marks: What stands for each.
        window: How much room there is, and where it began the last time.
        lacking: Says how much was cut.
        root: How many, from the first on, are what the conversation began with.
        cut: Whether the platform has left some out already.
    """
    *earlier, last = texts
    if sum(map(size, texts.values())) > window.room or window.anchor:
        window.anchor = window.anchor or min(ANCHOR, window.room // 4)
        texts = {
            **texts,
            **{index: _cut(texts[index], window.anchor, lacking) for index in earlier if index < root},
        }
    later = [index for index in earlier if index >= root]
    kept = [*(index for index in earlier if index < root), last]
    sizes = [size(texts[index]) + LABEL for index in later]
    room = window.room - sum(size(texts[index]) for index in kept)
    begun = _found(later, marks, window.first)
    if begun is None and not cut and sum(sizes) <= room:
        begun = 0
    again = window.first != 0
    most = len(sizes) if begun is not None or not again else 2 * (len(sizes) // 2)
    start = _start(sizes, begun, room, most, again=again)
    fits = {index: texts[index] for index in later[start:]}
    if later and not fits and room >= PIECE:
        text = texts[later[-1]]
        fits = {later[-1]: _cut(text, room * len(text) // size(text), lacking)}
    window.first = marks[next(iter(fits))] if fits else 0
    return {index: fits.get(index, text) for index, text in texts.items() if index in kept or index in fits}


def _start(sizes: Sequence[int], begun: int | None, room: int, most: int, *, again: bool) -> int:
    """Return from which of *sizes* on all fit into *room*, and are at most *most*.

    That is *begun*, where the last excerpt began, if it can be; else, *again*, only half of it is used.
    """
    if begun is not None and sum(sizes[begun:]) <= room and len(sizes) - begun <= most:
        return begun
    if again:
        room, most = room // 2, most // 2
    start = len(sizes)
    while start > max(0, len(sizes) - most) and sizes[start - 1] <= room:
        start -= 1
        room -= sizes[start]
    return start


def _found(indices: Sequence[int], marks: Mapping[int, int], mark: int) -> int | None:
    """Return the place in *indices* of the message that *mark* stands for."""
    return next((place for place, index in enumerate(indices) if mark and marks[index] == mark), None)


def _mark(said: Sequence[Said]) -> int:
    """Return what stands for the first of *said*; with the next, as many messages are only an "ok"."""
    return hash(tuple((each.actor.id if each.actor else "", each.text) for each in said)) or 1


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


def _cut(text: str, room: int, lacking: Lacking) -> str:
    """Return *text* if it has at most *room* characters, else its beginning and its end."""
    if len(text) <= room:
        return text
    end = room // 4
    return f"{text[: room - end]}\n{lacking(len(text) - room)}\n{text[len(text) - end :]}"
