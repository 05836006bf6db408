"""What happens on Discord, told to the core: questions, stops, presses, edits and deletions."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta

import aiohttp
import discord
import structlog

from adapters.discord.incoming.people import People, place_of
from adapters.discord.incoming.questions import Questions
from adapters.discord.incoming.shards import Shards
from adapters.discord.outgoing.drawing import BUTTON
from adapters.discord.outgoing.threads import Threads
from adapters.discord.reading import says
from adapters.discord.wire.rest import Rest
from bot.platform import Deleted, Edited, Health, Inbox, Outcome, Press, Stop, Unavailable

log = structlog.get_logger(__name__)

#: What makes an emoji look another way, and nothing else: U+FE0F and the skin tones.
LOOKS = dict.fromkeys([0xFE0F, *range(0x1F3FB, 0x1F400)])
#: How old a message may be that calls the bot by an edit.
FRESH = timedelta(hours=1)
NOT_YOURS = "You may not stop this answer."


class Client(Shards):
    """Tells the core what happens on Discord.

    Args:
        intents: What to hear.
        rest: What surfaces write with.
        threads: What opens threads for them.
        stop_emoji: Reactions that mean stop.
        report: Told how the gateway is.
        trace: Sees discord.py's own calls.

    Attributes:
        inbox: Whom to tell.
        questions: Makes questions of messages.
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
        super().__init__(intents, report, trace)
        self.inbox: Inbox | None = None
        self.content_step = ""
        self._people = People()
        self.questions = Questions(self, rest, threads, self._people)
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

    async def on_message(self, message: discord.Message) -> None:
        """Give a question to the core: a mention, one of the bot's own role, or a direct message."""
        if self.inbox and self.questions.addresses(message):
            await self._ask(self.inbox, message)

    async def _ask(self, inbox: Inbox, message: discord.Message) -> None:
        try:
            await inbox.mention(self.questions.mention(message))
        except Unavailable as why:
            log.info("a mention is left to the next start", why=str(why))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Give a question's new text to the core, or one that calls the bot only now.

        An event without `edited_at` is a link that unfolds.
        """
        message = payload.message
        if not (self.inbox and message.author.id != self.me and message.edited_at):
            return
        key = f"discord/{payload.channel_id}/{payload.message_id}"
        if self.inbox.knows(key):
            who, where = self._people.actor(message.author), place_of(payload.channel_id, payload.guild_id)
            await self.inbox.edited(Edited(key, says(message, self.me), who, where))
        elif self.questions.addresses(message) and discord.utils.utcnow() - message.created_at < FRESH:
            await self._ask(self.inbox, message)  # the core takes no message twice

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Tell the core of a message that is gone."""
        if self.inbox:
            await self.inbox.deleted(Deleted(f"discord/{payload.channel_id}/{payload.message_id}"))

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Tell the core of many messages that are gone."""
        for id_ in payload.message_ids:
            if self.inbox:
                await self.inbox.deleted(Deleted(f"discord/{payload.channel_id}/{id_}"))

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """Tell the core that a thread of ours is gone: it has the id of the question it was opened from."""
        if self.inbox and payload.thread and payload.thread.owner_id == self.me:
            await self.inbox.deleted(Deleted(f"discord/{payload.parent_id}/{payload.thread_id}"))

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """Give a stop emoji to the core, unless the bot itself has reacted."""
        emoji = payload.emoji.name if payload.emoji.is_unicode_emoji() else ""
        means_stop = emoji.translate(LOOKS) in self._stop_emoji
        if self.inbox and means_stop and payload.user_id != self.me:
            people, member = self._people, payload.member
            who = people.actor(member) if member else people.stranger(payload.user_id)
            key = f"discord/{payload.channel_id}/{payload.message_id}"
            await self.inbox.stop(Stop(key, who, place_of(payload.channel_id, payload.guild_id)))

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Give a pressed button to the core; take it away once it has served, or if a crash left it."""
        name = str(dict(interaction.data or {}).get("custom_id", ""))
        if not (self.inbox and interaction.message and name.startswith(BUTTON)):
            return
        channel = interaction.message.channel.id
        key = f"discord/{channel}/{interaction.message.id}"
        where = place_of(channel, interaction.guild_id)
        press = Press(key, name.removeprefix(BUTTON), self._people.actor(interaction.user), where)
        outcome = await self.inbox.press(press)
        try:
            await _respond(interaction, outcome)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            log.info("a press was not acknowledged", outcome=outcome.name, error=repr(error))


async def _respond(interaction: discord.Interaction, outcome: Outcome) -> None:
    match outcome:
        case Outcome.STOPPED | Outcome.LATER:
            await interaction.response.defer()
        case Outcome.UNKNOWN | Outcome.TAKEN:
            await interaction.response.edit_message(view=None)
        case Outcome.REFUSED:
            await interaction.response.send_message(NOT_YOURS, ephemeral=True)
