"""A 429 that is not about a write, but about what is called on its way: a look-up, a post beside an edit.

The core books a 429 that is about none of the buckets of a write on all of them, which would stop the edits
of a whole workspace.  Rule: such a one slows that answer alone, and in the end is a `ConnectionError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from bot.platform import Bucket, SlowDown

#: Seconds that an answer waits here in all, as the write that it was granted stays under way meanwhile.
PATIENCE = 60.0

Made = TypeVar("Made")


async def alone(buckets: Sequence[Bucket], write: Callable[[], Awaitable[Made]]) -> Made:
    """Make a *write* that spends *buckets*, again after each 429 that is about none of them.

    Raises:
        SlowDown: It is about one of them.
        ConnectionError: Others asked for more than `PATIENCE` seconds.
    """
    keys, left = {bucket.key for bucket in buckets}, PATIENCE
    while True:
        try:
            return await write()
        except SlowDown as slow:
            if slow.bucket in keys:
                raise
            left -= slow.retry_after
            if left < 0.0:
                raise ConnectionError("Slack refuses, for now, a call that the write needs") from slow
            await asyncio.sleep(slow.retry_after)
