"""Which files of a conversation the model reads, and what it and people are told of the others.  Pure.

Those of the question go first, then those of what was said before, the newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.events import File
from bot.files import CHARACTERS, LATE, Bounds, Read
from bot.platform import Actor, Mention, Said, listed, unread
from bot.text.heard import one_line

#: Bytes that all files of a request may have: the API takes 32 MB, of which their encoding takes a third.
TOGETHER = 16_000_000
#: Bytes of all pictures among them: a request is in memory about five times when it is sent.
PICTURES = 8_000_000
#: Bytes of all texts among them, and pages of all PDFs (docs, "PDF support").
TEXTS = 200_000
PAGES = 100
#: Kinds that nobody reads, so that they are not fetched, by how a media type begins.
UNREAD = {
    "audio/": "sound is not heard",
    "video/": "videos are not seen",
    "application/zip": "archives are not opened",
    "application/x-zip": "archives are not opened",
    "application/gzip": "archives are not opened",
    "application/x-tar": "archives are not opened",
    "application/x-7z": "archives are not opened",
    "application/x-rar": "archives are not opened",
    "application/vnd.rar": "archives are not opened",
}
MANY = "{0} are read at most"
NONE = "no files are read here"
FULL = "all files together are too much"
FOREIGN = "it is from somebody who may not use me here"
#: Stands for a name, to find what is before it.
MARK = "x"
#: Characters of the note: Slack and Discord show few, and other notes stand beside it.
NOTE = 100
#: Characters of a name in it.
NAME = 40
#: And in what the model reads.
LONG = 80

#: What became of each file: what the model reads, or why it reads nothing.
Found = Mapping[File, Read | str]


@dataclass(slots=True)
class Room:
    """How much more fits into one request.

    Attributes:
        count: Files.
        size: Bytes of all.
        pictures: Bytes of pictures.
        texts: Bytes of texts.
        pages: Pages of PDFs.
    """

    count: int
    size: int = TOGETHER
    pictures: int = PICTURES
    texts: int = TEXTS
    pages: int = PAGES

    def take(self, read: Read) -> bool:
        """Count *read*, if it fits; tell whether it does."""
        text = len(read.data) if read.type.startswith("text/") else 0
        picture = len(read.data) if read.type.startswith("image/") else 0
        if len(read.data) > self.size or picture > self.pictures:
            return False
        if text > self.texts or read.pages > self.pages:
            return False
        self.pictures -= picture
        self.size -= len(read.data)
        self.texts -= text
        self.pages -= read.pages
        return True


def refusal(file: File, bounds: Bounds) -> str:
    """Return why *file* is not fetched, as far as its platform tells; "" if it is."""
    if not file.key:
        return "it can't be fetched"
    if reason := next((why for kind, why in UNREAD.items() if file.type.startswith(kind)), ""):
        return reason
    return f"{_size(file.size)}; {_size(bounds.size)} is the most" if file.size > bounds.size else ""


def chosen(files: Iterable[File], bounds: Bounds, room: Room) -> dict[File, str]:
    """Return for each of *files* why it is not fetched, "" if it is; take what is from *room*.

    What is too large, or of no kind that is read, takes no room from others.
    """
    many = MANY.format(bounds.count) if bounds.count else NONE
    told: dict[File, str] = {}
    for file in files:
        told[file] = refusal(file, bounds) or ("" if room.count else many)
        room.count -= not told[file]
    return told


def readable(files: Sequence[File], bounds: Bounds) -> bool:
    """Tell whether any of *files*, as far as their platform tells of them, is read."""
    return not all(chosen(files, bounds, Room(bounds.count)).values())


def earlier(said: Sequence[Said], trusted: Callable[[Actor], bool]) -> list[File]:
    """Return the files of what was *said* before a question, each once, the newest first.

    *trusted*: whose files are read; those of others are named only, see `withheld`.
    """
    sent = (file for each in reversed(said) if each.actor and trusted(each.actor) for file in each.files)
    return list(dict.fromkeys(sent))


def withheld(said: Sequence[Said], trusted: Callable[[Actor], bool]) -> dict[File, str]:
    """Return why the files of those in *said* who are not *trusted* are not read."""
    return {file: FOREIGN for each in said if each.actor and not trusted(each.actor) for file in each.files}


def given(said: Said, found: Found) -> Said:
    """Return *said* with what the model reads of its files, and with their names in its text."""
    read = [(file, of) for file in said.files if isinstance(of := found.get(file), Read)]
    named = listed([clean(file.name) for file, _ in read])
    left = [_named(file, found) for file in said.files if not isinstance(found.get(file), Read)]
    lines = [
        f"(Attached: {named})" if read else "",
        f"(Attached, and not read: {listed(left)})" if left else "",
    ]
    text = "\n\n".join(filter(None, [said.text, *lines]))
    files = tuple(File(clean(file.name), of.type, len(of.data), data=of.data) for file, of in read)
    return replace(said, text=text, files=files)


def asked(mention: Mention, found: Found) -> Mention:
    """Return the question *mention* as `given` does."""
    read = given(Said(mention.text, mention.actor, files=mention.files), found)
    return replace(mention, text=read.text, files=read.files)


def kept(text: str, files: Sequence[File]) -> str:
    """Return the *text* of a question as the ledger keeps it: with the names of its *files*."""
    return "\n\n".join(filter(None, [text, unread([clean(file.name) for file in files])]))


def forgotten(text: str) -> bool:
    """Tell whether a question's *text* may be one that the ledger has kept without its files."""
    return unread([MARK]).partition(MARK)[0] in text


