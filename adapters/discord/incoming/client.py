"""What happens on Discord, told to the core: questions, stops, presses, edits and deletions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import aiohttp
import discord
import structlog

from adapters.discord.incoming.fields import Json, inner, snowflake, whole
from adapters.discord.incoming.guilds import Guilds
from adapters.discord.incoming.heard import leave
from adapters.discord.incoming.interactions import Interactions
from adapters.discord.incoming.loops import Loops
from adapters.discord.incoming.people import People, place_of
from adapters.discord.incoming.places import Places
from adapters.discord.incoming.questions import THREADS, Questions
from adapters.discord.incoming.reactions import reacting
from adapters.discord.incoming.sessions import Session
from adapters.discord.incoming.shards import Shards
from adapters.discord.incoming.thumbs import LOOKS, THUMBS, Thumbs, plain
from adapters.discord.incoming.written import Written
from adapters.discord.outgoing.threads import Threads
from adapters.discord.wire.rest import Rest
from bot.platform import (
    Actor,
    Asked,
    Deleted,
    Edited,
    Health,
    Inbox,
    Mention,
    Place,
    Rating,
    Stop,
    Unavailable,
)

log = structlog.get_logger(__name__)

#: Seconds for which a message is young enough that a stop of it may come before the core knows it, and those
#: for which an edit can make a question of it.  The clocks of the two sides may differ by a minute.
EARLY, RECENT = 120.0, 3600.0
#: Messages that are deleted at once, at most (resources/message.mdx, bulk delete).
BULK = 100


class Client(Shards):
    """Tells the core what happens on Discord.

    Args:
        intents: What to hear.
        rest: What surfaces write with.
        threads: What opens threads for them.
        stop_emoji: Reactions that mean stop.
        report: Told how the gateway is.
        trace: Sees discord.py's own calls.
        bots: Ids of bots, webhooks and applications that may ask.
        proxy: See `Shards`.

    Attributes:
        inbox: Whom to tell.
        questions: Makes questions of messages.
        register: Told the application's id, once its first shard is run here, so by one process of all.
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
        bots: Collection[str] = (),
        proxy: str | None = None,
    ) -> None:
        super().__init__(intents, report, trace, proxy)
        self.inbox: Inbox | None = None
        self.content_step = ""
        self.register: Callable[[int], object] = lambda _application: None
        self._people = People(bots, lambda: self.inbox.named if self.inbox else ())
        self._loops = Loops()
        self._places = Places(self)
        self._guilds = Guilds(self, self.seldom)
        self._thumbs = Thumbs(self._people, self._places)
        self.questions = Questions(self, rest, threads, self._people)
        self._interactions = Interactions(self, rest, self._people, self.questions, self._places)
        self._stop_emoji = {emoji.translate(LOOKS) for emoji in stop_emoji}

    async def setup_hook(self) -> None:
        """Learn who owns the application, between log-in and the gateway."""
        app = await self.application_info()
        team = app.team.members if app.team else ()
        self._people.owners = {app.owner.id, *(member.id for member in team)}
        allowed = app.flags.gateway_message_content or app.flags.gateway_message_content_limited
        if self.content_step and not allowed:
            raise Unavailable(self.content_step)  # before the gateway closes with 4014, which costs a log-in
        await self.repair()

    def begin(self, shard: int, session: Session | None) -> None:
        """See `Connecting.begin`."""
        super().begin(shard, session)
        if not shard and self.application_id:
            self.register(self.application_id)

    async def on_told_message_create(self, data: object) -> None:
        """Give a question to the core."""
        if message := Written.of(data):
            self.questions.notice(message)
            await self._learn(message)
            if self.questions.asks(message) or self.questions.follows_up(message):
                await self._ask(message)

    async def _learn(self, message: Written) -> None:
        """Learn the guild of a message that may be for the bot; who has resumed a session may not know it."""
        if not message.guild or self.me in message.senders or self.get_guild(message.guild) is not None:
            return
        inside = whole(message.raw.get("channel_type")) in THREADS
        if (
            inside
            or message.raw.get("mention_roles")
            or message.addresses(self.questions.names(message.guild))
        ):
            await self._guilds.learn(message.guild)

    async def _ask(self, message: Written) -> None:
        bot = self._people.admitted(message)
        if bot and not self._loops.admit(str(message.channel), bot, asyncio.get_running_loop().time()):
            if self.seldom.due(f"bot {bot}", asyncio.get_running_loop().time()):
                log.warning("a bot asks too often, and is not answered", bot=bot, channel=message.channel)
            return
        if self.inbox:
            mention = await self._placed(self.questions.mention(message))
            try:
                await self.inbox.mention(mention)
            except Unavailable as why:
                leave()
                log.info("a mention is left to the next start", why=str(why))

    async def _placed(self, mention: Mention) -> Mention:
        """Return *mention* with all that is to be known of its place; raises as `Places.find`."""
        where = mention.place
        found = await self._places.find(snowflake(where.channel), snowflake(where.workspace))
        return replace(mention, place=found)

    async def missed(self, recent: Sequence[Asked], since: float) -> Sequence[Mention]:
        """See `Platform.missed`."""
        return [await self._placed(each) for each in await self.questions.missed(recent, since)]

    async def on_told_message_update(self, data: object) -> None:
        """Take an edit: of a question that is being answered, or one that addresses the bot only now.

        An event without `edited_timestamp` is a link that unfolds; one without an author is about a part.
        """
        message = Written.of(data)
        if not (self.inbox and message and message.edited) or self.me in {message.author, *message.senders}:
            return
        key = f"discord/{message.channel}/{message.id}"
        if not (known := self.inbox.knows(key)) and message.guild and age(message.id) < RECENT:
            await self._learn(message)
            if self.questions.asks(message):
                await self._ask(message)  # the core takes no message twice
        if known or (age(message.id) < EARLY and self.questions.asks(message)):
            who, where = self._people.author(message), await self._places.find(message.channel, message.guild)
            await self.inbox.edited(Edited(key, self.questions.says(message), who, where))

    async def on_told_message_delete(self, data: object) -> None:
        """Tell the core of a message that is gone."""
        await self._gone(data, [inner(data).get("id")])

    async def on_told_message_delete_bulk(self, data: object) -> None:
        """Tell the core of many messages that are gone."""
        ids = inner(data).get("ids")
        await self._gone(data, ids[:BULK] if isinstance(ids, list) else [])

    async def _gone(self, data: object, ids: Sequence[object]) -> None:
        channel = snowflake(inner(data).get("channel_id"))
        for id_ in map(snowflake, ids):
            if self.inbox and channel and id_:
                await self.inbox.deleted(Deleted(f"discord/{channel}/{id_}"))

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """Tell the core that a thread of ours is gone: it has the id of the question it was opened from."""
        if self.inbox and payload.thread and payload.thread.owner_id == self.me:
            await self.inbox.deleted(Deleted(f"discord/{payload.parent_id}/{payload.thread_id}"))

    async def on_told_message_reaction_add(self, data: object) -> None:
        """Give a stop emoji to the core, or one that means something else; unless the bot itself has reacted.

        Discord tells who it was, so nobody is looked up.  A stop may be heard before the core knows the
        message, but not of an old one: most reactions are about messages that are none of ours.
        """
        told = inner(data)
        channel, message, user = (
            snowflake(told.get(f"{each}_id")) for each in ("channel", "message", "user")
        )
        if not (self.inbox and channel and message and user) or user == self.me:
            return
        key = f"discord/{channel}/{message}"
        if not self._means_stop(inner(told, "emoji")):
            await self._thumb(told, on=True)
        elif self.inbox.knows(key) or age(message) < EARLY:
            where = place_of(channel, snowflake(told.get("guild_id")), self.get_channel(channel))
            await self.inbox.stop(Stop(key, self._people.reacting(told), where))

    async def on_told_message_reaction_remove(self, data: object) -> None:
        """Give a rating that is taken back to the core; a stop can't be."""
        if not self._means_stop(inner(inner(data), "emoji")):
            await self._thumb(inner(data), on=False)

    async def _thumb(self, told: Json, *, on: bool) -> None:
        if self.inbox:
            await self._thumbs.take(self.inbox, self.me, told, asyncio.get_running_loop().time(), on=on)

    def _means_stop(self, emoji: Json) -> bool:
        return plain(emoji) in self._stop_emoji

    async def standing(self, key: str, where: Place) -> list[Stop]:
        """Return the stops that stand on the message *key*; see `Platform.standing`."""
        found = await reacting(self.http, key, self._means_stop, self.me)
        return [Stop(key, self._actor(who, where), where) for _, who in found]

    async def thumbs(self, key: str, where: Place) -> list[Rating]:
        """Return the thumbs that stand on the message *key*; see `Platform.thumbs`."""
        found = await reacting(self.http, key, lambda emoji: plain(emoji) in THUMBS, self.me)
        return [
            Rating(key, self._actor(who, where), where, good=THUMBS[plain(emoji)], on=True)
            for emoji, who in found
        ]

    def holding(self, role: str) -> list[int] | None:
        """Return the people who are known to have *role*, heard of last first; None if it is no role."""
        id_ = snowflake(role)
        found = self._people.holding(id_)
        return found if found or any(guild.get_role(id_) for guild in self.guilds) else None

    def _actor(self, user: Json, where: Place) -> Actor:
        return self._people.told(user, {}, snowflake(where.workspace))

    async def on_told_interaction_create(self, data: object) -> None:
        """Do what a command, a menu, a form or a button says, and answer it."""
        if self.inbox:
            await self._interactions.take(self.inbox, data)


def age(message: int) -> float:
    """Return the seconds since *message* was written, which its id tells."""
    return time.time() - discord.utils.snowflake_time(message).timestamp()
