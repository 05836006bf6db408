"""A message becomes a question: in which conversation it stands, and the surface that its answer goes to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import discord

from adapters.discord.allowed import lacking, limits
from adapters.discord.incoming.fields import string, whole
from adapters.discord.incoming.history import Channel, History, translated
from adapters.discord.incoming.markup import Names
from adapters.discord.incoming.missed import guild_of, missed, newest, place, place_in
from adapters.discord.incoming.nearby import nearby, room_of, said_in
from adapters.discord.incoming.people import People, place_of
from adapters.discord.incoming.reading import files
from adapters.discord.incoming.shards import Shards
from adapters.discord.incoming.written import ASKED, Written
from adapters.discord.outgoing.direct import Direct
from adapters.discord.outgoing.notices import Notices
from adapters.discord.outgoing.threads import Fork, Question, Threads, nowhere, title
from adapters.discord.surface import DiscordSurface, nothing
from adapters.discord.surface import History as Past
from adapters.discord.wire.rest import Rest
from bot.events import File
from bot.platform import Actor, Asked, Gone, Mention, Remains, Said, Whereabouts

#: Messages and threads whose conversation is remembered: many more than are answered at once.
ROOTS = 500
#: How much later than a forward, in ids (ms << 22), a message of its sender is the comment on it.
BELOW = 15_000 << 22
#: Types of channels that are threads (resources/channel.mdx).
THREADS = {10, 11, 12}
#: Characters of a question of which its thread's name is made.
NAMED = 4_000


def _nowhere(_conversation: str) -> str:
    """Know of no question."""
    return ""


class Questions:
    """Makes questions of the messages that one client hears.

    Args:
        client: Knows channels and rights.
        rest: What surfaces write with.
        threads: What opens threads for them.
        people: Knows who is an owner.

    Attributes:
        roots: In which conversation a message stands; outlives the client.
        notices: Tells people why there is no answer; outlives the client.
        asked_in: See `Inbox.asked_in`.
    """

    def __init__(self, client: Shards, rest: Rest, threads: Threads, people: People) -> None:
        self._client = client
        self._rest = rest
        self._threads = threads
        self._people = people
        self.notices = Notices(Direct(rest))
        self.roots: OrderedDict[int, int] = OrderedDict()
        self.asked_in: Callable[[str], str] = _nowhere
        self._forwards: OrderedDict[tuple[int, int], Written] = OrderedDict()

    @property
    def _me(self) -> int:
        return self._client.me

    def reopen(self, asked: Asked, remains: Remains) -> DiscordSurface | None:
        """See `Platform.reopen`; a thread that was opened for an answer has the id of the question."""
        match asked.key.split("/"):
            case ["discord", channel, question, *_]:  # a press has its button's name at the end
                here, id_ = int(remains.address or channel), int(question)
                replied = id_ if here == int(channel) else None
                root = int(asked.conversation.split("/")[-1])
                history = partial(self._past, asked)
                surface = DiscordSurface(
                    self._rest,
                    here,
                    replied,
                    history,
                    partial(self._remember, root),
                    asker=int(asked.actor.id),
                    notices=self.notices,
                    attached=partial(self._attached, asked),
                )
                surface.limits = limits(self._client.get_channel(here), self._me)
                surface.resume(remains, str(self._me))
                surface.named = self._whereabouts(here)
                self._look_around(surface, id_, int(channel), asked.actor)
                return surface
        return None

    async def _past(self, asked: Asked, limit: int) -> Sequence[Said]:
        """Read the history of a question that is known by its key alone."""
        _, history = self._conversation(await self._read(asked))
        return await history(limit)

    async def _attached(self, asked: Asked) -> Sequence[File]:
        """Read what came with a question that is known by its key alone."""
        return files((await self._read(asked)).raw)

    async def _read(self, asked: Asked) -> Written:
        _, channel, question, *_ = asked.key.split("/")
        guild = guild_of(await place(self._client, int(channel)))
        with translated():
            message = Written.of(await self._client.http.get_message(int(channel), int(question)), guild)
        if message is None:
            raise Gone("the question can't be read")
        return message

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`: what stands in the channels and threads of *recent*."""
        found, asked = await missed(self._client, recent, since), newest(recent)
        return [
            self.mention(each)
            for each in found
            if self.asks(each) or (each.id > asked.get(each.channel, 0) and self.follows_up(each))
        ]

    def asks(self, message: Written) -> bool:
        """Tell whether *message* asks the bot something: a person, or a bot that may ask, addresses it."""
        ours = self._me in {message.author, *message.senders}
        if ours or message.kind not in ASKED or (message.bot and not self._people.admitted(message)):
            return False
        return message.addresses(self.names(message.guild))

    def follows_up(self, message: Written) -> bool:
        """Tell whether *message* asks the bot something without calling it.

        A person wrote it in a thread after the bot was asked there, or opened it for an answer, and it calls
        and answers nobody else.  Without the message content intent none is: no words of it are told.
        """
        if message.bot or message.kind not in ASKED or not message.guild:
            return False
        first = next(filter(None, map(self.asked_in, self._thread(message))), "")
        if not first or message.id < place_in(first)[1]:
            return False
        names = self.names(message.guild)
        return not message.addresses(names) and message.calls_nobody(names)

    def _thread(self, message: Written) -> Sequence[str]:
        """Return what the core may know the thread by that *message* stands in; () if that is no thread.

        What was opened for an answer has the id of the question, which may be deep in a chain of replies.
        """
        id_ = message.channel
        here = self._client.get_channel(id_)
        if isinstance(here, discord.Thread):
            return f"discord/{self.roots.get(id_, id_)}", f"discord/{here.parent_id}/{id_}"
        told = here is None and whole(message.raw.get("channel_type")) in THREADS
        return (f"discord/{self.roots.get(id_, id_)}",) if told else ()

    def notice(self, message: Written) -> None:
        """Remember *message* if it is a forward: the comment on it is a message of its own, below it."""
        if message.guild and message.forwards:
            self._forwards[message.channel, message.author] = message
            if len(self._forwards) > ROOTS:
                self._forwards.popitem(last=False)

    def names(self, guild: int) -> Names:
        """Return what is meant by ids in a guild; 0: in a direct message."""
        here = self._client.get_guild(guild) if guild else None
        own = here.self_role if here else None

        def channel(id_: int) -> str:
            return str(getattr(self._client.get_channel(id_), "name", ""))

        def role(id_: int) -> str:
            found = here.get_role(id_) if here else None
            return found.name if found else ""

        me = self._client.user
        users = {me.id: me.display_name} if me else {}
        return Names(self._me, own.id if own else 0, channel, role, users)

    def says(self, message: Written) -> str:
        """Return all that people see of *message*."""
        return message.says(self.names(message.guild))

    def mention(self, message: Written) -> Mention:
        """Return *message* as a question, with the surface that its answer goes to."""
        channel, here = message.channel, self._client.get_channel(message.channel)
        root, history = self._conversation(message)
        posted = partial(self._remember, root)
        surface = DiscordSurface(
            self._rest,
            channel,
            message.id,
            history,
            posted,
            self._fork(message, posted),
            0 if message.bot else message.author,
            self.notices,
            str(self._me),
        )
        surface.limits = limits(here, self._me)
        surface.named = self._whereabouts(channel)
        actor = self._people.author(message)
        self._look_around(surface, message.id, channel, actor)
        if code := lacking(here, self._me):
            self._rest.lacks(f"channels/{channel}/messages", code)
        return Mention(
            key=f"discord/{channel}/{message.id}",
            conversation=f"discord/{root}",
            actor=actor,
            place=place_of(channel, message.guild, here),
            text=self.says(message),
            surface=surface,
            files=files(message.raw),
            follow_up=not message.addresses(self.names(message.guild)),
        )

    def _look_around(self, surface: DiscordSurface, question: int, channel: int, asker: Actor) -> None:
        """Let *surface* know in which channel people take the *question* in *channel* to be, and read it."""
        here = self._client.get_channel(channel)
        surface.within = str(room_of(here) or "")
        where = self._client, question, said_in(here) or channel, asker.id
        surface.nearby = partial(nearby, *where, self.names, self._people.author)

    def _conversation(self, message: Written) -> tuple[int, Past]:
        """Return the root and the history of the conversation that *message* stands in.

        The root names the conversation, and is the id of its first message, or of the thread or the direct
        channel.  A thread has the id of the message that it was opened from, so both are one conversation.
        """
        id_, guild, http = message.channel, message.guild, self._client.http
        history = History(Channel(http, id_, guild), message.id, self.names(guild), self._people.author)
        if not guild:
            return id_, history.recent
        here = self._client.get_channel(id_)
        if isinstance(here, discord.Thread):
            inside = isinstance(here.parent, discord.ForumChannel)
            parent = Channel(http, id_ if inside else here.parent_id, guild)
            return self.roots.get(id_, id_), partial(history.thread, parent)
        if here is None and whole(message.raw.get("channel_type")) in THREADS:
            return self.roots.get(id_, id_), partial(history.thread, history.channel)
        if not message.replied:
            forward = self._forwards.get((id_, message.author))
            below = forward and 0 < message.id - forward.id < BELOW
            return message.id, partial(history.only, forward) if forward and below else nothing
        root = self.roots.get(message.replied, message.replied)
        return root, partial(history.chain, message.replied, root)

    def _whereabouts(self, channel: int) -> Whereabouts:
        """Return what is known of a channel, as the gateway tells; of a thread also where it is."""
        me, here = self._client.user, self._client.get_channel(channel)
        bot, name = me.display_name if me else "", string(getattr(here, "name", ""))
        if isinstance(here, discord.Thread) and here.parent:
            return Whereabouts(f"{name}, a thread in {here.parent.name}", string(here.parent.topic), bot)
        return Whereabouts(name, string(getattr(here, "topic", "")), bot)

    def _fork(self, message: Written, opened: Callable[[int], object]) -> Fork:
        """Return what opens a thread for the question *message*, and tells *opened* its id."""
        channel = self._client.get_channel(message.channel)
        if not isinstance(channel, discord.TextChannel):
            return nowhere  # no threads in direct messages, threads, and channels of other types
        if (me := channel.guild.get_member(self._me)) is not None:
            rights = channel.permissions_for(me)
            if not (rights.create_public_threads and rights.send_messages_in_threads):
                return nowhere
        name = title(string(message.raw.get("content"))[:NAMED])
        question = Question(channel.guild.id, channel.id, message.id, name)

        async def fork(crowded: bool) -> int | None:
            if (found := await self._threads.open(question, crowded)) is not None:
                opened(found)
            return found

        return fork

    def _remember(self, root: int, message: int) -> None:
        self.roots[message] = root
        if len(self.roots) > ROOTS:
            self.roots.popitem(last=False)
