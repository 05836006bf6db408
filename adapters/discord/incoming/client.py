"""What the gateway tells, given to the core."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Protocol
from weakref import WeakSet

import aiohttp
import discord
import structlog
import yarl

from adapters.discord.incoming.history import SPOKEN, chain, recent, thread, translated, words
from adapters.discord.incoming.missed import missed, place
from adapters.discord.outgoing.drawing import BUTTON
from adapters.discord.outgoing.notices import Notices
from adapters.discord.outgoing.threads import Fork, Question, Threads, nowhere, title
from adapters.discord.rights import lacking, limits
from adapters.discord.surface import DiscordSurface, History, nothing
from adapters.discord.wire.rest import Rest
from bot.events import Turn
from bot.platform import (
    Actor,
    Asked,
    Deleted,
    Edited,
    Health,
    Inbox,
    Mention,
    Outcome,
    Place,
    Press,
    Remains,
    Stop,
    Unavailable,
)

log = structlog.get_logger(__name__)

#: Of so many messages and threads it is remembered in which conversation they stand: of all that are answered
#: at once, and many more.
ROOTS = 500
#: What makes an emoji look another way, and nothing else: U+FE0F and the skin tones.
LOOKS = dict.fromkeys([0xFE0F, *range(0x1F3FB, 0x1F400)])
NOT_YOURS = "You may not stop this answer."
#: Doublings of a second that discord.py waits at most between two tries; its own 10 make 17 minutes.
BACKOFF = 4


class Held(Exception):
    """An IDENTIFY has to wait *seconds*, with no connection open."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the next log-in waits {seconds:.0f} s")
        self.seconds = seconds


class LogIns(Protocol):
    """Who says when to log in."""

    async def admit(self) -> None:
        """Wait until an IDENTIFY is allowed."""

    def identifying(self) -> None:
        """Spend an IDENTIFY, or raise `Held`."""


