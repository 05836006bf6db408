"""The answer to one interaction: a callback within 3 s, and what its webhook can do for 15 minutes.

These calls carry a token of the interaction's own in their path, which must be in no log and in no error; and
they count against no limit that the bot's other calls share (interactions/receiving-and-responding.mdx).
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from adapters.discord.wire.rest import Json, Rest, banned, retry_after

#: Types of callbacks (interactions/receiving-and-responding.mdx).
MESSAGE, DEFERRED, KEPT, CHANGED, MODAL = 4, 5, 6, 7, 9
#: Message flag: one person sees it.
EPHEMERAL = 1 << 6
#: JSON error code of a second callback: the first has got through, whatever was heard of it.
ACKNOWLEDGED = 40060
#: Seconds before a call is tried again that Discord did not answer, or was not well to answer.
AGAIN = (0.2, 1.0)
#: Seconds that a 429 may ask for; for longer nobody waits for a reply.
PATIENCE = 10.0


class Unanswered(ConnectionError):
    """Discord did not take an answer; `code` is its JSON error code."""

    def __init__(self, status: int, code: int) -> None:
        super().__init__(f"Discord answered {status}, code {code}")
        self.status = status
        self.code = code


class Reply:
    """Answers one interaction.

    Every method raises `OSError` where Discord does not take it.

    Args:
        rest: What to answer with.
        application: The application's id.
        interaction: The interaction's.
        token: The interaction's.
    """

    def __init__(self, rest: Rest, application: int, interaction: int, token: str) -> None:
        self._rest = rest
        token = quote(token, safe="")
        self._callback = f"interactions/{interaction}/{token}/callback?with_response=true"
        self._webhook = f"webhooks/{application}/{token}"
        self._deferred = False

    async def keep(self) -> None:
        """Acknowledge a press, and leave its message as it is."""
        await self._respond(KEPT)

    async def strip(self) -> None:
        """Take the buttons away from the message that one was pressed under."""
        await self._respond(CHANGED, {"components": []})

    async def ask(self, modal: Json) -> None:
        """Open *modal*."""
        await self._respond(MODAL, modal)

    async def defer(self) -> None:
        """Say to the one person that the reply takes a while."""
        await self._respond(DEFERRED, {"flags": EPHEMERAL})
        self._deferred = True

    async def say(self, message: Json) -> None:
        """Show *message* to the one person; nothing, if it is empty."""
        if not message:
            if not self._deferred:
                await self.defer()
            await self.remove()
        elif self._deferred:
            await self._call("PATCH", f"{self._webhook}/messages/@original", message)
        else:
            await self._respond(MESSAGE, _alone(message))

    async def show(self, message: Json) -> Json:
        """Show *message* to everybody; return it as Discord has it."""
        answer = await self._respond(MESSAGE, message)
        resource = answer.get("resource")
        shown = resource.get("message") if isinstance(resource, dict) else None
        return (
            shown
            if isinstance(shown, dict)
            else await self._call("GET", f"{self._webhook}/messages/@original")
        )

    async def remove(self) -> None:
        """Take back what was shown."""
        await self._call("DELETE", f"{self._webhook}/messages/@original")

    async def add(self, message: Json) -> None:
        """Show *message* to the one person, below what was said or shown before."""
        await self._call("POST", self._webhook, _alone(message), again=())

    async def _respond(self, kind: int, data: Json | None = None) -> Json:
        body = {"type": kind, **({"data": data} if data is not None else {})}
        return await self._call("POST", self._callback, body)

    async def _call(
        self, method: str, path: str, body: Json | None = None, again: tuple[float, ...] = AGAIN
    ) -> Json:
        for tries, delay in enumerate((*again, None)):
            try:
                return await self._once(method, path, body)
            except Unanswered as error:
                if tries and error.code == ACKNOWLEDGED:
                    return {}
                if error.status < 500 or delay is None:
                    raise
            except OSError:
                if delay is None:
                    raise
            await asyncio.sleep(delay)
        raise AssertionError  # the last try returns or raises

    async def _once(self, method: str, path: str, body: Json | None) -> Json:
        traffic = self._rest.traffic
        if traffic.banned and traffic.closed():
            raise Unanswered(429, 0)
        status, headers, answer = await self._rest.send(method, path, body)
        limited = status == 429 and not banned(status, headers, answer)
        if limited and (wait := retry_after(answer or {}, headers)) <= PATIENCE:
            await asyncio.sleep(wait)
            status, headers, answer = await self._rest.send(method, path, body)
        if status < 300:
            return answer or {}
        traffic.refused(status, shared=headers.get("X-RateLimit-Scope") == "shared")
        if banned(status, headers, answer):
            traffic.ban(retry_after({}, headers, 0.0))
        code: Any = (answer or {}).get("code")
        raise Unanswered(status, code if isinstance(code, int) else 0)


def _alone(message: Json) -> Json:
    return {**message, "flags": message.get("flags", 0) | EPHEMERAL}