def again(text: str, files: Sequence[File]) -> str:
    """Return the *text* of a question that `kept` has returned, now that its *files* are known again."""
    return text.removesuffix(unread([clean(file.name) for file in files])).strip() if files else text


def _named(file: File, found: Found) -> str:
    """Return the name of a *file* that is not read, with the reason if there is one."""
    name, reason = clean(file.name), found.get(file)
    return f"{name} ({reason})" if isinstance(reason, str) and reason else name


def note(mention: Mention, said: Sequence[Said], found: Found) -> str:
    """Return one sentence for people about the files that were not read, or not wholly; "" if all were.

    Those of the question, and of the message before it, are named; of older ones, it says how many there was
    no room for.
    """
    near = [*mention.files, *(file for each in said[-1:] if each.actor for file in each.files)]
    near = list(dict.fromkeys(near))
    left = [file for file in near if not isinstance(found.get(file), Read)]
    older = [file for file in earlier(said, _anybody) if file not in near and _lacked_room(found.get(file))]
    cut = [file for file in near if isinstance(of := found.get(file), Read) and of.cut]
    told = _sentence("Not read", [_short(file, found) for file in left], len(older), "older files")
    begun = _sentence(f"Read up to {CHARACTERS:,} characters", [_cut(file.name) for file in cut], 0, "")
    return told if len(told) + len(begun) > NOTE and told else f"{told} {begun}".strip()


def _anybody(_actor: Actor) -> bool:
    return True


def _lacked_room(of: Read | str | None) -> bool:
    return isinstance(of, str) and of.endswith((FULL, LATE, MANY.format("")))


def _sentence(begins: str, items: Sequence[str], more: int, older: str) -> str:
    """Return a sentence that names as many *items* as there is room for, and counts the others."""
    shown: list[str] = []
    for item in items:
        if shown and len(", ".join([begins, *shown, item])) > NOTE - len(" and 100 older files"):
            break
        shown.append(item)
    rest = len(items) - len(shown)
    counted = [f"{rest} more"] * bool(rest) + [f"{more} {older if more > 1 else older[:-1]}"] * bool(more)
    parts = [", ".join(shown), *counted] if shown else counted
    return f"{begins}: {' and '.join(filter(None, parts))}." if parts else ""


def _short(file: File, found: Found) -> str:
    reason = found.get(file)
    return f"{_cut(file.name)} ({reason})" if isinstance(reason, str) and reason else _cut(file.name)


def _cut(name: str) -> str:
    """Return a file's *name* for people, who see little of it."""
    name = clean(name)
    return name if len(name) <= NAME else f"{name[: NAME - 12]}…{name[-10:]}"


def clean(name: str) -> str:
    """Return a file's *name* on one line, of a long one the beginning and the end."""
    if len(name) <= LONG:
        return one_line(name) or "a file without a name"
    return f"{one_line(name[: LONG - 16])}…{one_line(name[-15:])}"


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB".replace(".0 ", " ")
