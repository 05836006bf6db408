"""Files that people attach, on their way in: in pieces, each of which the server's bounds let through."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from adapters.web.people import Refusal
from bot.events import File

#: Bytes of a piece.
PIECE = 512 * 1024
#: Files and bytes of one person that may be on their way, and bytes of all; seconds that one may rest.
EACH, OWN, ROOM, REST = 10, 64 * 2**20, 128 * 2**20, 120.0
#: Characters of a name.
LONGEST = 200


@dataclass(slots=True)
class Upload:
    """A file of which some has come."""

    name: str
    type: str
    size: int
    owner: str
    at: float
    data: bytearray = field(default_factory=bytearray)


class Uploads:
    """Puts files together.

    Args:
        most: Bytes that one may have.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._coming: OrderedDict[str, Upload] = OrderedDict()

    def take(
        self, key: str, owner: str, told: tuple[str, str, int], offset: int, piece: bytes
    ) -> File | None:
        """Take a piece; return the file once it is whole.  Raises `Refusal`.

        Args:
            key: The file's, as it will be kept.
            owner: Who sends it.
            told: Its name, type and size, as the sender has told them.
            offset: Where *piece* belongs.
            piece: Some bytes.
        """
        name, kind, size = told
        if not 0 < size <= self.most:
            raise Refusal(413, f"{name[:80]} has more than {self.most // 1_000_000} MB, or nothing in it.")
        now = time.monotonic()
        self._forget(now)
        upload = self._coming.get(key)
        if upload is None:
            self._expect_room(owner, size)
            upload = self._coming[key] = Upload(name[:LONGEST], kind[:100], size, owner, now)
        if (upload.owner, upload.size, len(upload.data)) != (owner, size, offset) or len(
            piece
        ) > size - offset:
            del self._coming[key]
            raise Refusal(409, f"{name[:80]} came in the wrong order; attach it again.")
        upload.data += piece
        upload.at = now
        if len(upload.data) < size:
            return None
        del self._coming[key]
        return File(upload.name, upload.type, size, key, bytes(upload.data))

    def _expect_room(self, owner: str, size: int) -> None:
        mine = [each.size for each in self._coming.values() if each.owner == owner]
        others = sum(each.size for each in self._coming.values() if each.owner != owner)
        own = size + sum(mine)
        if len(mine) >= EACH or own > max(OWN, self.most) or own + others > max(ROOM, self.most):
            raise Refusal(429, "Too many files are on their way; try again in a minute.")

    def _forget(self, now: float) -> None:
        for key in [key for key, each in self._coming.items() if now - each.at > REST]:
            del self._coming[key]
