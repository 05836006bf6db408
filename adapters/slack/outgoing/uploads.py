"""Files of an answer: Slack attaches none to a message of text, so they are a message of their own below it.

A share can be made once, and Slack does not say whether one that failed was made.  Rule: after any doubt the
thread is looked through for the file, and the share is made again only if it is not there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack.text import Json
from adapters.slack.wire.errands import Tally
from adapters.slack.wire.errors import translated
from bot.events import File
from bot.platform import SlowDown
from bot.text.filenames import safe

log = structlog.get_logger(__name__)

#: Bytes of a file.  Slack takes 1 GB; more than this is no part of an answer.
ATTACH = 100 * 10**6
#: Seconds that the bytes of one file may take.
TIMEOUT = aiohttp.ClientTimeout(total=60.0)
#: Times that a call waits for its turn anew after a 429.
TRIES = 3
#: Answers to a share whose ticket is spent, or was never good.
SPENT = frozenset({"file_not_found", "file_update_failed"})
#: Pages of 200 messages that are looked through for a file.
PAGES = 5


class Held(ConnectionError):
    """Slack has refused a call with 429s, so that it took no effect."""


@dataclass
class _Share:
    """One message of files.

    Attributes:
        ids: The uploaded files, once they all are.
        doubtful: Whether a share was tried of which nobody knows.
        done: Whether it is there.
    """

    ids: tuple[str, ...] = ()
    doubtful: bool = False
    done: bool = False


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
            Gone: Without the scope or the right to write there.
            OSError: When Slack was not reached or not able.
        """
        share = self._shares.setdefault(files, _Share())
        if share.done:
            return
        root = await self._root(channel, message) if thread == message else thread
        if not (share.doubtful and await self._is_there(channel, root, message, share.ids)):
            share.ids = share.ids or tuple([await self._upload(file) for file in files])
            await self._complete(channel, root, share, files)
        share.done = True

    async def _root(self, channel: str, message: str) -> str:
        """Return the thread of *message*; a reply's own `ts` is none."""
        with translated():
            answer = await self._web.conversations_replies(channel=channel, ts=message, limit=1)
        found: Json = next(iter(answer["messages"]), {})
        return str(found.get("thread_ts") or message)

    async def _upload(self, file: File) -> str:
        """Send the bytes of *file*; return its id.  What is not shared, Slack throws away."""
        name = safe(file.name)
        answer = await self._call("files.getUploadURLExternal", {"filename": name, "length": len(file.data)})
        session = self._web.session
        if session is None:
            raise ConnectionError("Slack is not connected")
        try:
            async with session.post(answer["upload_url"], data=file.data, timeout=TIMEOUT) as response:
                status = response.status
        except TimeoutError:
            raise
        except aiohttp.ClientError as error:
            raise ConnectionError(f"Slack took no file: {type(error).__name__}") from error
        if status != 200:
            raise ConnectionError(f"Slack took no file: {status}")
        return str(answer["file_id"])

    async def _complete(self, channel: str, thread: str, share: _Share, files: Sequence[File]) -> None:
        titled = [{"id": id_, "title": safe(file.name)} for id_, file in zip(share.ids, files, strict=True)]
        wanted = {"files": titled, "channel_id": channel, "thread_ts": thread}
        doubtful, share.doubtful = share.doubtful, True
        try:
            await self._call("files.completeUploadExternal", wanted)
        except Held:
            share.doubtful = doubtful
            raise
        except SlackApiError as error:
            if error.response.get("error") not in SPENT:
                raise
            if doubtful:  # the share before was made, and is not to be seen yet
                return
            share.ids, share.doubtful = (), False
            raise ConnectionError("Slack has lost an upload") from error

    async def _call(self, method: str, arguments: Json) -> AsyncSlackResponse:
        """Call *method* when its turn comes; a 429 here must not hold back the edits of others."""
        for _ in range(TRIES):
            await self._tally.turn()
            try:
                with translated():
                    return await self._web.api_call(method, json=arguments)
            except SlowDown as slow:
                self._tally.block(slow.retry_after)
        raise Held(f"Slack lets no {method} through")

    async def _is_there(self, channel: str, thread: str, message: str, ids: Sequence[str]) -> bool:
        """Whether a message below *message* holds the first of *ids*."""
        with translated():
            async for found in self._below(channel, thread, message):
                if any(file.get("id") in ids for file in found.get("files") or ()):
                    return True
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
