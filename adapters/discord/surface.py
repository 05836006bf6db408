"""Writing one answer to a Discord channel, and reading what was said there before."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

import structlog

from adapters.discord.dialect import DiscordDialect
from adapters.discord.outgoing.notices import Notices
from adapters.discord.outgoing.threads import Fork, nowhere
from adapters.discord.wire.bars import MISSING_PERMISSIONS, Forbidden
from adapters.discord.wire.rest import GLOBAL, Json, Refused, Rest
from adapters.discord.wire.traffic import RATE, Urgency
from bot.events import Page, Turn
from bot.platform import Bucket, BucketState, Gone, Limits, Op, Receipt, Remains, SlowDown, Surface
from bot.text.safe import JOINER

log = structlog.get_logger(__name__)

#: 2,000 code points, create and edit, less the room for a note.
CONTENT = 2000
#: Bytes of a file: 10 MiB for everybody (reference.mdx, uploading files); boosted servers allow more.
ATTACH = 10 * 2**20
NOTE = 150
#: 5 calls per 5 s, channel and method; not documented, so the headers decide from the first answer on.
CHANNEL = (1.0, 5)
#: All calls of the process together.  `Traffic` counts them all; the core, which sees its writes alone, has
#: to count as it does, so that writes wait there: last edits first, and rendered late.
EVERYTHING = Bucket(GLOBAL, float(RATE), RATE, held=True)
#: JSON error codes: the body is wrong, here for a text that is too long; AutoMod blocked a message.
INVALID_FORM, MODERATED = 50035, 200000
#: Those that no other try would change: somebody else's message, no channel for text, a thread that is
#: archived or locked.
OVER = {50005, 50008, 50083, 160005}
#: Code points that fit in a message however Discord counts them.
PIECE = CONTENT // 2
BLOCKED = "The server's AutoMod blocked the rest of this answer."
NO_FILES = "I lack the right Attach Files here, so what was to be attached is missing."
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
        # A message of blank space only is empty to Discord, which refuses it (50006).
        "content": content if (content := "\n".join(filter(None, parts))).strip() else "…",
        "components": [{"type": 1, "components": buttons}] if buttons else [],
        "allowed_mentions": {"parse": [], "replied_user": False},
        "flags": SUPPRESS_EMBEDS,
    }


def _small(note: str) -> str:
    """Return *note* on one line that has room; what is escaped takes up to three times its length."""
    drawn = DIALECT.line(note)
    return drawn if len(drawn) <= NOTE - len(f"\n{SUBTEXT}") else DIALECT.line(note[: NOTE // 4])


def _bare(page: Page) -> Page:
    """Return *page* without its files, saying so."""
    note = f"{page.note} {NO_FILES}".strip()
    room = NOTE - len(f"\n{SUBTEXT}")
    return replace(page, files=(), note=note if len(DIALECT.line(note)) <= room else NO_FILES)


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
        asker: The id of who asked, to be told where no answer can stand; 0 for nobody.
        notices: Tells them.
        me: The bot's own id, to find again what it may have posted; "" where that is not known.
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
        asker: int = 0,
        notices: Notices | None = None,
        me: str = "",
    ) -> None:
        self._rest = rest
        self._channel = channel
        self._question = question
        self._replied = question
        self._posted = posted
        self._history = history
        self._fork = fork
        self._asker = asker
        self._notices = notices or Notices(rest)
        self._shown: dict[str, str] = {}
        self._doubtful: set[str] = set()
        self._me = me
        self.address = str(channel)

    def buckets(self, op: Op) -> Sequence[Bucket]:
        """See `Surface.buckets`: POST and PATCH are counted apart, whatever their bucket hash says."""
        method = "POST" if op is Op.POST else "PATCH"
        return [Bucket(f"discord/{method}/{self._channel}", *CHANNEL, told=True), EVERYTHING]

    async def post(self, page: Page, nonce: str) -> Receipt:
        """See `Surface.post`; Discord returns the first message for a repeated nonce, as it was.

        It does so for a few minutes; a post that may have got through is looked for before the next try.
        """
        more: Json = {"nonce": nonce, "enforce_nonce": True}
        if self._replied:
            more["message_reference"] = {"message_id": str(self._replied), "fail_if_not_exists": False}
        again = nonce in self._doubtful
        if again and self._me and (found := await self._earlier()):
            return await self._adopt(found, page)
        try:
            answer, states = await self._put("POST", f"channels/{self._channel}/messages", page, more)
        except OSError:
            self._doubtful.add(nonce)
            raise
        made = int(answer["id"])
        if again:
            return await self._adopt(made, page)
        self._shown[str(made)] = page.text
        return Receipt(self._keep(made), states)

    async def _adopt(self, message: int, page: Page) -> Receipt:
        """Let *message*, which an earlier try has made, show *page*; until it does, another try finds it."""
        receipt = await self.edit(f"discord/{self._channel}/{message}", page)
        self._keep(message)
        return receipt

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
        """Return the message of an earlier try that follows the last known one, if there is one.

        Discord remembers a nonce for a few minutes only, and tells it to nobody; but a page replies to the
        one before, and a thread that was opened for an answer begins with it.
        """
        after = self._replied or self._channel
        path = f"channels/{self._channel}/messages?after={after}&limit=100"
        bucket = f"discord/POST/{self._channel}"  # it is the post that waits for a 429's end
        try:
            answer, _ = await self._rest.call("GET", path, bucket, urgency=Urgency.POST)
        except Gone:
            return None  # without the right to look, the nonce is all there is
        for message in sorted(answer["items"], key=lambda each: int(each["id"])):
            reference = (message.get("message_reference") or {}).get("message_id")
            if message["author"]["id"] == self._me and reference == (
                str(self._replied) if self._replied else None
            ):
                return int(message["id"])
        return None

    async def edit(self, message: str, page: Page) -> Receipt:
        """See `Surface.edit`; without files the call does not speak of any, so those that are there stay.

        While Discord is not well, what is only progress is left out as if it had been shown: the last edit of
        the message, which always comes, brings all of it.
        """
        _, channel, id_ = message.split("/")
        if page.live and self._rest.breaker.open(channel, asyncio.get_running_loop().time()):
            return Receipt(message)
        _, states = await self._put("PATCH", f"channels/{channel}/messages/{id_}", page, {}, id_)
        self._shown[id_] = page.text
        return Receipt(message, states)

    async def _put(
        self, method: str, path: str, page: Page, more: Json, message: str = ""
    ) -> tuple[Json, tuple[BucketState, ...]]:
        """Send *page*; where Discord does not take it, what of it can stand."""
        if page.files and not self.limits.attach:
            page = _bare(page)
        try:
            return await self._send(method, path, page, more)
        except Forbidden as forbidden:
            if page.files and forbidden.code == MISSING_PERMISSIONS:
                log.warning("no files may be attached here", channel=self._channel)
                self.limits = replace(self.limits, attach=0)
                return await self._put(method, path, page, more, message)
            await self._notices.barred(self._asker, self._channel, forbidden)
            raise
        except Refused as refused:
            if refused.code == MODERATED:
                await self._moderated(method, path, more, message)
                raise Gone("the server's AutoMod blocked the answer") from refused
            if refused.code == INVALID_FORM and "content" in refused.fields and len(page.text) > PIECE:
                log.warning("a page is too long for Discord; sending it in pieces", length=len(page.text))
                return await self._in_pieces(method, path, page, more)
            if refused.code in OVER:
                raise Gone(str(refused)) from refused
            raise

    async def _send(
        self, method: str, path: str, page: Page, more: Json
    ) -> tuple[Json, tuple[BucketState, ...]]:
        bucket = f"discord/{method}/{self._channel}"
        urgency = Urgency.FINAL if not page.live else Urgency.POST if method == "POST" else Urgency.EDIT
        return await self._rest.call(method, path, bucket, {**draw(page), **more}, page.files, urgency)

    async def _in_pieces(
        self, method: str, path: str, page: Page, more: Json
    ) -> tuple[Json, tuple[BucketState, ...]]:
        """Show what fits of a page that is too long after all, and once it is final the rest below it."""
        pieces = [page.text[at : at + PIECE] for at in range(0, len(page.text), PIECE)]
        told = await self._send(method, path, replace(page, text=pieces[0]), more)
        for number, piece in enumerate(pieces[1:] if not page.live else ()):
            digest = hashlib.sha256(f"{path}{number}{piece}".encode()).hexdigest()
            # The same nonce for the same piece: the page may be sent again.
            once = {"nonce": digest[:25], "enforce_nonce": True}
            rest = Page(piece, live=False)
            await self._send("POST", f"channels/{self._channel}/messages", rest, once)
        return told

    async def _moderated(self, method: str, path: str, more: Json, message: str) -> None:
        """Say in the answer, or else to the asker, that a rule of the server blocked it."""
        for text in dict.fromkeys([self._shown.get(message, ""), ""]):
            with suppress(SlowDown, Gone, OSError, Refused):
                await self._send(method, path, Page(text, BLOCKED, live=False), more)
                return
        await self._notices.moderated(self._asker, self._channel)
        if message:  # else it would look for ever as if more were to come
            with suppress(SlowDown, Gone, OSError, Refused):
                await self._rest.call("DELETE", path, f"discord/DELETE/{self._channel}")

    async def status(self, on: bool) -> None:
        """See `Surface.status`: a pair of eyes on the question, which a thread does not have in it."""
        if not self._question:
            return
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
        surface = DiscordSurface(
            self._rest,
            thread,
            None,
            self._history,
            self._posted,
            asker=self._asker,
            notices=self._notices,
            me=self._me,
        )
        surface.limits = self.limits
        return surface

    async def history(self, limit: int) -> Sequence[Turn]:
        """See `Surface.history`: a thread, a direct message, or the chain of replies."""
        return await self._history(limit)
