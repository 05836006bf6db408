"""Asking a person whether a tool may be called: a message of its own, with the exact call and three buttons.

It is an answer like others, so it is written, kept and repaired as they are.  It ends with the decision, or
when nobody decides in time; after a restart it says that it has lapsed.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field

from bot.events import ALLOW, ALWAYS, REFUSE
from bot.platform import Press

#: Seconds that people have.
PATIENCE = 60.0
#: What was allowed for a conversation that is remembered; of more, the oldest is asked again.
REMEMBERED = 10_000
CONTROLS = (ALLOW, ALWAYS, REFUSE)
QUESTION = (
    "May I do this? Only who asked me, or an admin of the bot, can decide; there is a minute."
    "\n\n{fence}json\n{call}\n{fence}\n"
)
#: Characters of a call that a person can be asked to read.
LONGEST = 10_000
TOO_LONG = "This call has over {0:,} characters, too many for a person to allow it. Make it shorter."
SAID = {ALLOW: "Allowed by {0}.", ALWAYS: "Allowed for this conversation by {0}.", REFUSE: "Refused by {0}."}
LATE = "Nobody decided in time: it was not done."
OVER = "The answer ended before: it was not done."
#: How the ledger knows such a message; see `Entry.calling`.
ASKED = "before calling {0}"


class Allowed:
    """The tools that people have allowed for their questions in a conversation; forgotten on restart."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._open: defaultdict[tuple[str, str, str], set[Card]] = defaultdict(set)

    def knows(self, conversation: str, asker: str, tool: str) -> bool:
        """Tell whether *tool* may be called for *asker* in *conversation* without asking."""
        return (conversation, asker, tool) in self._known

    async def decided(self, card: Card, conversation: str, asker: str) -> bool:
        """Wait for the decision on *card*; one for the conversation decides all that ask for its tool."""
        tool = (conversation, asker, card.tool)
        self._open[tool].add(card)
        try:
            allowed = await card.wait()
        finally:
            self._open[tool].discard(card)
            if not self._open[tool]:
                del self._open[tool]
        if card.always:
            self._known[tool] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            for other in self._open.get(tool, ()):
                other.close(card.note, allowed=True)
        return allowed


@dataclass(eq=False, slots=True)
class Card:
    """One question to a person.

    Attributes:
        tool: The tool's name.
        call: The exact call.
        always: Whether it was allowed for the whole conversation.
        decided: Whether it may be called, once that is known.
        note: What stands below the question then.
    """

    tool: str
    call: str
    always: bool = False
    decided: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    note: str = ""

    @property
    def text(self) -> str:
        """The question; no call can end the block of code that it stands in."""
        longest = max(map(len, re.findall("`+", self.call)), default=0)
        return QUESTION.format(call=self.call, fence="`" * max(3, longest + 1))

    def decide(self, press: Press, name: str) -> bool:
        """Take the decision of somebody who may make it; False if there was one already."""
        control = next((each for each in CONTROLS if each.name == press.control), None)
        if control is None or self.decided.done():
            return False
        self.note = SAID[control].format(name)
        self.always = control is ALWAYS
        self.decided.set_result(control is not REFUSE)
        return True

    async def wait(self) -> bool:
        """Wait for the decision; False if nobody makes one in time."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(self.decided)
        except TimeoutError:
            self.close(LATE)
            return False
        except asyncio.CancelledError:
            self.close(OVER)
            raise

    def close(self, note: str, *, allowed: bool = False) -> None:
        """End the question with *note* below if nobody has decided: unless *allowed*, nothing is called."""
        if not self.decided.done():
            self.note = note
            self.decided.set_result(allowed)