class Client(discord.AutoShardedClient):
    """discord.py's client, with small caches and no pings.

    Args:
        intents: What to hear.
        rest: What surfaces write with.
        threads: What opens threads for them.
        stop_emoji: Reactions that mean stop.
        report: Told how the gateway is.
        trace: Sees discord.py's own calls.

    Attributes:
        inbox: Whom to tell.
        repair: Called when surfaces can be written to, before the gateway listens.
        report: See above.
        gateway: Says when to log in.
        roots: In which conversation a message stands; outlives the client.
        since: Since when a shard is not ready, by its number; None for the log-in.
        content_step: What to do if the application may not have the content that it asks for.
    """

    def __init__(
        self,
        intents: discord.Intents,
        rest: Rest,
        threads: Threads,
        stop_emoji: Collection[str],
        report: Callable[[Health], None],
        trace: aiohttp.TraceConfig,
    ) -> None:
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_ratelimit_timeout=30,
            http_trace=trace,
        )
        self.inbox: Inbox | None = None
        self.repair: Callable[[], Awaitable[None]] = _nothing
        self.gateway: LogIns | None = None
        self.roots: OrderedDict[int, int] = OrderedDict()
        self.since: dict[int | None, float] = {None: _now()}
        self.content_step = ""
        self._notices = Notices(rest)
        self._launching: set[int] = set()
        self._sessions: set[int] = set()  # shards that had one
        self._rest = rest
        self._threads = threads
        self._stop_emoji = {emoji.translate(LOOKS) for emoji in stop_emoji}
        self.report = report
        self._owners: set[int] = set()
        self._sockets: WeakSet[aiohttp.ClientWebSocketResponse] = WeakSet()
        self._connect = self.http.ws_connect
        self.http.ws_connect = self._connected  # type: ignore[method-assign]

    async def _connected(self, url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        self._sockets.add(socket := await self._connect(url, compress=compress))
        return socket

    async def close(self) -> None:
        """Close all connections; discord.py forgets one whose log-in was `Held`."""
        await super().close()
        for socket in list(self._sockets):
            if not socket.closed:
                await socket.close()

    @property
    def _me(self) -> int:
        assert self.user, "no event comes before READY"  # noqa: S101  for the type checker only
        return self.user.id

    async def setup_hook(self) -> None:
        """Learn who owns the application, between log-in and the gateway."""
        app = await self.application_info()
        self._owners = {app.owner.id, *(member.id for member in (app.team.members if app.team else ()))}
        allowed = app.flags.gateway_message_content or app.flags.gateway_message_content_limited
        if self.content_step and not allowed:
            raise Unavailable(self.content_step)  # before the gateway closes with 4014, which costs a log-in
        await self.repair()

    async def launch_shard(self, gateway: yarl.URL, shard_id: int, *, initial: bool = False) -> None:
        """Connect a shard; a failure ends the client, whose successor waits better than discord.py does.

        discord.py calls this again, from inside itself and without an end, 5 s after each failure.
        """
        if shard_id in self._launching:
            raise ConnectionError(f"shard {shard_id} could not be connected")
        if self.gateway and not initial:
            await self.gateway.admit()
        self._launching.add(shard_id)
        self.since[shard_id] = _now()
        self.since.pop(None, None)
        await super().launch_shard(gateway, shard_id, initial=initial)
        self._launching.discard(shard_id)
        self.shards[shard_id]._parent._backoff._max = BACKOFF  # noqa: SLF001  there is no setting for it

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Count an IDENTIFY, or have it wait; without a gateway's say there is none."""
        await super().before_identify_hook(shard_id, initial=initial)
        if self.gateway:
            self.gateway.identifying()

    async def on_shard_connect(self, shard_id: int) -> None:
        """A shard has a new session; what was said since the one before it comes from nowhere but history."""
        self._listens(shard_id)
        if shard_id in self._sessions:
            await self.repair()
        self._sessions.add(shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        """A shard has its session back."""
        self._listens(shard_id)

    async def on_shard_disconnect(self, shard_id: int) -> None:
        """A shard's connection is gone; discord.py connects anew."""
        self.since.setdefault(shard_id, _now())
        self.report("down")

    def _listens(self, shard_id: int) -> None:
        self.since.pop(shard_id, None)
        if not self.since:
            self.report("up")

    async def on_message(self, message: discord.Message) -> None:
        """Give a question to the core: a mention, one of the bot's own role, or a direct message."""
        asks = message.type in SPOKEN
        if self.inbox and asks and message.author.id != self._me and self._addressed(message):
            try:
                await self.inbox.mention(self._mention(message))
            except Unavailable as why:
                log.info("a mention is left to the next start", why=str(why))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Give a question's new text to the core; Discord also tells of links that unfold."""
        message = payload.message
        if self.inbox and message.author.id != self._me and message.edited_at:
            key = f"discord/{payload.channel_id}/{payload.message_id}"
            who, where = self._actor(message.author), _place(payload.channel_id, payload.guild_id)
            await self.inbox.edited(Edited(key, words(message, self._me), who, where))

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Tell the core of a message that is gone."""
        if self.inbox:
            await self.inbox.deleted(Deleted(f"discord/{payload.channel_id}/{payload.message_id}"))

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Tell the core of many."""
        for id_ in payload.message_ids:
            if self.inbox:
                await self.inbox.deleted(Deleted(f"discord/{payload.channel_id}/{id_}"))

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """Tell the core that a thread of ours is gone: it has the id of the question it was opened from."""
        if self.inbox and payload.thread and payload.thread.owner_id == self._me:
            await self.inbox.deleted(Deleted(f"discord/{payload.parent_id}/{payload.thread_id}"))

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """Give a stop emoji to the core; the bot's own reactions come too."""
        emoji = payload.emoji.name if payload.emoji.is_unicode_emoji() else ""
        means_stop = emoji.translate(LOOKS) in self._stop_emoji
        if self.inbox and means_stop and payload.user_id != self._me:
            who = self._actor(payload.member) if payload.member else self._stranger(payload.user_id)
            key = f"discord/{payload.channel_id}/{payload.message_id}"
            await self.inbox.stop(Stop(key, who, _place(payload.channel_id, payload.guild_id)))

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Give a pressed button to the core; one that has served, or that a crash left, is taken away."""
        name = str(dict(interaction.data or {}).get("custom_id", ""))
        if not (self.inbox and interaction.message and name.startswith(BUTTON)):
            return
        channel = interaction.message.channel.id
        key = f"discord/{channel}/{interaction.message.id}"
        where = _place(channel, interaction.guild_id)
        press = Press(key, name.removeprefix(BUTTON), self._actor(interaction.user), where)
        outcome = await self.inbox.press(press)
        try:
            await _respond(interaction, outcome)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            log.info("a press was not acknowledged", outcome=outcome.name, error=repr(error))

    def reopen(self, asked: Asked, remains: Remains) -> DiscordSurface | None:
        """See `Platform.reopen`; a thread that an answer went to has the id of its question."""
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
                surface.limits = limits(self.get_channel(here), self._me)
                surface.resume(remains, str(self._me))
                return surface
        return None

    async def _past(self, asked: Asked, limit: int) -> Sequence[Turn]:
        """Read the history of a question of which there is only its key."""
        _, channel, question, *_ = asked.key.split("/")
        with translated():
            message = await (await place(self, int(channel))).fetch_message(int(question))
        _, history = self._conversation(message)
        return await history(limit)

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`: what stands in the channels and threads of *recent*."""
        found = await missed(self, recent, since)
        asked = (each for each in found if each.type in SPOKEN and each.author.id != self._me)
        return [self._mention(each) for each in asked if self._addressed(each)]

    def _addressed(self, message: discord.Message) -> bool:
        if message.guild is None or any(user.id == self._me for user in message.mentions):
            return True
        role = message.guild.self_role
        return role is not None and role in message.role_mentions

    def _mention(self, message: discord.Message) -> Mention:
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
            actor=self._actor(message.author, hook=message.webhook_id is not None),
            place=_place(channel, guild),
            text=words(message, self._me),
            surface=surface,
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
            parent = self.get_partial_messageable(channel.parent_id, guild_id=message.guild.id)
            history = partial(thread, channel, parent, message.id, self._me)
            return self.roots.get(channel.id, channel.id), history
        replied = message.reference.message_id if message.reference else None
        if not replied:
            return message.id, nothing
        somewhere = self.get_partial_messageable(channel.id, guild_id=message.guild.id)
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

    def _actor(self, user: discord.abc.User, *, hook: bool = False) -> Actor:
        return Actor(
            id=str(user.id), name=user.display_name, bot=user.bot or hook, owner=user.id in self._owners
        )

    def _stranger(self, user: int) -> Actor:
        return Actor(id=str(user), owner=user in self._owners)


async def _nothing() -> None:
    """Repair nothing: nobody answers."""


async def _respond(interaction: discord.Interaction, outcome: Outcome) -> None:
    match outcome:
        case Outcome.STOPPED | Outcome.LATER:
            await interaction.response.defer()
        case Outcome.UNKNOWN | Outcome.TAKEN:
            await interaction.response.edit_message(view=None)
        case Outcome.REFUSED:
            await interaction.response.send_message(NOT_YOURS, ephemeral=True)


def _place(channel: int, guild: int | None) -> Place:
    return Place(str(channel), workspace=str(guild) if guild else "")


def _now() -> float:
    return asyncio.get_running_loop().time()
