"""A message that somebody wrote, as far as the bot has to know it, from Discord's JSON.  Pure.

discord.py makes objects of messages too, but refuses a whole message for a part of it that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.discord.incoming.fields import Json, entries, inner, snowflake, string, whole
from adapters.discord.incoming.markup import TOKEN, Names, calls, calls_others, holds
from adapters.discord.incoming.reading import FORWARD, PIECE, files, name_of, says
from adapters.discord.outgoing.asked import question_in
from bot.text.words import wordy

#: Types of messages (resources/message.mdx): what people write; then also answers to commands, and results of
#: polls.  All others are Discord's own, such as "a thread was started".
REPLY = 19
ASKED = {0, REPLY}
SPOKEN = {*ASKED, 20, 23, 46}


@dataclass(frozen=True, slots=True)
class Written:
    """One message.

    Attributes:
        id: The message's.
        channel: Where it stands.
        guild: In which guild; 0 in direct messages, and where that is not told.
        kind: Its type.
        author: Who wrote it; a webhook's id if it was one.
        name: What they are called.
        bot: Whether that is a bot or a webhook.
        senders: All ids of a bot that wrote it: its user's, its webhook's, its application's.
        replied: The message that it replies to; 0 for none.
        replied_author: Who wrote that; 0 where that is not told.
        edited: Whether its author has changed it.
        raw: All of it.
    """

    id: int
    channel: int
    guild: int
    kind: int
    author: int
    name: str
    bot: bool
    senders: frozenset[int]
    replied: int
    replied_author: int
    edited: bool
    raw: Json = field(repr=False)

    @classmethod
    def of(cls, raw: object, guild: int = 0) -> Written | None:
        """Return the message that *raw* is; None if it lacks an id, a channel, or an author.

        Args:
            raw: As the gateway or REST tells it.
            guild: Where it stands, since REST does not say.
        """
        message = inner(raw)
        author = inner(message, "author")
        ids = [snowflake(each) for each in (message.get("id"), message.get("channel_id"), author.get("id"))]
        if not all(ids):
            return None
        hook, application = snowflake(message.get("webhook_id")), snowflake(message.get("application_id"))
        bot = author.get("bot") is True or hook > 0
        kind = whole(message.get("type"))
        reference = inner(message, "message_reference")
        replies = kind == REPLY and reference.get("type") != FORWARD
        return cls(
            id=ids[0],
            channel=ids[1],
            guild=snowflake(message.get("guild_id")) or guild,
            kind=kind,
            author=ids[2],
            name=name_of(author, inner(message, "member")),
            bot=bot,
            senders=frozenset({ids[2], hook, application} - {0}) if bot else frozenset(),
            replied=snowflake(reference.get("message_id")) if replies else 0,
            replied_author=snowflake(inner(message, "referenced_message", "author").get("id"))
            if replies
            else 0,
            edited=bool(string(message.get("edited_timestamp"))),
            raw=message,
        )

    def says(self, names: Names) -> str:
        """Return all that people see of it; see `reading.says`."""
        return says(self.raw, names)

    def restored(self, me: int) -> Written:
        """Return it as its asker's, if it is one by which the bot (the user *me*) shows a question."""
        asker = inner(self.raw, "interaction_metadata", "user")
        question = question_in(string(self.raw.get("content"))) if asker and self.author == me else ""
        if not question:
            return self
        told = {**self.raw, "author": asker, "content": question, "interaction_metadata": None}
        return Written.of(told, self.guild) or self

    @property
    def forwards(self) -> bool:
        """Whether it is a forward."""
        return bool(entries(self.raw.get("message_snapshots")))

    def addresses(self, names: Names) -> bool:
        """Tell whether it is for the bot: it mentions it, or replies to it with a word, or is direct.

        A mention inside code or a quote is none.  One that stands nowhere in the text is the ping of a reply,
        or of a forward.  Without the message content intent Discord hides what a reply without a ping says.
        """
        if not self.guild:
            return True
        content = string(self.raw.get("content"))[:PIECE]
        if calls(content, names):
            return True
        if self.bot:  # another bot's replies to the bot would never end
            return False
        pinged = any(snowflake(each.get("id")) == names.me for each in entries(self.raw.get("mentions")))
        if pinged and not holds(content, names):
            return True
        return self.replied_author == names.me and bool(self.says(names) or files(self.raw))

    def calls_nobody(self, names: Names) -> bool:
        """Tell whether it has words or a file of its own, and calls and answers nobody but the bot."""
        content = string(self.raw.get("content"))[:PIECE]
        answers = self.kind == REPLY and self.replied_author != names.me
        says = wordy(TOKEN.sub(" ", content)) or bool(entries(self.raw.get("attachments")))
        return says and not answers and not calls_others(content, names)
