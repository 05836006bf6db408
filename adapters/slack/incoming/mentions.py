"""Makes the seam's mention of a question that somebody has asked in Slack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapters.slack.native import Reader
from bot.events import File
from bot.platform import Actor, Inbox, Mention, Place, Stop, Surface

#: Makes the surface for an answer: of a channel, a thread, a question, and who reads it live.
Open = Callable[[str, str, str, Reader], Surface]


@dataclass(frozen=True, slots=True)
class Mentions:
    """Makes mentions.

    Attributes:
        inbox: Told when a reader stops a stream.
        surface: Makes the surface of an answer.
    """

    inbox: Inbox
    surface: Open

    def make(
        self, ts: str, thread: str, actor: Actor, place: Place, text: str, files: tuple[File, ...] = ()
    ) -> Mention:
        """Return the question *text* that *actor* asks in the message *ts*, answered in *thread*."""

        async def stopped(message: str) -> None:
            if place.direct:  # elsewhere Slack's event says who it was
                await self.inbox.stop(Stop(message, actor, place))

        where = f"slack/{place.home}/{place.channel}"
        reader = Reader(actor.id, actor.workspace or place.workspace, stopped)
        return Mention(
            key=f"{where}/{ts}",
            conversation=f"slack/{place.workspace}/{place.channel}/{thread}",
            actor=actor,
            place=place,
            text=text,
            surface=self.surface(place.channel, thread, ts, reader),
            files=files,
        )
