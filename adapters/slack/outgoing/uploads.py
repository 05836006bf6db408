"""Files of an answer: Slack attaches none to a message of text, so they are a message of their own below it.

A share can be made once, and Slack does not say whether one that failed was made.  Rule 1: after any doubt
the thread is looked through for the file, and the share is made again only if it is not there.  Rule 2: files
that Slack refuses are given up, as it would refuse them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.proxies import proxy_for
from adapters.slack.text import Json
from adapters.slack.wire.errands import Tally
from adapters.slack.wire.errors import LOOKING, ON_THE_WAY, Unfit, code_of, translated, why
from bot.events import File
from bot.platform import Gone, SlowDown
from bot.text.filenames import safe

log = structlog.get_logger(__name__)

#: Bytes of a file.  Slack takes 1 GB; more than this is no part of an answer.
ATTACH = 100 * 10**6
#: Seconds that the bytes of one file may take: at least, at most, and bytes that a second must carry.
LEAST, MOST, CARRIED = 10.0, 60.0, 50_000
#: Seconds that files may wait for their turn, 429s and all: the answer is not over before.
PATIENCE = 15.0
#: Times that files are uploaded that Slack loses.
TRIES = 3
#: Answers to a share whose ticket is spent, or was never good.
SPENT = frozenset({"file_not_found", "file_update_failed"})
#: Pages of 200 messages that are looked through for a file.
PAGES = 5


@dataclass
class _Share:
    """One message of files.

    Attributes:
        ids: The uploaded files, once they all are.
        doubtful: Whether a share was tried of which nobody knows.
        done: Whether it is there.
        lost: How often Slack has lost what was uploaded for it.
        refused: Slack's word for why it can't be.
        waited: Seconds that it has waited for its turn.
        root: The `ts` of its thread's first message, once that is known.
    """

    ids: tuple[str, ...] = ()
    doubtful: bool = False
    done: bool = False
    lost: int = 0
    refused: str = ""
    waited: float = 0.0
    root: str = ""


class Uploads:
    """What one answer has attached, each file once however often it is asked for.

    Args:
        web: The client.
        tally: What Slack allows of the two methods in a workspace.
    """

    def __init__(self, web: AsyncWebClient, tally: Tally) -> None:
        self._web = web
        self._tally = tally
        self._shares: dict[tuple[File, ...], _Share] = {}

    async def attach(self, channel: str, message: str, thread: str, files: tuple[File, ...]) -> None:
        """Put *files* below the *message* in *thread*, if they are not there.

        Args:
            channel: Where.
            message: The `ts` of the page that they belong to.
            thread: The `ts` of its thread's first message; *message* itself if that is not known.
            files: What; their content is in memory.

        Raises:
            Unfit: When Slack refuses them, also for want of a right.
            SlowDown: When nobody may look for them now.
            OSError: When Slack was not reached or not able.
        """
        share = self._shares.setdefault(files, _Share())
        if share.done:
            return
        if not share.refused:
            try:
                await self._share(channel, message, thread, share, files)
            except (Gone, Unfit, SlackApiError) as error:
                share.refused = why(error) if isinstance(error, SlackApiError) else str(error)
            else:
                share.done = True
                return
        raise Unfit(share.refused)

    async def _share(
        self, channel: str, message: str, thread: str, share: _Share, files: tuple[File, ...]
    ) -> None:
        share.root = share.root or (await self._root(channel, message) if thread == message else thread)
        if not (share.doubtful and await self._is_there(channel, share.root, message, share.ids)):
            share.ids = share.ids or tuple([await self._upload(share, file) for file in files])
            await self._complete(channel, share.root, share, files)

    async def _root(self, channel: str, message: str) -> str:
        """Return the thread of *message*; a reply's own `ts` is none."""
        with translated(LOOKING):
            answer = await self._web.conversations_replies(channel=channel, ts=message, limit=1)
        found: Json = next(iter(answer["messages"]), {})
        return str(found.get("thread_ts") or message)

    async def _upload(self, share: _Share, file: File) -> str:
        """Send the bytes of *file*; return its id.  What is not shared, Slack throws away."""
        arguments = {"filename": safe(file.name), "length": len(file.data)}
        answer = await self._call(share, "files.getUploadURLExternal", arguments)
        url = str(answer["upload_url"])
        timeout = aiohttp.ClientTimeout(total=min(LEAST + len(file.data) / CARRIED, MOST))
        session = self._web.session
        if session is None:
            raise ConnectionError("Slack is not connected")
        try:
            async with session.post(url, data=file.data, proxy=proxy_for(url), timeout=timeout) as response:
                status = response.status
        except TimeoutError:
            raise
        except aiohttp.ClientError as error:
            raise ConnectionError(f"Slack took no file: {type(error).__name__}") from error
        if 400 <= status < 500 and status not in ON_THE_WAY:
            raise Unfit(f"HTTP {status} for a file")
        if status != 200:
            raise ConnectionError(f"Slack took no file: {status}")
        return str(answer["file_id"])

    async def _complete(self, channel: str, thread: str, share: _Share, files: Sequence[File]) -> None:
        titled = [{"id": id_, "title": safe(file.name)} for id_, file in zip(share.ids, files, strict=True)]
        try:
            await self._try(channel, thread, share, titled)
        except SlackApiError as error:
            log.warning("Slack refuses files; they are shared without titles", error=why(error))
            await self._try(channel, thread, share, [{"id": id_} for id_ in share.ids])

    async def _try(self, channel: str, thread: str, share: _Share, files: Sequence[Json]) -> None:
        doubtful, share.doubtful = share.doubtful, True
        try:
            await self._call(
                share,
                "files.completeUploadExternal",
                {"files": files, "channel_id": channel, "thread_ts": thread},
            )
        except Unfit:
            share.doubtful = doubtful
            raise
        except SlackApiError as error:
            if code_of(error) not in SPENT:
                share.doubtful = doubtful
                raise
            if doubtful:  # the share before was made, and is not to be seen yet
                return
            share.ids, share.doubtful = (), False
            share.lost += 1
            if share.lost == TRIES:
                raise Unfit(code_of(error)) from error
            raise ConnectionError("Slack has lost an upload") from error

    async def _call(self, share: _Share, method: str, arguments: Json) -> AsyncSlackResponse:
        """Call *method* when its turn comes; a 429 here must not hold back the edits of others.

        Raises:
            Unfit: When its turn does not come in time.
        """
        while True:
            while wait := self._tally.take():
                share.waited += wait
                if share.waited > PATIENCE:
                    raise Unfit(f"no turn for {method} for {wait:.0f} s")
                await asyncio.sleep(wait)
            try:
                with translated():
                    return await self._web.api_call(method, json=arguments)
            except SlowDown as slow:
                self._tally.block(slow.retry_after)

    async def _is_there(self, channel: str, thread: str, message: str, ids: Sequence[str]) -> bool:
        """Whether a message below *message* holds the first of *ids*; no, if Slack won't say."""
        try:
            with translated(LOOKING):
                async for found in self._below(channel, thread, message):
                    if any(file.get("id") in ids for file in found.get("files") or ()):
                        return True
        except (Gone, SlackApiError) as error:  # a share that was made can't be made again
            log.warning("what may have been shared was not looked for", error=str(error))
        return False

    async def _below(self, channel: str, thread: str, message: str) -> AsyncIterator[Json]:
        cursor: Any = None
        for _ in range(PAGES):
            answer = await self._web.conversations_replies(
                channel=channel, ts=thread, oldest=message, limit=200, cursor=cursor
            )
            for found in answer["messages"]:
                yield found
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
