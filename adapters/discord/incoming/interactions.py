"""What people do by Discord's own means, commands, menus, forms and buttons: told to the core, and answered.

Nobody's rights are judged here: the core is asked, and its reply is shown.  Discord waits 3 s for a first
answer; what may take longer is acknowledged before that.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, replace

import discord

from adapters.discord.incoming.events import unusable
from adapters.discord.incoming.fields import Json, snowflake, string, whole
from adapters.discord.incoming.given import COMMAND, PRESS, SUBMIT, Given
from adapters.discord.incoming.people import People
from adapters.discord.incoming.places import Places
from adapters.discord.incoming.questions import THREADS, Questions
from adapters.discord.incoming.reading import files
from adapters.discord.incoming.shards import Shards
from adapters.discord.incoming.written import Written
from adapters.discord.outgoing.asked import LONGEST, quoted, shown
from adapters.discord.outgoing.commands import ABOUT, STOP
from adapters.discord.outgoing.drawing import BUTTON, said, told
from adapters.discord.rights import missing_to_answer
from adapters.discord.wire.replies import Reply
from adapters.discord.wire.rest import Json as Body
from adapters.discord.wire.rest import Rest
from adapters.discord.wire.seldom import Seldom
from bot.events import STOP as STOPPING
from bot.platform import Actor, Command, Inbox, Outcome, Place, Press, Unavailable

#: Seconds for which the core's reply is awaited before Discord is told that it takes a while.
SOON = 1.5
#: Seconds in which somebody is told once that they may not do that, and people who are remembered.
HOUR, PEOPLE = 3600.0, 10_000
#: Forms that are open, at most: what they are about is remembered here.
FORMS = 500
#: What the custom id of a form begins with, and the name of its one field.
FORM, FIELD = "rivulet-about:", "question"

NOT_YOURS = "You may not do that here."
LAPSED = "That button is over: what it was for is forgotten. Please ask again."
STOPPED = "Stopped."
NOTHING = "There is nothing to stop: no answer that is being written belongs to this message."
FORGOTTEN = f"I don't know any more which message that was about. Please choose *{ABOUT}* once more."
RESTARTING = "I am being restarted. Please ask again in a minute."
FAILED = "That did not work. Please try again; if it stays so, tell whoever runs this bot."
LACKING = "I can't answer here: I lack the right **{right}**. A moderator of the server can give it."


class Interactions:
    """Takes the interactions that one client hears.

    Args:
        client: Knows channels.
        rest: What to answer with.
        people: Knows who is an owner.
        questions: Makes questions of messages.
        places: Knows places.
    """

    def __init__(
        self, client: Shards, rest: Rest, people: People, questions: Questions, places: Places
    ) -> None:
        self._client = client
        self._places = places
        self._rest = rest
        self._people = people
        self._questions = questions
        self._refusals = Seldom(HOUR, PEOPLE)
        self._forms: OrderedDict[str, tuple[str, Json]] = OrderedDict()

    async def take(self, inbox: Inbox, data: object) -> None:
        """Do what an interaction says, and answer it; what Discord does not take is logged."""
        if not (given := Given.of(data)):
            return
        who = self._people.told(given.user, given.member, given.guild)
        reply = Reply(self._rest, given.application, given.id, given.token)
        doing = _Doing(inbox, given, who, self._places.told(given.channel, given.guild, given.room), reply)
        try:
            await self._do(doing)
        except OSError as error:
            unusable(self._client.seldom, "an interaction was not answered", error, type=given.kind)

    async def _do(self, doing: _Doing) -> None:
        given = doing.given
        match given.kind:
            case kind if kind == PRESS:
                if given.name.startswith(BUTTON) and snowflake(given.message.get("id")):
                    await self._pressed(doing)
            case kind if kind == SUBMIT:
                if given.name.startswith(FORM):
                    await self._submitted(doing)
            case kind if kind == COMMAND and given.message:
                await (self._stop(doing) if given.name == STOP else self._open(doing))
            case _ if given.name == "ask":
                await self._ask(doing, given.typed)
            case _:
                await doing.say(doing.inbox.command(self._command(doing)))

    def _command(self, doing: _Doing) -> Command:
        given = doing.given
        return Command(given.name, given.typed.strip(), doing.who, doing.where, self._meant(doing))

    def _meant(self, doing: _Doing) -> str:
        """Return the conversation that a command was given in; "" for a channel, which has many."""
        channel, roots = doing.given.channel, self._questions.roots
        if doing.where.direct:
            return f"discord/{channel}"
        if isinstance(self._client.get_channel(channel), discord.Thread) or doing.inside:
            return f"discord/{roots.get(channel, channel)}"
        return ""

    async def _pressed(self, doing: _Doing) -> None:
        control = doing.given.name.removeprefix(BUTTON)
        outcome = await doing.inbox.press(Press(doing.key, control, doing.who, doing.where))
        await self._acknowledge(doing.reply, outcome, told=self._told(doing.who.id, outcome))

    async def _acknowledge(self, reply: Reply, outcome: Outcome, *, told: bool) -> None:
        """Answer a press; take the button away once it has served, or if a crash left it."""
        match outcome:
            case Outcome.REFUSED if not told:
                await reply.say(_told(NOT_YOURS))
            case Outcome.UNKNOWN | Outcome.TAKEN:
                await reply.strip()
            case Outcome.LAPSED:
                await reply.strip()
                await reply.add(_told(LAPSED))
            case _:
                await reply.keep()

    def _told(self, who: str, outcome: Outcome) -> bool:
        """Tell whether *who* knows already what a refusal says: it is said once an hour."""
        return outcome is Outcome.REFUSED and not self._refusals.due(who, asyncio.get_running_loop().time())

    async def _stop(self, doing: _Doing) -> None:
        """Stop the answer that a message belongs to: a page of it, or its question."""
        outcome = await doing.inbox.press(Press(doing.key, STOPPING.name, doing.who, doing.where))
        if self._told(doing.who.id, outcome):
            await doing.reply.say({})
            return
        texts = {Outcome.STOPPED: STOPPED, Outcome.REFUSED: NOT_YOURS}
        await doing.reply.say(_told(texts.get(outcome, NOTHING)))

    async def _open(self, doing: _Doing) -> None:
        """Open a form for a question about a message; that is kept, since the bot itself may not read it."""
        if (refusal := await self._barred(doing)) is not None:
            await doing.reply.say(_told(refusal))
            return
        name = FORM + secrets.token_hex(8)
        self._forms[name] = doing.who.id, doing.given.message
        if len(self._forms) > FORMS:
            self._forms.popitem(last=False)
        await doing.reply.ask(_form(name))

    async def _submitted(self, doing: _Doing) -> None:
        asker, message = self._forms.pop(doing.given.name, ("", {}))
        if asker != doing.who.id:
            await doing.reply.say(_told(FORGOTTEN))
        else:
            await self._ask(doing, doing.given.typed, message)

    async def _ask(self, doing: _Doing, question: str, about: Json | None = None) -> None:
        """Show *question* to everybody, and give it to the core as the message that shows it."""
        if (refusal := await self._barred(doing)) is not None:
            await doing.reply.say(_told(refusal))
            return
        given, reply = doing.given, doing.reply
        more = self._quoted(about, given.guild) if about else ""
        message = await reply.show(shown(doing.who.name, question, more))
        raw = {
            **message,
            "author": given.user,
            "member": given.member,
            "content": question,
            "channel_type": given.room.get("type"),
            "interaction_metadata": None,
        }
        if not (written := Written.of(raw, given.guild)):
            await reply.add(_told(FAILED))
            return
        mention = replace(self._questions.mention(written), follow_up=False)
        if about:
            mention = replace(mention, text=f"{mention.text}\n{more}", files=files(about))
        try:
            await doing.inbox.mention(mention)
        except Unavailable:
            await reply.remove()
            await reply.add(_told(RESTARTING))

    async def _barred(self, doing: _Doing) -> str | None:
        """Return why a question can't be asked, or answered, there; None if it can."""
        try:
            barred = await doing.inbox.barred(doing.who, doing.where)
        except Unavailable:
            return RESTARTING
        given = doing.given
        if barred is None and given.guild and given.rights is not None:
            right = missing_to_answer(given.rights, inside=doing.inside)
            return LACKING.format(right=right.name) if right else None
        return barred

    def _quoted(self, message: Json, guild: int) -> str:
        """Return what a message says, quoted."""
        written = Written.of(message, guild)
        if written is None:
            return ""
        ours = written.author == self._client.me
        text = said(string(message.get("content"))) if ours else self._questions.says(written)
        return quoted(written.name, text or "(without words)")


