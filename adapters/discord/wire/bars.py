"""What Discord does not let the bot do for a while: rights it lacks, and channels in which edits fail.

Pure: callers bring the time, in seconds of one monotonic clock.
"""

from __future__ import annotations

from bot.platform import Gone

#: Seconds that a missing right is remembered: every try counts towards a ban of the address.
MEMORY = 600.0
#: Channels that are remembered.
KEPT = 10_000
#: JSON error codes of a 403 that the next try would meet too (topics/opcodes-and-status-codes.mdx).
MISSING_ACCESS, MISSING_PERMISSIONS, NO_REPLY_WITHOUT_HISTORY = 50001, 50013, 160002
LASTING = {MISSING_ACCESS, MISSING_PERMISSIONS, NO_REPLY_WITHOUT_HISTORY}
#: JSON error codes of a 404 that is about where a message goes, and not about its files: unknown channel,
#: guild, and message.
NOWHERE = frozenset({10003, 10004, 10008})
#: JSON error codes of a 403 that is about who writes where: the lasting ones; a person who takes no direct
#: messages, or shares no server; somebody else's message; a channel that asks for more verification.
NOBODY = frozenset({*LASTING, 50003, 50005, 50007, 50009, 50278})
#: What a call needs, in the words of Discord's settings.
RIGHTS = {
    "GET messages": "Read Message History",
    "POST messages": "Send Messages",
    "PATCH messages": "Send Messages",
    "PUT reactions": "Add Reactions",
    "POST threads": "Create Public Threads",
}
#: Server errors in a row after which a channel's progress is not shown for so many seconds.
FAILURES, REST = 2, 30.0


class Forbidden(Gone):
    """The bot may not do that here; `code` is Discord's JSON error code, `right` what is missing."""

    def __init__(self, said: str, code: int, right: str = "") -> None:
        super().__init__(said)
        self.code = code
        self.right = right


class Bars:
    """Which right is missing in which channel."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, Forbidden]] = {}

    def find(self, method: str, path: str, now: float) -> Forbidden | None:
        """Return the 403 that a call would meet, if that is known."""
        channel, kind = place(method, path)
        for key in ((channel, kind), (channel, "")):
            until, found = self._known.get(key, (0.0, None))
            if found and until > now:
                return found
        return None

    def learn(self, method: str, path: str, code: int, said: str, now: float) -> tuple[Forbidden, bool]:
        """Remember a 403; return it as the seam's error, and whether it is news."""
        channel, kind = place(method, path)
        if not channel or code not in LASTING:
            return Forbidden(said, code), False
        right = RIGHTS.get(kind, kind)
        if code == MISSING_ACCESS:
            kind, right = "", "View Channel"
        elif code == NO_REPLY_WITHOUT_HISTORY:
            right = "Read Message History"
        news = self._known.get((channel, kind), (0.0, None))[0] <= now
        if len(self._known) >= KEPT:
            self._known = {key: one for key, one in self._known.items() if one[0] > now}
        found = Forbidden(said, code, right)
        self._known[channel, kind] = (now + MEMORY, found)
        return found, news


def doubted(status: int, code: int, *, files: bool) -> bool:
    """Whether an error may be about what a message holds (*files*), and not about who writes where."""
    if files:
        return status == 403 or (status == 404 and code not in NOWHERE)
    return status == 403 and code not in NOBODY


def place(method: str, path: str) -> tuple[str, str]:
    """Return the channel of a call, "" for none, and what it does there: "POST messages"."""
    match path.partition("?")[0].split("/"):
        case ["channels", channel, "messages", _, kind, *_]:
            return channel, f"{method} {kind}"
        case ["channels", channel, kind, *_]:
            return channel, f"{method} {kind}"
    return "", method


class Breaker:
    """Keeps progress out of channels where Discord is not well; last edits are always tried."""

    def __init__(self) -> None:
        self._ill: dict[str, tuple[int, float]] = {}

    def open(self, channel: str, now: float) -> bool:
        """Whether progress is to be left out."""
        return self._ill.get(channel, (0, 0.0))[1] > now

    def failed(self, channel: str, now: float) -> None:
        """Record a server error or a connection that was cut."""
        if len(self._ill) >= KEPT:
            self._ill.clear()
        failures = self._ill.get(channel, (0, 0.0))[0] + 1
        self._ill[channel] = (failures, now + REST if failures >= FAILURES else 0.0)

    def passed(self, channel: str) -> None:
        """Record a call that got through."""
        self._ill.pop(channel, None)
