"""Slack's client, which notices for all its callers that Slack refuses the token, or shortens a text.

It also raises ConnectionError where the SDK can't parse an answer.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.proxies import proxy_for
from adapters.slack.wire.errors import REVOKED, TRUNCATED, TooLong, code_of
from bot.platform import Gone

#: Why a call is not made any more.
REMOVED = "the app was removed from the workspace"


class Web(AsyncWebClient):
    """A client without retries of its own.

    Attributes:
        doubted: Set once Slack has refused the token in the middle of the work.
        removed: Whether the app was removed, so that no call is made any more.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(retry_handlers=[], **options)
        self.proxy = proxy_for(self.base_url)  # not what the SDK has found, which may be for others
        self.doubted = asyncio.Event()
        self.removed = False

    async def api_call(self, api_method: str, **options: Any) -> AsyncSlackResponse:
        """See `AsyncWebClient.api_call`.

        Raises:
            Gone: When the app was removed.
            TooLong: When Slack has taken a text, but not all of it.
            ConnectionError: When the answer was none of Slack's.
        """
        if self.removed:
            raise Gone(REMOVED)
        if auth := options.pop("auth", None):  # the SDK does it in a way that aiohttp will not know any more
            known = f"{auth['client_id']}:{auth['client_secret']}".encode()
            options["headers"] = {"Authorization": f"Basic {base64.b64encode(known).decode()}"}
        try:
            answer = await super().api_call(api_method, **options)
        except SlackApiError as error:
            if code_of(error) in REVOKED:
                self.doubted.set()
            raise
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # The SDK looks for `ok` in whatever came: text, a list, bytes that are no UTF-8.
            raise ConnectionError(f"{api_method}: no answer of Slack's ({type(error).__name__})") from error
        if TRUNCATED in _warnings(answer):
            raise TooLong(TRUNCATED, str(answer.get("ts") or ""))
        return answer


def _warnings(answer: AsyncSlackResponse) -> str:
    more = (answer.get("response_metadata") or {}).get("warnings") or ()
    return ",".join([str(answer.get("warning") or ""), *map(str, more)])
