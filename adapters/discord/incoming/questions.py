"""A message becomes a question: in which conversation it stands, and the surface that its answer goes to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import discord

from adapters.discord.incoming.history import chain, recent, thread, translated
from adapters.discord.incoming.missed import missed, place
from adapters.discord.incoming.people import People, place_of
from adapters.discord.incoming.shards import Shards
from adapters.discord.outgoing.notices import Notices
from adapters.discord.outgoing.threads import Fork, Question, Threads, nowhere, title
from adapters.discord.reading import answers, calls, files, says
from adapters.discord.rights import lacking, limits
from adapters.discord.surface import DiscordSurface, History, nothing
from adapters.discord.wire.rest import Rest
from bot.platform import Asked, Mention, Remains, Said

#: Types of messages that ask something.
ASKING = {discord.MessageType.default, discord.MessageType.reply}
#: Messages and threads whose conversation is remembered: many more than are answered at once.
ROOTS = 500


class Questions:
    """Makes questions of the messages that one client hears.

    Args:
        client: Knows channels and rights.
        rest: What surfaces write with.
        threads: What opens threads for them.
        people: Knows who is an owner.

    Attributes:
        roots: In which conversation a message stands; outlives the client.
    """

    def __init__(self, client: Shards, rest: Rest, threads: Threads, people: People) -> None:
        self._client = client
        self._rest = rest
        self._threads = threads
        self._people = people
        self._notices = Notices(rest)
        self.roots: OrderedDict[int, int] = OrderedDict()

    @property
    def _me(self) -> int:
        return self._client.me

    def reopen(self, asked: Asked, remains: Remains) -> DiscordSurface | None:
        """See `Platform.reopen`; a thread that was opened for an answer has the id of the question."""
        match asked.key.split("/"):
            case ["discord", channel, question, *_]:  # a press has its button's name at the end
                here = int(remains.address or channel)
                replied = int(question) if here == int(channel) else None
                root = int(asked.conversation.split("/")[-1])
                history = partial(self._past, asked)
                surface = DiscordSurface(
                    self._rest,
                    here,
                    replied,
                    history,
                    partial(self._remember, root),
                    asker=int(asked.actor.id),
                    notices=self._notices,
                )
                surface.limits = limits(self._client.get_channel(here), self._me)
                surface.resume(remains, str(self._me))
                return surface
        return None

    async def _past(self, asked: Asked, limit: int) -> Sequence[Said]:
        """Read the history of a question that is known by its key alone."""
        _, channel, question, *_ = asked.key.split("/")
        with translated():
            message = await (await place(self._client, int(channel))).fetch_message(int(question))
        _, history = self._conversation(message)
        return await history(limit)

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`: what stands in the channels and threads of *recent*."""
        found = await missed(self._client, recent, since)
        return [self.mention(each) for each in found if self.addresses(each)]

    def addresses(self, message: discord.Message) -> bool:
        """Tell whether *message* is for the bot: it calls it or answers it, or is direct."""
        if message.type not in ASKING or message.author.id == self._me:
            return False
        if message.guild is None or calls(message, self._me):
            return True
        return answers(message, self._me) and bool(says(message, self._me))

    def mention(self, message: discord.Message) -> Mention:
        """Return *message* as a question, with the surface that its answer goes to."""
        channel, guild = message.channel.id, message.guild.id if message.guild else None
        root, history = self._conversation(message)
        posted = partial(self._remember, root)
        surface = DiscordSurface(
            self._rest,
            channel,
            message.id,
            history,
            posted,
            self._fork(message, posted),
            message.author.id,
            self._notices,
            str(self._me),
        )
        surface.limits = limits(message.channel, self._me)
        if code := lacking(message, self._me):
            self._rest.lacks(f"channels/{channel}/messages", code)
        return Mention(
            key=f"discord/{channel}/{message.id}",
            conversation=f"discord/{root}",
            actor=self._people.actor(message.author, hook=message.webhook_id is not None),
            place=place_of(channel, guild),
            text=says(message, self._me),
            surface=surface,
            files=files(message),
        )

    def _conversation(self, message: discord.Message) -> tuple[int, History]:
        """Return the root and the history of the conversation that *message* stands in.

        The root names the conversation, and is the id of its first message, or of the thread or the direct
        channel.  A thread has the id of the message that it was opened from, so both are one conversation.
        """
        channel = message.channel
        if message.guild is None:
            return channel.id, partial(recent, channel, message.id, self._me)
        if isinstance(channel, discord.Thread):
            if isinstance(channel.parent, discord.ForumChannel):
                return channel.id, partial(recent, channel, message.id, self._me)
            parent = self._client.get_partial_messageable(channel.parent_id, guild_id=message.guild.id)
            history = partial(thread, channel, parent, message.id, self._me)
            return self.roots.get(channel.id, channel.id), history
        replied = message.reference.message_id if message.reference else None
        if not replied:
            return message.id, nothing
        somewhere = self._client.get_partial_messageable(channel.id, guild_id=message.guild.id)
        history = partial(chain, somewhere, message.id, replied, self._me)
        return self.roots.get(replied, replied), history

    def _fork(self, message: discord.Message, opened: Callable[[int], object]) -> Fork:
        """Return what opens a thread for the question *message*, and tells *opened* its id."""
        channel, guild = message.channel, message.guild
        if guild is None or not isinstance(channel, discord.TextChannel):
            return nowhere  # no threads in direct messages, threads, and channels of other types
        if (me := guild.get_member(self._me)) is not None:
            rights = channel.permissions_for(me)
            if not (rights.create_public_threads and rights.send_messages_in_threads):
                return nowhere
        question = Question(guild.id, channel.id, message.id, title(message.content))

        async def fork(crowded: bool) -> int | None:
            if (found := await self._threads.open(question, crowded)) is not None:
                opened(found)
            return found

        return fork

    def _remember(self, root: int, message: int) -> None:
        self.roots[message] = root
        if len(self.roots) > ROOTS:
            self.roots.popitem(last=False)