@dataclass(frozen=True, slots=True)
class _Doing:
    """An interaction that is being done: whom to tell, what is given, by whom and where, and its answer."""

    inbox: Inbox
    given: Given
    who: Actor
    where: Place
    reply: Reply

    @property
    def key(self) -> str:
        """The key of the message that it is about."""
        return f"discord/{self.given.channel}/{snowflake(self.given.message.get('id'))}"

    @property
    def inside(self) -> bool:
        """Whether it is done in a thread, as far as Discord tells."""
        return whole(self.given.room.get("type")) in THREADS

    async def say(self, work: Coroutine[None, None, str]) -> None:
        """Show what *work* returns; if that takes a while, say so before."""
        doing = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({doing}, timeout=SOON)
        try:
            if not done:
                await self.reply.defer()
        finally:
            text = await doing
        await self.reply.say(_told(text))


def _told(text: str) -> Body:
    """Return *text* as a message; {} for none."""
    return told(text) if text.strip() else {}


def _form(name: str) -> Body:
    """Return a form with one field for a question."""
    field = {"type": 4, "custom_id": FIELD, "style": 2, "max_length": LONGEST, "required": True}
    label = {"type": 18, "label": "What do you want to know about it?", "component": field}
    return {"custom_id": name, "title": ABOUT, "components": [label]}
