"""Writing one answer to a Discord channel, and reading what was said there before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

import structlog

from adapters.discord.downloads import fetch
from adapters.discord.outgoing.direct import Direct
from adapters.discord.outgoing.drawing import CONTENT, DIALECT, NOTE, draw
from adapters.discord.outgoing.lastresort import MODERATED, NO_FILES, LastResort, Told, nonce
from adapters.discord.outgoing.notices import Notices
from adapters.discord.outgoing.threads import Fork, nowhere
from adapters.discord.wire.bars import Forbidden
from adapters.discord.wire.rest import GLOBAL, Json, Refused, Rest
from adapters.discord.wire.traffic import RATE, Urgency
from bot.events import File, Page
from bot.platform import Bucket, Gone, Limits, Op, Receipt, Remains, Said, SlowDown, Surface, Whereabouts

log = structlog.get_logger(__name__)

#: Bytes of a file: 10 MiB for everybody (reference.mdx, uploading files); boosted servers allow more.
ATTACH = 10 * 2**20
#: 5 calls per 5 s, channel and method; not documented, so the headers decide from the first answer on.
CHANNEL = (1.0, 5)
#: All calls of the process together.  `Traffic` counts them all; the core, which sees its writes alone, has
#: to count as it does, so that writes wait there: last edits first, and rendered late.
EVERYTHING = Bucket(GLOBAL, float(RATE), RATE, held=True)
#: JSON error codes that no other try would change: somebody else's message, no channel for text, a thread
#: that is archived or locked.
ARCHIVED, LOCKED = 50083, 160005
OVER = {50005, 50008, ARCHIVED, LOCKED}
#: Seconds after which a message that could not be changed is deleted: the core must know by then that it is
#: no page of the answer any more, or it takes the deletion for a reader's.
BESIDE = 2.0
#: Seconds before each new try to delete it.
DELETE_AGAIN = (1.0, 5.0, 20.0)
BLOCKED = "The server's AutoMod blocked the rest of this answer."
EYES = quote("👀")


#: Reads the history of the surface's conversation.
History = Callable[[int], Awaitable[Sequence[Said]]]


async def nothing(_limit: int) -> Sequence[Said]:
    """Return the history of a fresh question."""
    return ()


#: Reads the files of the surface's question.
Attached = Callable[[], Awaitable[Sequence[File]]]


async def no_files() -> Sequence[File]:
    """Return the files of a question that is at hand, and has its own."""
    return ()


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
        attached: Reads what came with the question.
        me: The bot's own id, to find again what it may have posted; "" where that is not known.

    Attributes:
        nearby: Reads the channel that people take the conversation to be in.
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
        attached: Attached = no_files,
    ) -> None:
        self._rest = rest
        self._channel = channel
        self._question = question
        self._replied = question
        self._posted = posted
        self._history = history
        self._attached = attached
        self._fork = fork
        self._asker = asker
        self._notices = notices or Notices(Direct(rest))
        self._shown: dict[str, str] = {}
        self._doubtful: set[str] = set()
        self._me = me
        self._known: set[int] = set()  # what this and `aside` have posted
        self._under: dict[str, int | None] = {}
        self._instead: dict[str, str] = {}
        self._lagging: list[asyncio.Task[bool]] = []
        self._fileless = NO_FILES  # why, where `limits` let nothing be attached
        self._resort = LastResort(self._send)
        self.named = Whereabouts()
        self.address = str(channel)
        self.nearby: History = nothing

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
        path = f"channels/{self._channel}/messages"
        try:
            (answer, states), unattached = await self._put("POST", path, page, more)
        except OSError:
            self._doubtful.add(nonce)
            raise
        except Refused:
            (answer, states), unattached = await self._said(path, more), ""
        made = int(answer["id"])
        if again:
            return await self._adopt(made, page)
        self._shown[str(made)] = page.text
        return Receipt(self._keep(made), states, unattached)

    async def _said(self, path: str, more: Json) -> Told:
        """Say that Discord takes a page in no form, where it was to be posted; or tell the asker."""
        try:
            return await self._resort.say(path, more)
        except Gone:
            await self._notices.refused(self._asker, self._channel)
            raise

    async def _adopt(self, message: int, page: Page) -> Receipt:
        """Let *message*, which an earlier try has made, show *page*; until it does, another try finds it."""
        receipt = await self.edit(f"discord/{self._channel}/{message}", page)
        self._keep(int(receipt.message.split("/")[-1]))
        return receipt

    def aside(self) -> DiscordSurface:
        """See `Surface.aside`: neither takes messages of the other for its own, though both reply alike."""
        where = self._rest, self._channel, self._question, self._history, self._posted
        beside = DiscordSurface(*where, asker=self._asker, notices=self._notices, me=self._me)
        beside._known = self._known
        return beside

    def resume(self, remains: Remains, me: str) -> None:
        """Go on where an earlier run of the user *me* ended: posts with its nonces may have got through."""
        self._me = me
        self._doubtful.update(remains.nonces)
        for message in remains.messages:
            self._keep(int(message.split("/")[-1]))

    def _keep(self, message: int) -> str:
        """Let the next page reply to *message*; return its key."""
        self._known.add(message)
        self._under[str(message)] = self._replied
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
        try:
            answer, _ = await self._rest.call(
                "GET", path, f"discord/GET/{self._channel}", urgency=Urgency.POST
            )
        except Gone:
            return None  # without the right to look, the nonce is all there is
        for message in sorted(answer["items"], key=lambda each: int(each["id"])):
            if int(message["id"]) in self._known:
                continue
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
        message = self._instead.get(message, message)
        _, channel, id_ = message.split("/")
        if page.live and self._rest.breaker.open(channel, asyncio.get_running_loop().time()):
            return Receipt(message)
        try:
            path = f"channels/{channel}/messages/{id_}"
            (_, states), unattached = await self._put("PATCH", path, page, {}, id_)
        except Refused as refused:
            log.warning("Discord takes a change in no form", message=message, error=str(refused))
            if page.live:  # the last edit, which always comes, brings all of it
                return Receipt(message)
            return await self._beside(message, page)
        self._shown[id_] = page.text
        return Receipt(message, states, unattached)

    async def _beside(self, message: str, page: Page) -> Receipt:
        """Show *page*, which is final, in place of *message*, which takes no change; else end that."""
        _, channel, id_ = message.split("/")
        more: Json = {"nonce": nonce(message), "enforce_nonce": True}
        if under := self._under.get(id_):
            more["message_reference"] = {"message_id": str(under), "fail_if_not_exists": False}
        try:
            (answer, states), unattached = await self._put("POST", f"channels/{channel}/messages", page, more)
        except Refused:
            await self._resort.end(f"channels/{channel}/messages/{id_}")
            return Receipt(message)
        if self._replied == int(id_):
            self._keep(int(answer["id"]))
        self._instead[message] = made = f"discord/{channel}/{answer['id']}"
        self._lagging.append(asyncio.get_running_loop().create_task(self._delete(channel, id_, BESIDE)))
        return Receipt(made, states, unattached)

    async def remove(self, message: str) -> None:
        """See `Surface.remove`."""
        _, channel, id_ = message.split("/")
        self._lagging.append(asyncio.get_running_loop().create_task(self._delete(channel, id_)))

    async def _delete(self, channel: str, message: str, after: float = 0.0) -> bool:
        """Delete a message of an answer, *after* seconds from now; tell whether nothing is left to do."""
        await asyncio.sleep(after)
        for delay in (*DELETE_AGAIN, 0.0):
            try:
                path = f"channels/{channel}/messages/{message}"
                await self._rest.call("DELETE", path, f"discord/DELETE/{channel}")
            except SlowDown as slow:
                await asyncio.sleep(max(delay, slow.retry_after))
            except OSError:
                await asyncio.sleep(delay)
            except (Gone, Refused) as error:
                log.info("a message of ours was not deleted", message=message, error=str(error))
                return True
            else:
                return True
        log.warning("a message of ours stays that was to be deleted", message=message)
        return False

    async def settle(self) -> None:
        """See `Surface.settle`: a message that was replaced is still to be deleted."""
        if not all(await asyncio.gather(*self._lagging)):
            raise ConnectionError("a message that was replaced is not deleted yet")

    async def _put(
        self, method: str, path: str, page: Page, more: Json, message: str = ""
    ) -> tuple[Told, str]:
        """Send *page*; where Discord does not take it, what of it can stand: without files, and why.

        Raises:
            Refused: When that is nothing.
        """
        barred = self._fileless if page.files and not self.limits.attach else ""
        try:
            told, unattached = await self._resort.put(
                method, path, replace(page, files=()) if barred else page, more
            )
        except Forbidden as forbidden:
            await self._notices.barred(self._asker, self._channel, forbidden)
            raise
        except Refused as refused:
            if refused.code == MODERATED:
                await self._moderated(method, path, more, message)
                raise Gone("the server's AutoMod blocked the answer") from refused
            raise
        if unattached:
            log.warning("Discord takes no files here", channel=self._channel, reason=unattached)
            self._fileless, self.limits = unattached, replace(self.limits, attach=0)
        return told, barred or unattached

    async def _send(self, method: str, path: str, page: Page, more: Json) -> Told:
        bucket = f"discord/{method}/{self._channel}"
        urgency = Urgency.FINAL if not page.live else Urgency.POST if method == "POST" else Urgency.EDIT
        for tries in (0, 1):
            try:
                return await self._rest.call(
                    method, path, bucket, {**draw(page), **more}, page.files, urgency
                )
            except Refused as refused:
                if refused.code == ARCHIVED and not tries and await self._unarchived(path.split("/")[1]):
                    continue
                if refused.code == LOCKED:
                    await self._notices.locked(self._asker, self._channel)
                if refused.code in OVER:
                    raise Gone(str(refused)) from refused
                raise
        raise AssertionError  # the second try returns or raises

    async def _unarchived(self, thread: str) -> bool:
        """Open an archived thread again, as whoever is in it may (topics/threads.mdx); tell if it is open."""
        try:
            await self._rest.call(
                "PATCH", f"channels/{thread}", f"discord/threads/{thread}", {"archived": False}
            )
        except (Gone, Refused) as error:
            log.info("an archived thread was not opened", thread=thread, error=str(error))
            return False
        return True

    async def _moderated(self, method: str, path: str, more: Json, message: str) -> None:
        """Say in the answer, or else to the asker, that a rule of the server blocked it."""
        for text in dict.fromkeys([self._shown.get(message, ""), ""]):
            with suppress(Gone, OSError, Refused):
                await self._send(method, path, Page(text, BLOCKED, live=False), more)
                return
        await self._notices.moderated(self._asker, self._channel)
        if message:  # else it would look for ever as if more were to come
            await self._delete(path.split("/")[1], message)

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
        surface.limits, surface.named = self.limits, self.named
        surface.nearby, surface.within = self.nearby, self.within
        return surface

    async def whereabouts(self) -> Whereabouts:
        """See `Surface.whereabouts`: as the gateway has told it before the question."""
        return self.named

    async def history(self, limit: int) -> Sequence[Said]:
        """See `Surface.history`: a thread, a direct message, or the chain of replies."""
        return await self._history(limit)

    async def recent(self, limit: int) -> Sequence[Said]:
        """See `Surface.recent`."""
        return await self.nearby(limit)

    async def attached(self) -> Sequence[File]:
        """See `Surface.attached`."""
        return await self._attached()

    async def fetch(self, file: File, most: int) -> bytes:
        """See `Surface.fetch`."""
        return await fetch(self._rest, file, most)
