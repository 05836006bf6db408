"""The emulated chats of `rivulet demo`, as a person sits before them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from adapters.emulators.process import World

#: Seconds that a claim of `--check` waits for what it claims.
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One platform's emulator, as a person sits before it.

    Attributes:
        name: "slack" or "discord".
        person: What the person is called there.
        say: Posts a text for a person and returns the question's id.
        answers: Returns the messages that answer a question, as a reader sees them.
        stop: Reacts with a stop emoji to a message.
        press: Presses the button of a message that has this label.
        id: Returns a message's id.
        log: The emulator's `events`.
        verdict: Its `verdict`.
    """

    name: str
    person: str
    say: Callable[[str], Awaitable[str]]
    answers: Callable[[str], Awaitable[list[dict[str, Any]]]]
    stop: Callable[[str], Awaitable[None]]
    press: Callable[[str, str], Awaitable[Any]]
    id: str
    log: Callable[..., Awaitable[list[dict[str, Any]]]]
    verdict: Callable[[], Awaitable[dict[str, Any]]]


def slack_stage(world: World, channel: str = "C1", user: str = "U1") -> Stage:
    """Return the Slack emulator's stage."""

    async def say(text: str) -> str:
        return str(await world.slack.say(channel=channel, user=user, text=f"<@UBOT> {text}"))

    async def answers(question: str) -> list[dict[str, Any]]:
        thread = await world.slack.thread(channel=channel, thread_ts=question)
        return [message for message in thread if message["user"] == "UBOT" and not message["deleted"]]

    async def stop(message: str) -> None:
        await world.slack.react(channel=channel, ts=message, user=user, reaction="octagonal_sign")

    async def press(message: str, label: str) -> None:
        await world.slack.press(channel=channel, ts=message, user=user, label=label)

    return Stage("slack", "ann", say, answers, stop, press, "ts", world.slack.events, world.slack.verdict)


def discord_stage(world: World, channel: str = "200", user: str = "300") -> Stage:
    """Return the Discord emulator's stage."""

    async def say(text: str) -> str:
        return str(await world.discord.say(channel=channel, user=user, text=f"<@999> {text}"))

    async def answers(question: str) -> list[dict[str, Any]]:
        pages, wanted = [], {question}
        for message in await world.discord.messages(channel=channel):
            if message["bot"] and message["reply_to"] in wanted and not message["deleted"]:
                wanted.add(message["id"])
                pages.append(message)
        return pages

    async def stop(message: str) -> None:
        await world.discord.react(channel=channel, message=message, user=user, emoji="🛑")

    async def press(message: str, label: str) -> None:
        await world.discord.press(channel=channel, message=message, user=user, label=label)

    return Stage(
        "discord", "alice", say, answers, stop, press, "id", world.discord.events, world.discord.verdict
    )


def stages(world: World) -> list[Stage]:
    """Return both."""
    return [slack_stage(world), discord_stage(world)]


async def until(seen: Callable[[], Awaitable[Any]], patience: float | None = None) -> Any:
    """Return what *seen* returns once that is true; raise TimeoutError after *patience* seconds."""
    async with asyncio.timeout(PATIENCE if patience is None else patience):
        while not (found := await seen()):  # noqa: ASYNC110  what changes is in another process
            await asyncio.sleep(0.02)
        return found
