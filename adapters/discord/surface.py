"""Writing one answer to a Discord channel, and reading what was said there before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import quote

import structlog

from adapters.discord.dialect import DiscordDialect
from adapters.discord.rest import GLOBAL, Json, Rest
from adapters.discord.threads import Fork, nowhere
from bot.events import Page, Turn
from bot.platform import Bucket, Gone, Limits, Op, Receipt, Remains, SlowDown, Surface
from bot.text.safe import JOINER

log = structlog.get_logger(__name__)

#: 2,000 code points, create and edit, less the room for a note.
CONTENT = 2000
#: Bytes of a file: 10 MiB for everybody (reference.mdx, uploading files); boosted servers allow more.
ATTACH = 10 * 2**20
NOTE = 150
#: 5 calls per 5 s, channel and method; not documented, so the headers decide from the first answer on.
CHANNEL = (1.0, 5)
#: 50 a second for the bot; the other 5 are for discord.py's own calls.
EVERYTHING = Bucket(GLOBAL, 45.0, 45)
#: Message flag: no previews of links.
SUPPRESS_EMBEDS = 1 << 2
#: What our buttons' custom ids begin with.
BUTTON = "rivulet:"
#: A note is subtext below the text.
SUBTEXT = "-# "
EYES = quote("👀")
DIALECT = DiscordDialect()


#: Reads the history of the surface's conversation.
History = Callable[[int], Awaitable[Sequence[Turn]]]


async def nothing(_limit: int) -> Sequence[Turn]:
    """Return the history of a fresh question."""
    return ()


def draw(page: Page) -> Json:
    """Return *page* as the part of a message that posts and edits share; it pings nobody."""
    parts = [page.text, SUBTEXT + _small(page.note) if page.note else ""]
    buttons = [
        {"type": 2, "style": 2, "label": control.label, "custom_id": BUTTON + control.name}
        for control in page.controls
    ]
    return {
        "content": "\n".join(filter(None, parts)) or "…",
        "components": [{"type": 1, "components": buttons}] if buttons else [],
        "allowed_mentions": {"parse": [], "replied_user": False},
        "flags": SUPPRESS_EMBEDS,
    }


def _small(note: str) -> str:
    """Return *note* on one line that has room; what is escaped takes up to three times its length."""
    drawn = DIALECT.line(note)
    return drawn if len(drawn) <= NOTE - len(f"\n{SUBTEXT}") else DIALECT.line(note[: NOTE // 4])


def said(content: str) -> str:
    """Return what a message of ours says, without its note."""
    lines = content.replace(JOINER, "").split("\n")
    while lines and lines[-1].startswith(SUBTEXT):
        lines.pop()
    return "\n".join(lines).removesuffix("…" if lines == ["…"] else "")


class DiscordSurface(Surface):
    """A channel, a thread or a direct message.

    Args:
        rest: The client.
        channel: Where.
        question: The question's id; the first page replies to it, every other page to the one before.  None
            for a thread that was opened from the question, which stands in another channel.
        history: Reads the conversation.
        posted: Told the id of every message posted.
        fork: Opens a thread for the answer.
    """

    limits = Limits(CONTENT - NOTE, len, DIALECT, ATTACH)

    def __init__(
        self,
        rest: Rest,
        channel: int,
        question: int | None,
        history: History = nothing,
        posted: Callable[[int], object] | None = None,
        fork: Fork = nowhere,
    ) -> None:
        self._rest = rest
        self._channel = channel
        self._question = question
        self._replied = question
        self._posted = posted
        self._history = history
        self._fork = fork
        self._doubtful: set[str] = set()
        self._me = ""
        self.address = str(channel)

    def buckets(self, op: Op) -> Sequence[Bucket]:
        """See `Surface.buckets`: POST and PATCH are counted apart, whatever their bucket hash says."""
        method = "POST" if op is Op.POST else "PATCH"
        return [Bucket(f"discord/{method}/{self._channel}", *CHANNEL, told=True), EVERYTHING]

    async def post(self, page: Page, nonce: str) -> Receipt:
        """See `Surface.post`; Discord returns the first message for a repeated nonce, as it was."""
        body = {**draw(page), "nonce": nonce, "enforce_nonce": True}
        if self._replied:
            body["message_reference"] = {"message_id": str(self._replied), "fail_if_not_exists": False}
        bucket = self.buckets(Op.POST)[0].key
        again = nonce in self._doubtful
        if again and self._me and (found := await self._earlier()):
            return await self.edit(self._keep(found), page)
        try:
            path = f"channels/{self._channel}/messages"
            answer, states = await self._rest.call("POST", path, bucket, body, page.files)
        except OSError:
            self._doubtful.add(nonce)
            raise
        receipt = Receipt(self._keep(int(answer["id"])), states)
        return await self.edit(receipt.message, page) if again else receipt

    def resume(self, remains: Remains, me: str) -> None:
        """Go on where an earlier run of the user *me* ended: posts with its nonces may have got through."""
        self._me = me
        self._doubtful.update(remains.nonces)
        for message in remains.messages:
            self._keep(int(message.split("/")[-1]))

    def _keep(self, message: int) -> str:
        """Let the next page reply to *message*; return its key."""
        self._replied = message
        if self._posted:
            self._posted(message)
        return f"discord/{self._channel}/{message}"

    async def _earlier(self) -> int | None:
        """Return the message of an earlier run that follows the last known one, if there is one.

        Discord remembers a nonce for a few minutes only, and tells it to nobody; but a page replies to the
        one before, and a thread that was opened for an answer begins with it.
        """
        after = self._replied or self._channel
        path = f"channels/{self._channel}/messages?after={after}&limit=100"
        answer, _ = await self._rest.call("GET", path, f"discord/history/{self._channel}")
        for message in sorted(answer["items"], key=lambda each: int(each["id"])):
            reference = (message.get("message_reference") or {}).get("message_id")
            if message["author"]["id"] == self._me and reference == (
                str(self._replied) if self._replied else None
            ):
                return int(message["id"])
        return None

    async def edit(self, message: str, page: Page) -> Receipt:
        """See `Surface.edit`; without files the call does not speak of any, so those that are there stay."""
        _, channel, id_ = message.split("/")
        bucket, path = self.buckets(Op.EDIT)[0].key, f"channels/{channel}/messages/{id_}"
        _, states = await self._rest.call("PATCH", path, bucket, draw(page), page.files)
        return Receipt(message, states)

    async def status(self, on: bool) -> None:
        """See `Surface.status`: a pair of eyes on the question."""
        path = f"channels/{self._channel}/messages/{self._question}/reactions/{EYES}/@me"
        try:
            await self._rest.call("PUT" if on else "DELETE", path, f"discord/reactions/{self._channel}")
        except (SlowDown, Gone, OSError, RuntimeError) as error:
            log.info("no status shown", error=str(error))

    async def branch(self, crowded: bool) -> Surface:
        """See `Surface.branch`: a thread opened from the question, where there can be one."""
        thread = await self._fork(crowded)
        if thread is None:
            return self
        surface = DiscordSurface(self._rest, thread, None, self._history, self._posted)
        surface.limits = self.limits
        return surface

    async def history(self, limit: int) -> Sequence[Turn]:
        """See `Surface.history`: a thread, a direct message, or the chain of replies."""
        return await self._history(limit)
