"""Slash commands: "/rivulet NAME", and "/rivulet" with a question behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from adapters.slack.incoming.asking import Asking, Question
from adapters.slack.incoming.interactions import Slash
from adapters.slack.incoming.once import Once
from adapters.slack.incoming.soon import in_time
from adapters.slack.outgoing.replies import ephemeral, later
from adapters.slack.people import People
from adapters.slack.reading import Message
from adapters.slack.text import Json
from adapters.slack.wire.errands import Errands
from bot.platform import Command
from bot.text.safe import seen

#: The commands, and how many words may stand behind each: with more it is a question ("help me write this").
BEHIND: Mapping[str, int] = {"stop": 0, "again": 0, "model": 1, "usage": 0, "help": 0, "forget": 1}
#: The first word of what can't be told from a command.
ASK = "ask"

NO_QUESTION = "Write your question behind it: `ask why is the sky blue?`"


def meant(text: str) -> tuple[str, str]:
    """Return the name of the command that *text* is, and what stands behind it; `ASK` and a question else.

    "!" may stand before the name, as it does in a mention; then it is one whatever stands behind it.
    """
    first, _, rest = text.strip().partition(" ")
    name, rest = first.lower(), rest.strip()
    if not name:
        return "help", ""
    if name == ASK:
        return ASK, rest
    if name.startswith("!") and name[1:] in BEHIND:
        return name[1:], rest
    words = rest.lower().split()
    if name == "forget" and words[:1] in ([], ["me"]):
        return name, rest  # "forget me please" is no question: it is told what to say
    fits = name in BEHIND and len(words) <= BEHIND[name] and name != "forget"
    return (name, rest) if fits else (ASK, text.strip())


@dataclass
class Slashes:
    """Takes slash commands.

    Attributes:
        asking: Asks in people's names.
        people: Finds who gave one.
        me: The bot's user.
        errands: Does what may lag behind.
    """

    asking: Asking
    people: People
    me: str
    errands: Errands
    _once: Once = field(default_factory=Once, init=False)

    async def take(self, body: Json) -> Json:
        """Do what a slash command says; return what Slack is to show, which may also come later."""
        given = Slash.of(body)
        if given is None or not self._once.first(given.trigger):
            return {}
        tell = partial(later, self.asking.web, given.url)
        return ephemeral(await in_time(self.errands, self._reply(given), tell))

    async def _reply(self, given: Slash) -> str:
        name, rest = meant(given.text)
        actor = await self.people.doer(given.user, given.called, "", given.team)
        place = self.asking.place(given.channel, given.team)
        if name == ASK:
            says = seen(Message.of({"text": rest}).says({}, self.me))
            return await self.asking.ask(actor, place, partial(self._question, rest)) if says else NO_QUESTION
        # Slack tells of no thread that a command was given in.
        return await self.asking.inbox.command(Command(name, rest, actor, place))

    async def _question(self, text: str) -> Question:
        read = Message.of({"text": text})
        said = read.says(await self.people.names(read.ids()), self.me)
        return Question(said, said)
