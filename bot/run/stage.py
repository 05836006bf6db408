"""The emulated chats of `rivulet demo`, as a person sits before them."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from adapters.emulators.process import World

#: Seconds that a claim of `--check` waits for what it claims.
PATIENCE = 10.0


#: The contents of files, by their names.
Files = Mapping[str, bytes]
NOTHING: Files = {}


class Say(Protocol):
    """What somebody says."""

    def __call__(self, text: str, files: Files = NOTHING) -> Awaitable[str]:
        """Post *text*, which mentions the bot, and *files*; return the question's id."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """One platform's emulator, as a person sits before it.

    Attributes:
        name: "slack" or "discord".
        person: What the person is called there.
        say: Posts a text for a person, which mentions the bot, with files by name; returns the question's id.
        follow: Writes on below a question's answer, without a mention; returns the id of that question.
        answers: Returns the messages that answer a question, as a reader sees them.
        stop: Reacts with a stop emoji to a message.
        press: Presses the button of a message that has this label.
        id: Returns a message's id.
        log: The emulator's `events`.
        verdict: Its `verdict`.
    """

    name: str
    person: str
    say: Say
    follow: Callable[[str, str], Awaitable[str]]
    answers: Callable[[str], Awaitable[list[dict[str, Any]]]]
    stop: Callable[[str], Awaitable[None]]
    press: Callable[[str, str], Awaitable[Any]]
    id: str
    log: Callable[..., Awaitable[list[dict[str, Any]]]]
    verdict: Callable[[], Awaitable[dict[str, Any]]]


def slack_stage(world: World, channel: str = "C1", user: str = "U1") -> Stage:
    """Return the Slack emulator's stage."""

    async def say(text: str, files: Files = NOTHING) -> str:
        said = {"channel": channel, "user": user, "text": f"<@UBOT> {text}"}
        return str(await world.slack.say(**said, files=_encoded(files)))

    async def follow(question: str, text: str) -> str:
        return str(await world.slack.say(channel=channel, user=user, text=text, thread_ts=question))

    async def answers(question: str) -> list[dict[str, Any]]:
        asked = await world.slack.message(channel=channel, ts=question)
        thread = await world.slack.thread(channel=channel, thread_ts=asked["thread_ts"] or question)
        later = [message for message in thread if float(message["ts"]) > float(question)]
        return [message for message in later if message["user"] == "UBOT" and not message["deleted"]]

    async def stop(message: str) -> None:
        await world.slack.react(channel=channel, ts=message, user=user, reaction="octagonal_sign")

    async def press(message: str, label: str) -> None:
        await world.slack.press(channel=channel, ts=message, user=user, label=label)

    seen = world.slack.events, world.slack.verdict
    return Stage("slack", "ann", say, follow, answers, stop, press, "ts", *seen)


def discord_stage(world: World, channel: str = "200", user: str = "300") -> Stage:
    """Return the Discord emulator's stage."""

    async def say(text: str, files: Files = NOTHING) -> str:
        said = {"channel": channel, "user": user, "text": f"<@999> {text}"}
        return str(await world.discord.say(**said, files=_encoded(files)))

    async def follow(question: str, text: str) -> str:
        last = (await answers(question))[-1]["id"]
        return str(await world.discord.say(channel=channel, user=user, text=text, reply_to=last))

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

    seen = world.discord.events, world.discord.verdict
    return Stage("discord", "alice", say, follow, answers, stop, press, "id", *seen)


def _encoded(files: Files) -> dict[str, str]:
    return {name: b64encode(data).decode() for name, data in files.items()}


def stages(world: World) -> list[Stage]:
    """Return both."""
    return [slack_stage(world), discord_stage(world)]


async def until(seen: Callable[[], Awaitable[Any]], patience: float | None = None) -> Any:
    """Return what *seen* returns once that is true; raise TimeoutError after *patience* seconds."""
    async with asyncio.timeout(PATIENCE if patience is None else patience):
        while not (found := await seen()):  # noqa: ASYNC110  what changes is in another process
            await asyncio.sleep(0.02)
        return found
