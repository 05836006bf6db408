"""A session of the gateway, as one process leaves it to the next in a note.  Pure.

A session belongs to no process: who knows its id, where it can be resumed and how far it was heard gets the
rest of it (events/gateway.mdx, Resuming).  A note that makes no sense, or is old, is no session: the shard
then logs in anew, which Discord counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.discord.incoming.fields import inner, string, whole

#: Seconds after which a note is not believed: a session ends "a few minutes" after its connection.
FRESH = 300.0
#: Characters of an id; Discord's have 32.
LONGEST = 200
#: Where all of Discord's own gateways are.
HOME = ".discord.gg"


@dataclass(frozen=True, slots=True)
class Session:
    """What a RESUME takes.

    Attributes:
        id: Discord's.
        url: Where it is to be resumed.
        heard: The number of the newest event that nobody has to hear again.
        shards: How many shards there are in all.
        intents: What it hears.
        at: When it was last heard of, in seconds of the wall clock.
    """

    id: str
    url: str
    heard: int
    shards: int
    intents: int
    at: float

    def note(self) -> str:
        """Return it as `read` takes it."""
        told = {"id": self.id, "url": self.url, "heard": self.heard, "shards": self.shards}
        return json.dumps({**told, "intents": self.intents, "at": self.at})

    def fits(self, shards: int, intents: int, gateway: str, now: float) -> bool:
        """Tell whether a shard of so many *shards*, that is to hear *intents*, may go on with it now.

        The token is sent to where it is resumed, so that must be Discord's, or where *gateway* is.
        """
        same = self.shards == shards and self.intents == intents
        return same and abs(now - self.at) <= FRESH and _trusted(self.url, gateway)


def read(note: str) -> Session | None:
    """Return the session that *note* tells of; None if it tells of none."""
    try:
        told = inner(json.loads(note)) if note else {}
    except (ValueError, RecursionError):
        return None
    id_, url, at = string(told.get("id")), string(told.get("url")), told.get("at")
    if not (0 < len(id_) <= LONGEST and url and type(told.get("heard")) is int and type(at) is float):
        return None
    heard, shards, intents = (whole(told.get(each)) for each in ("heard", "shards", "intents"))
    return Session(id_, url, heard, shards, intents, at)


def _trusted(url: str, gateway: str) -> bool:
    try:
        there, ours = urlsplit(url), urlsplit(gateway)
        own = (there.scheme, there.hostname, there.port) == (ours.scheme, ours.hostname, ours.port)
    except ValueError:
        return False
    return own or (there.scheme == "wss" and (there.hostname or "").endswith(HOME))
