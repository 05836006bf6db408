"""What people attach, made into what a model reads: pictures, PDFs, and texts in UTF-8.

A file is what its first bytes say; what its sender says it is only has to agree.  Each library of a kind of
file is imported by one module here, when the first such file comes.  What is small and may unpack to much is
read in a process of its own (`apart`).  Callers run all of it in a thread, and bound how long they wait.
"""

from __future__ import annotations

from bot.files import apart, documents, office, pictures, texts
from bot.files.reading import LATE as LATE
from bot.files.reading import Bounds as Bounds
from bot.files.reading import Read as Read
from bot.files.reading import Unreadable
from bot.files.texts import CHARACTERS as CHARACTERS

#: The office files of before 2007, and those with a password.
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
ARCHIVES = (b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"BZh")


def read(name: str, claimed: str, data: bytes, bounds: Bounds) -> Read:
    """Return what a model reads of a file.

    Args:
        name: As its sender named it.
        claimed: The media type that its platform claims.
        data: All of it.
        bounds: How large it may be.

    Raises:
        Unreadable: It is none that can be read; the message says why.
    """
    if not data:
        raise Unreadable("it is empty")
    if media := pictures.kind(data):
        _expect(claimed, "image/", media)
        return pictures.read(media, data, bounds.pixels)
    if documents.is_pdf(data):
        _expect(claimed, "application/pdf", "a PDF")
        return apart.read("pdf", data)
    if data.startswith(office.BEGINS):
        found = apart.read("office", data)
        _expect(claimed, "application/", "an office file")
        return found
    if data.startswith(OLD_OFFICE):
        locked = ENCRYPTED in data
        raise Unreadable("it needs a password" if locked else "office files of before 2007 are not read")
    if data.startswith(ARCHIVES):
        raise Unreadable(office.ARCHIVE)
    return _text(name, claimed, data)


def _text(name: str, claimed: str, data: bytes) -> Read:
    if claimed.startswith("image/") and "svg" not in claimed:
        raise Unreadable("it is no png, jpeg, gif or webp")
    if claimed == "application/pdf":
        raise Unreadable("it is no PDF, whatever its name says")
    if name.lower().endswith(".ipynb"):
        return apart.read("notebook", data)
    return texts.read(data)


def _expect(claimed: str, begins: str, found: str) -> None:
    """Raise if *claimed* names another kind of file than was *found*."""
    known = ("image/", "application/pdf", "text/")
    if claimed.startswith(known) and not claimed.startswith(begins):
        raise Unreadable(f"it is {found}, whatever its name says")
