"""What people can tell the bot beside asking it, and what it replies; see `Command`.

A command comes by the platform's own means ("/usage"), or in a mention that begins with "!" ("!usage").  Its
reply is for whoever gave it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from bot.core.latest import Latest
from bot.core.live import Means
from bot.core.sayings import COMMANDS, NOTHING, command_in
from bot.core.terms import Terms, whose
from bot.events import RETRY
from bot.guard import usage
from bot.platform import Command, Mention, Outcome, Press, Stop

STOPPED = "Stopped."
TAKEN = "It is being answered anew."
NO_LAST = "There is no answer here that could be given anew: mention me with a question."
NOT_NOW = "That can't be done now. Please try again in a minute."
ONE_MODEL = "Here {model} answers; there is no other one to choose."
MODELS = "Here {model} answers you. You can choose from {models}: say `model NAME`, or `model default`."
NO_MODEL = "There is no model {name} to choose here: {models}."
CHOSEN = "From now on {model} answers you."
ME = "Say `forget me`, and what the bot keeps of your questions, answers, notes and ratings is deleted."
FORGOTTEN = "Deleted: {count}. What others have said stays, and so do the messages in this chat."
#: What may stand around a name that was copied from a reply.
MARKS = " `*_~\"'“”."
UNKNOWN = "There is no command {name}; `help` lists those that there are."


def called(mention: Mention) -> Command | None:
    """Return the command that *mention* is; None if it is a question."""
    if (found := command_in(mention.text)) is None:
        return None
    return Command(*found, mention.actor, mention.place, mention.conversation)


class Commands:
    """Does what commands say.

    Args:
        means: What all answers share.
        latest: The newest questions.
        stop: Stops an answer; returns what came of it, and which right was missing.
        press: Presses a button.
    """

    def __init__(
        self,
        means: Means,
        latest: Latest,
        stop: Callable[[Stop], Awaitable[tuple[Outcome, str]]],
        press: Callable[[Press], Awaitable[Outcome]],
    ) -> None:
        self._means = means
        self._store = means.store
        self._latest = latest
        self._stop = stop
        self._press = press

    async def do(self, command: Command) -> str:
        """Do what *command*, which its actor may give, says; return the reply."""
        match command.name:
            case "stop":
                return await self._stopped(command)
            case "again":
                return await self._again(command)
            case "model":
                return await self._model(command)
            case "usage" if spend := self._means.spend:
                admin = self._means.access.is_admin(command.actor, command.place)
                return await usage.told(spend, command.actor, command.place, admin=admin)
            case "help":
                return self._help(command)
            case "forget":
                return await self._forget(command)
        return UNKNOWN.format(name=_quoted(command.name))

    async def _stopped(self, command: Command) -> str:
        if not (conversation := self._meant(command)):
            return NOTHING
        outcome, why = await self._stop(Stop("", command.actor, command.place, conversation))
        if outcome is Outcome.LATER:
            return NOT_NOW
        if outcome is Outcome.REFUSED:
            return why
        return STOPPED if outcome is Outcome.STOPPED else NOTHING

    async def _again(self, command: Command) -> str:
        """Press *Try again* under the newest answer of the conversation that is meant."""
        key = self._latest.newest(self._meant(command))
        try:
            entry = await self._store.find(key) if key else None
        except OSError:
            return NOT_NOW
        if not entry or not entry.shown or RETRY.name not in entry.controls:
            return NO_LAST
        outcome = await self._press(Press(entry.shown[-1].message, RETRY.name, command.actor, command.place))
        if outcome is Outcome.LATER:
            return ""  # who gave it was told
        return TAKEN if outcome in {Outcome.SHOWN, Outcome.TAKEN} else NO_LAST

    def _meant(self, command: Command) -> str:
        """Return the conversation that *command* is about; "" if there is none."""
        place, find = command.place, self._means.stops.find
        return command.conversation or self._latest.meant(
            place.platform, place.channel, command.actor.id, lambda key: find(key) is not None
        )

    async def _model(self, command: Command) -> str:
        """Tell which model answers, or keep another choice."""
        terms = self._means.terms(command.place, command.actor)
        name = _choice(command.rest, [*terms.models, "default"])
        if not terms.models:
            return ONE_MODEL.format(model=terms.asking.model)
        models = ", ".join(f"`{each}`" for each in terms.models)
        if not name:
            return MODELS.format(model=terms.asking.model, models=models)
        if name not in {*terms.models, "default"}:
            return NO_MODEL.format(name=_quoted(command.rest), models=models)
        await self._store.choose(whose(command.place, command.actor), "" if name == "default" else name)
        return CHOSEN.format(model=self._means.terms(command.place, command.actor).asking.model)

    async def _forget(self, command: Command) -> str:
        if command.rest.lower() != "me":
            return ME
        try:
            count = await self._store.forget(command.actor.id)
        except OSError:
            return NOT_NOW
        return FORGOTTEN.format(count=f"{count} question{'s' * (count != 1)}")

    def _help(self, command: Command) -> str:
        """List what is on in this place."""
        terms = self._means.terms(command.place, command.actor)
        return "\n".join([*_possible(terms), "", *_listed(terms, counted=self._means.spend is not None)])


def _possible(terms: Terms) -> list[str]:
    lines = ["Mention me with a question, and the answer grows here. Files that come with it are read."]
    if terms.follow_ups:
        lines.append("In a thread that I was asked in, a question needs no mention.")
    lines.append("React with 🛑 to an answer, or press its *Stop*, and it stops.")
    if terms.tools:
        lines.append(f"I can use: {', '.join(tool.name.replace('_', ' ') for tool in terms.tools)}.")
    return lines


def _listed(terms: Terms, *, counted: bool) -> list[str]:
    off = {name for name, on in (("model", bool(terms.models)), ("usage", counted)) if not on}
    return [f"- `{name}`: {does}" for name, does in COMMANDS.items() if name not in off]


def _choice(said: str, names: Iterable[str]) -> str:
    """Return which of *names* is meant by *said*, however it is spelt and marked; else *said*."""
    bare = said.strip(MARKS).lower()
    return next((name for name in names if name.lower() == bare), said)


def _quoted(name: str) -> str:
    return f"“{' '.join(name.split())[:60]}”"
