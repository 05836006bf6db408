"""Writing one answer to a Slack thread, and reading what was said there before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.downloads import fetch
from adapters.slack.history import History
from adapters.slack.outgoing.lastresort import LastResort
from adapters.slack.outgoing.looks import Look, drawn
from adapters.slack.outgoing.sessions import Sessions
from adapters.slack.outgoing.uploads import Uploads
from adapters.slack.people import Channel, People
from adapters.slack.text import DIALECT, Json, marked, nonce_of
from adapters.slack.wire.errands import Errands
from adapters.slack.wire.errors import CLOSED, FIXED, LOOKING, Unfit, translated
from bot.events import File, Page
from bot.platform import Bucket, Gone, Limits, Op, Receipt, Remains, Said, SlowDown, Surface, Whereabouts

log = structlog.get_logger(__name__)

#: Slack Tier 3: 50+ calls a minute per method and workspace; all 50 used, no two previews within a second
#: ("design your apps with a limit of 1 request per second").
UPDATES = (50 / 60, 50, 1.0)
#: "One message per second per channel", with short bursts.
POSTS = (0.8, 8)
#: Seconds before each new try to delete a message that another has replaced.
DELETE_AGAIN = (1.0, 5.0, 20.0, 60.0, 120.0)
#: Seconds after which a page that could not be changed is deleted: the core must know by then that it is no
#: page of the answer any more, or it takes the deletion for a reader's.
BESIDE = 2.0
#: All markdown blocks of a message together hold 12,000 characters.
PAGE = 11_000
#: A message has 50 blocks; Slack makes one of each heading, rule and table in a markdown block, and one of
#: what is between (measured by slack-markdown-parser, June 2026).  The note and the buttons are two more.
ITEMS = 47
#: A table block holds 100 rows and 10,000 characters in its cells; escapes take some of them.
ROWS, CELLS = 100, 9_000
#: Why a page whose files Slack does not take has none.
NO_FILES = "Slack refused a file."

#: Hears why nothing can be written in a channel.
Shut = Callable[[str], None]


class SlackSurface(Surface):
    """A thread in a Slack channel or direct message.

    Args:
        web: The client, without retries of its own.
        team: The workspace.
        channel: Where.
        thread: The `ts` of the thread's first message.
        question: The `ts` of the question.
        people: Finds people and names, for the history.
        me: The bot's user.
        errands: Does what may lag behind.
        sessions: Says what the thread's session does; None leaves the session as it is.
        shut: Tells the asker that nothing can be written here, in Slack's word for why.
    """

    limits = Limits(PAGE, len, DIALECT, items=ITEMS, rows=ROWS, cells=CELLS)

    def __init__(
        self,
        web: AsyncWebClient,
        team: str,
        channel: str,
        thread: str,
        question: str,
        people: People,
        me: str,
        errands: Errands,
        sessions: Sessions | None,
        shut: Shut = lambda _why: None,
    ) -> None:
        self._where = (web, team, channel, thread, question, people, me, errands)
        self._web = web
        self._team = team
        self._channel = channel
        self._thread = thread
        self._question = question
        self._me = me
        self._people = people
        self._history = History(web, channel, thread, question, people, me)
        self._errands = errands
        self._sessions = sessions
        self._working = False
        self._doubtful: set[str] = set()
        self._lagging: list[asyncio.Task[None]] = []
        self._posted_as: dict[str, str] = {}
        self._replacing = ""
        self._uploads = Uploads(web, errands.uploads)
        self._shut = shut
        self._fixed: set[str] = set()
        self._made: set[str] = set()
        self._read: Sequence[Json] | None = None
        self._resort = LastResort(self._send, self._change, self._posted, self._key)

    def buckets(self, op: Op) -> Sequence[Bucket]:
        """See `Surface.buckets`."""
        if op is Op.POST:
            return [self._posts()]
        return [Bucket(f"slack/{self._team}/chat.update", *UPDATES)]

    async def post(self, page: Page, nonce: str) -> Receipt:
        """See `Surface.post`; Slack knows no nonce, so after a failure we look for the message first."""
        self._works(page)
        try:
            return await self._post(page, nonce)
        except Unfit as unfit:
            log.warning("Slack takes a post in no form", channel=self._channel, error=str(unfit))
        try:
            return Receipt(await self._resort.say(nonce))
        except Gone:
            self._shut("refused")
            raise

    def _works(self, page: Page) -> None:
        """Let Slack show that the bot is at work, from the first page that will change."""
        if page.live and self._sessions and not self._working:
            self._working = True
            self._sessions.show(self._channel, self._thread, working=True)

    async def _post(self, page: Page, nonce: str) -> Receipt:
        """Post *page*, in parts if it must be, unless that was done already.

        Raises:
            Unfit: When Slack takes it in no way.
        """
        if message := self._posted_as.get(nonce):  # the page is there; its rest, or its files, are not
            return await self._filed(await self._update(message, page), page)
        if nonce in self._doubtful and (ts := await self._posted(nonce)):
            message = self._posted_as[nonce] = self._key(ts)
            return await self._filed(await self._update(message, page), page)
        try:
            message, whole = await self._resort.post(page, nonce)
        except OSError:
            self._doubtful.add(nonce)
            raise
        if page.files or not whole:
            self._posted_as[nonce] = message
        if not whole:
            self._made.add(message)
        receipt = Receipt(message) if whole else await self._update(message, page)
        return await self._filed(receipt, page)

    async def _send(self, page: Page, nonce: str, look: Look) -> str:
        """Post *page*; return its `ts`."""
        self._read = None
        with self._telling(), translated(self._posts().key):
            answer = await self._web.chat_postMessage(
                channel=self._channel,
                thread_ts=self._thread,
                unfurl_links=False,
                unfurl_media=False,
                metadata=None if look is Look.BARE else marked(nonce),
                **drawn(page, look),
            )
        return str(answer["ts"])

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Let the asker know when nothing can be written here."""
        try:
            yield
        except Gone as gone:
            if str(gone) in CLOSED:
                self._shut(str(gone))
            raise

    async def _filed(self, receipt: Receipt, page: Page) -> Receipt:
        """Return *receipt* once the files of *page* are below the message, or saying that they can't be."""
        if not page.files:
            return receipt
        _, _, channel, ts = receipt.message.split("/")
        try:
            await self._uploads.attach(channel, ts, self._thread, page.files)
        except (Gone, Unfit) as error:
            log.warning("Slack refuses what was to be attached", error=str(error))
            return replace(receipt, unattached=NO_FILES)
        return receipt

    def resume(self, remains: Remains) -> None:
        """Go on where an earlier run left off: posts with its nonces may have got through."""
        self._working = True  # as it was left
        if self._sessions:
            self._sessions.works(self._channel, self._thread)
        self._doubtful.update(remains.nonces)
        # Where edits are closed, what was to stand in a message may stand beside it.
        self._doubtful.update(_beside(message) for message in remains.messages)

    def aside(self) -> SlackSurface:
        """See `Surface.aside`: it never streams, and leaves the session to the answer."""
        beside = SlackSurface(*self._where, None, self._shut)
        beside.limits = replace(beside.limits, attach=self.limits.attach)
        return beside

    async def settle(self) -> None:
        """See `Surface.settle`: a message that was replaced is still to be deleted."""
        if self._working and self._sessions:
            self._working = False
            self._sessions.show(self._channel, self._thread, working=False)
        if self._lagging:
            await asyncio.wait(self._lagging)
            if any(task.cancelled() for task in self._lagging):
                raise ConnectionError("a message that was replaced is not deleted yet")

    async def _posted(self, nonce: str) -> str:
        """Return the `ts` of the message that was posted with *nonce*, if any; "" too if Slack won't say."""
        try:
            answer = await self._since()
        except (Gone, SlackApiError) as error:  # if the place is gone, the post says so
            log.warning("what may have been posted was not looked for", error=str(error))
            return ""
        return str({nonce_of(message): message["ts"] for message in answer}.get(nonce, ""))

    async def _since(self) -> Sequence[Json]:
        """Return what was said in the thread since the question; kept until the next post or change."""
        if self._read is None:
            with translated(LOOKING):
                answer = await self._web.conversations_replies(
                    channel=self._channel,
                    ts=self._thread,
                    oldest=self._question,
                    limit=200,
                    include_all_metadata=True,
                )
            self._read = answer["messages"]
        return self._read

    async def edit(self, message: str, page: Page) -> Receipt:
        """See `Surface.edit`."""
        instead = await self._replacement()
        receipt = await self._filed(await self._update(instead or message, page), page)
        self._replacing = ""  # not before: if the change fails, the next try has to find it again
        if instead:
            self._lagging.append(self._errands.start(self._delete(message)))
        return receipt

    async def _replacement(self) -> str:
        """Return the message that `replace` has posted although it failed, if there is one."""
        if not self._replacing:
            return ""
        if known := self._posted_as.get(self._replacing):
            return known
        ts = await self._posted(self._replacing)
        return self._key(ts) if ts else ""

    async def _update(self, message: str, page: Page) -> Receipt:
        """Change *message*, whatever it takes that all of *page* is shown once it is final."""
        if message in self._fixed or (not page.live and await self._has_beside(message)):
            return await self._beside(message, page)
        try:
            await self._resort.show(message, page)
        except Unfit as unfit:
            log.warning("Slack takes a change in no form", message=message, error=str(unfit))
            if page.live:  # the last edit, which always comes, brings all of it
                return Receipt(message)
            if message in self._made:  # it was posted for this page, so that another would be refused too
                await self._resort.end(message)
                return Receipt(message)
            self._fixed.add(message)
            return await self._beside(message, page)
        except Gone as gone:
            if str(gone) not in FIXED:
                raise
            log.warning("Slack lets an answer be changed no more", message=message, error=str(gone))
            self._fixed.add(message)
            return await self._beside(message, page)
        return Receipt(message)

    async def _has_beside(self, message: str) -> bool:
        """Whether an earlier run has shown a final page in place of *message*; asked until it has not."""
        nonce = _beside(message)
        if nonce not in self._doubtful:
            return False
        if await self._posted(nonce):  # an app that may not read is believed to have none
            return True
        self._doubtful.discard(nonce)
        return False

    async def _change(self, message: str, page: Page, look: Look) -> None:
        """Make *message* show *page*."""
        self._read = None
        _, _, channel, ts = message.split("/")
        mark = self._mark(message) if look is Look.RICH else {}
        with self._telling(), translated(f"slack/{self._team}/chat.update"):
            await self._web.chat_update(channel=channel, ts=ts, **drawn(page, look), **mark)

    def _mark(self, _message: str) -> Json:
        """Return what a change adds by which a message is found again; posts have it from the start."""
        return {}

    async def _beside(self, message: str, page: Page) -> Receipt:
        """Show *page* in place of *message*, which is there to stay; previews of it are let go."""
        if page.live:
            return Receipt(message)
        nonce = _beside(message)
        try:
            receipt = await self._post(page, nonce)
        except Unfit:
            await self._resort.end(message)
            return Receipt(message)
        self._posted_as[nonce] = receipt.message
        self._made.add(receipt.message)
        self._lagging.append(self._errands.start(self._delete(message, after=BESIDE)))
        return receipt

    def escape(self) -> Sequence[Bucket]:
        """See `Surface.escape`: the lane of new posts; deletions have a budget of their own, and may lag."""
        return [self._posts()]

    async def replace(self, message: str, page: Page, nonce: str) -> Receipt:
        """See `Surface.replace`: the new message first, so that there is always one."""
        self._replacing = nonce  # should this fail, `edit` must know that there may be two
        try:
            receipt = await self._post(page, nonce)
        except Unfit:
            self._replacing = ""
            return await self.edit(message, page)
        self._replacing = ""
        self._lagging.append(await self._errands.begin(self._delete(message)))
        return receipt

    async def remove(self, message: str) -> None:
        """See `Surface.remove`."""
        self._lagging.append(await self._errands.begin(self._delete(message)))

    async def _delete(self, message: str, after: float = 0.0) -> None:
        """Delete *message*, again and again if Slack is not able; that it is gone is as good."""
        await asyncio.sleep(after)
        _, _, channel, ts = message.split("/")
        for delay in (*DELETE_AGAIN, 0.0):
            await self._errands.deletes.turn()
            try:
                with translated():
                    await self._web.chat_delete(channel=channel, ts=ts)
            except SlowDown as slow:
                await asyncio.sleep(max(delay, slow.retry_after))
            except OSError:
                await asyncio.sleep(delay)
            except (Gone, SlackApiError) as error:
                log.info("a message of ours was not deleted", message=message, error=str(error))
                return
            else:
                return
        log.warning("a message of ours stays that was to be deleted", message=message)

    async def status(self, on: bool) -> None:
        """See `Surface.status`: a pair of eyes on the question."""
        call = self._web.reactions_add if on else self._web.reactions_remove
        try:
            with translated():
                await call(channel=self._channel, timestamp=self._question, name="eyes")
        except (SlackApiError, SlowDown, Gone, OSError) as error:
            log.info("no status shown", error=str(error))

    async def history(self, limit: int) -> Sequence[Said]:
        """See `Surface.history`: the thread, or the direct message so far."""
        return await self._history.said(limit)

    async def recent(self, limit: int) -> Sequence[Said]:
        """See `Surface.recent`: who asks in a channel is in it, or may be."""
        return await self._history.recent(limit)

    async def whereabouts(self) -> Whereabouts:
        """See `Surface.whereabouts`; a direct message has neither a name nor a topic."""
        direct = self._channel.startswith("D")
        here = Channel() if direct else await self._people.channel(self._channel)
        me = self._people.known(self._me, stale=True)
        return Whereabouts(here.name, here.topic, me.name if me else "")

    async def attached(self) -> Sequence[File]:
        """See `Surface.attached`."""
        return await self._history.attached()

    async def fetch(self, file: File, most: int) -> bytes:
        """See `Surface.fetch`."""
        return await fetch(self._web, file, most)

    def _posts(self) -> Bucket:
        return Bucket(f"slack/{self._team}/chat.postMessage/{self._channel}", *POSTS)

    def _key(self, ts: str) -> str:
        return f"slack/{self._team}/{self._channel}/{ts}"


def _beside(message: str) -> str:
    """Return the nonce of what is posted in place of *message*."""
    return f"f{message.rpartition('/')[2]}"
