"""Slack's errors in the words of the seam, once, by table.

What is in no table comes as the `SlackApiError` that it is: Slack finds fault with the call itself, which
must not be made again as it was (see `adapters.slack.outgoing.lastresort`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

from bot.platform import Gone, SlowDown, Unavailable

#: What a 429 without a usable Retry-After is taken for (Slack's own example), and the longest that is obeyed.
RETRY_AFTER = 30.0
LONGEST_RETRY = 300.0

#: Answers that say that the token is not valid any more.
REVOKED = frozenset({"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"})
#: Answers that say that nothing can be written in a channel.
CLOSED = frozenset(
    {"channel_not_found", "not_in_channel", "is_archived", "restricted_action", "no_permission"}
)
#: Answers that say that a message is there, and stays as it is.
FIXED = frozenset({"cant_update_message", "edit_window_closed"})
#: Answers to a call that no second try will change.
GONE = frozenset({*CLOSED, *FIXED, "message_not_found", "thread_not_found", "is_inactive", "missing_scope"})
#: Answers that say that a text does not fit; the last is a warning beside `ok: true`.
TRUNCATED = "message_truncated"
LONG = frozenset({"msg_too_long", "msg_blocks_too_long", TRUNCATED})
#: The answer to a change of a message that is still a stream.
STREAMING = "streaming_state_conflict"
#: Statuses without a word of Slack's that are about the way there, not about what was sent.
ON_THE_WAY = frozenset({401, 403, 404, 407, 408, 425, 429})
#: The key of a 429 of conversations.replies, which no write spends.
LOOKING = "slack/conversations.replies"
#: Answers that say that Slack is not well.
ILL = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})


class TooLong(Exception):
    """Slack did not take all of a text; `ts` is the message that holds a part of it, if there is one."""

    def __init__(self, why: str, ts: str = "") -> None:
        super().__init__(why)
        self.ts = ts


class Unfit(Exception):
    """Slack takes something in no way that we know; the message is its word for why."""


class StillStreaming(ConnectionError):
    """A message can't be changed yet: it is a stream, to be stopped first."""


class Refused(Unavailable):
    """Slack refuses a token, which may become good again."""


class Revoked(ConnectionError):
    """A call was refused for its token only, so that it may be made when that is good again."""


@contextmanager
def translated(bucket: str = "") -> Iterator[None]:
    """Turn the SDK's errors into those of the seam; *bucket* is the key that a 429 is about.

    Raises:
        SlackApiError: Slack finds fault with the call, in a word that is in no table.
    """
    try:
        yield
    except SlackApiError as error:
        status, code = _answer(error)
        if status == 429 or code == "ratelimited":
            raise SlowDown(retry_after(error.response.headers), bucket) from error
        if code in REVOKED:
            raise Revoked(code) from error
        if code in GONE:
            raise Gone(code) from error
        if code in LONG:
            raise TooLong(code) from error
        if code == STREAMING:
            raise StillStreaming(code) from error
        if _ill(status, code):
            raise ConnectionError(f"Slack answered {status} {code}") from error
        raise
    except TimeoutError:
        raise
    except aiohttp.ClientError as error:
        raise ConnectionError(f"Slack was not reached: {type(error).__name__}") from error


def _ill(status: int, code: str) -> bool:
    """Whether an answer says nothing about the call, so that it may be made again."""
    if code:
        return code in ILL or status >= 500
    return not 400 <= status < 500 or status in ON_THE_WAY


def why(error: SlackApiError) -> str:
    """Return Slack's own word for *error*, or the status of an answer that had none."""
    status, code = _answer(error)
    return code or f"HTTP {status}"


def code_of(error: SlackApiError) -> str:
    """Return Slack's own word for *error*, "" if the answer was none of Slack's."""
    return _answer(error)[1]


def _answer(error: SlackApiError) -> tuple[int, str]:
    """Return the status and Slack's own word for *error*, "" if the answer was none of Slack's."""
    response: Any = error.response
    if isinstance(response, aiohttp.ClientResponse):  # the SDK hands over what it could not parse
        return response.status, ""
    told = getattr(response, "data", response)  # or the text of a page that is none
    return response.status_code, str(told.get("error") or "") if isinstance(told, dict) else ""


def retry_after(headers: Any) -> float:
    """Return the seconds that a 429 asks for, whatever it says."""
    try:
        seconds = float({key.lower(): value for key, value in headers.items()}["retry-after"])
    except (KeyError, ValueError):
        return RETRY_AFTER
    return min(max(seconds, 1.0), LONGEST_RETRY) if math.isfinite(seconds) else RETRY_AFTER
