"""`rivulet demo`: the real adapters and core against emulators in a process of their own; needs no account.

`--check` plays the same scenes without a terminal, the emulators being the judge.  Must never judge by
what the bot believes, only by what the emulators saw.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import adapters
from adapters.emulators.process import World, spawned
from bot.config import Settings
from bot.platform import Platform
from bot.run import logs

#: Seconds that a claim of `--check` waits for what it claims.
PATIENCE = 10.0

QUESTION = "How does a rivulet become a river?"
LONG_QUESTION = "Tell me about every river on Earth."

#: What the Claude emulator plays in the scenes; words come about as fast as Claude's do.
ANSWER = (
    "A rivulet is where a river **begins**:\n\n"
    "1. Rain gathers in the smallest fold of a hill.\n"
    "2. Rivulets meet, again and again, and cut a bed.\n"
    "3. The bed keeps the water, and the water keeps the bed.\n\n"
    "```\nrain -> rivulet -> brook -> stream -> river -> sea\n```\n\n"
    "So a river is what many small streams *agree on*."
)
RIVERS = (
    "There are more than a hundred thousand of them, so let me begin in the east and go on from there. "
    "The Lena rises west of Lake Baikal and runs north for 4,400 km until the Arctic stops it. "
    "The Yangtze falls from the Tibetan plateau, through gorges that ships now climb by lift. "
    "The Mekong changes its name in every country that it crosses, and in the rainy season one of its "
    "tributaries turns round and flows uphill into a lake. "
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One platform's emulator, as a person sits before it.

    Attributes:
        name: "slack" or "discord".
        person: What the person is called there.
        say: Posts a text for a person and returns the question's id.
        answers: Returns the messages that answer a question, as a reader sees them.
        stop: Reacts with a stop emoji to a message.
        id: Returns a message's id.
        log: The emulator's `events`.
        verdict: Its `verdict`.
    """

    name: str
    person: str
    say: Callable[[str], Awaitable[str]]
    answers: Callable[[str], Awaitable[list[dict[str, Any]]]]
    stop: Callable[[str], Awaitable[None]]
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

    return Stage("slack", "ann", say, answers, stop, "ts", world.slack.events, world.slack.verdict)


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

    return Stage("discord", "alice", say, answers, stop, "id", world.discord.events, world.discord.verdict)


def stages(world: World) -> list[Stage]:
    """Return both."""
    return [slack_stage(world), discord_stage(world)]


@asynccontextmanager
async def playing(*, real: bool) -> AsyncIterator[World]:
    """Run emulators, adapters and core while the block runs.

    Args:
        real: Whether Claude itself may answer, if there is a key.
    """
    key = Settings().anthropic_api_key.get_secret_value() if real else ""
    logs.configure("error", [key])
    importing = asyncio.create_task(asyncio.to_thread(_import))
    async with spawned() as world:
        await importing
        from bot.run.model import claude_of, patient_of  # noqa: PLC0415  imported by now
        from bot.run.supervise import build, keep  # noqa: PLC0415  imported by now
        from bot.tools.box import offered  # noqa: PLC0415  imported by now

        emulator: dict[str, Any] = {"ANTHROPIC_API_KEY": "demo", "ANTHROPIC_BASE_URL": world.claude.url}
        settings = Settings(**({} if key else emulator))
        platforms = [
            platform for name in adapters.NAMES if (platform := adapters.load(name, **_redirected(world)))
        ]
        await world.claude.script(steps=[0.4, *_paced(ANSWER, 0.05)], when=QUESTION)
        await world.claude.script(steps=[0.4, *_paced(RIVERS * 100, 0.05)], when=LONG_QUESTION)
        async with claude_of(settings) as claude:
            tools = offered(settings.tools)
            core = build(settings, platforms, patient_of(settings, claude), tools=tools)
            tasks = [asyncio.create_task(keep(platform, core)) for platform in platforms]
            try:
                await until(lambda: _all_up(platforms))
                yield world
            finally:
                await core.drain(2.0)
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)


def _import() -> None:
    """Import what takes seconds, while the emulators start."""
    for name in ("model", "supervise"):
        import_module(f"bot.run.{name}")
    gc.enable()  # see `bot.run.cli.main`


def _redirected(world: World) -> dict[str, Any]:
    return {
        "_env_file": None,
        "SLACK_BOT_TOKEN": "xoxb-demo",
        "SLACK_APP_TOKEN": "xapp-demo",
        "SLACK_API_URL": f"{world.slack.url}/api/",
        "DISCORD_BOT_TOKEN": "demo",
        "DISCORD_API_URL": f"{world.discord.url}/api/v10",
        "DISCORD_GATEWAY_URL": f"{world.discord.url.replace('http', 'ws', 1)}/gw/",
        "RIVULET_DISCORD_GUILDS": "100",
    }


def _paced(text: str, pause: float) -> list[str | float]:
    """Return *text* word by word, as a script."""
    return [step for word in text.split(" ") for step in (f"{word} ", pause)]


async def _all_up(platforms: Sequence[Platform]) -> bool:
    return all(platform.health == "up" for platform in platforms)


async def until(seen: Callable[[], Awaitable[Any]], patience: float | None = None) -> Any:
    """Return what *seen* returns once that is true; raise TimeoutError after *patience* seconds."""
    async with asyncio.timeout(PATIENCE if patience is None else patience):
        while not (found := await seen()):  # noqa: ASYNC110  what changes is in another process
            await asyncio.sleep(0.02)
        return found


async def check() -> int:
    """Play the scenes on both platforms; print a line per claim; 0 if all hold."""
    async with playing(real=False) as world:
        played = await asyncio.gather(*(_claims(world, stage) for stage in stages(world)))
    claims = [claim for claims in played for claim in claims]
    for claim in claims:
        sys.stdout.write(f"{'ok ' if claim.holds else 'BAD'}  {claim.text}: {claim.figure}\n")
    failed = sum(not claim.holds for claim in claims)
    sys.stdout.write(f"{len(claims) - failed} of {len(claims)} claims hold\n")
    return 1 if failed else 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What `--check` says, whether it is so, and the figure."""

    text: str
    holds: bool
    figure: str


async def _claims(world: World, stage: Stage) -> list[Claim]:
    """Play both scenes on *stage* and return what came of them."""
    claims: list[Claim] = []
    for scene in (_answered, _stopped):
        try:
            claims += await scene(world, stage)
        except TimeoutError:
            claims.append(Claim(f"{stage.name} {scene.__name__[1:]}", False, f"not within {PATIENCE:g} s"))
    verdict = await stage.verdict()
    for bad in ("pings", "unfurls", "masks", "never_final", "refused", "errors"):
        text = f"{stage.name} {bad.replace('_', ' ')}"
        claims.append(Claim(text, not verdict[bad], str(verdict[bad] or "none")))
    return claims


async def _answered(world: World, stage: Stage) -> list[Claim]:
    """Play an answer to its end: its text is what the model sent."""
    question = f"{QUESTION} Asked on {stage.name}."
    asked = await stage.say(question)
    pages = await until(lambda: _final(stage, asked))
    sent = (await world.claude.find(question=question))["text"].strip()
    shown = "\n".join(page["text"] for page in pages)
    log = await stage.log()
    said = _when(log, "say")
    writes = sum(entry["kind"] in {"post", "edit"} for entry in log)
    placeholder = f"placeholder after {_ms(_when(log, 'post') - said)}, {writes} writes in all"
    return [
        Claim(f"{stage.name} answered", True, placeholder),
        Claim(
            f"{stage.name} final text", shown == sent, f"{len(shown)} characters of the model's {len(sent)}"
        ),
    ]


async def _stopped(world: World, stage: Stage) -> list[Claim]:
    """Play an answer until a stop emoji: the message is final and the model's stream is closed."""
    question = f"{LONG_QUESTION} Asked on {stage.name}."
    asked = await stage.say(question)
    pages = await until(lambda: _begun(stage, asked))
    before = len(await stage.log())
    await stage.stop(pages[-1][stage.id])
    pages = await until(lambda: _final(stage, asked))
    log = (await stage.log())[before:]
    reacted = _when(log, "react")
    edited = _when([entry for entry in log if not entry.get("live")], "edit")
    claims = [
        Claim(
            f"{stage.name} stopped",
            "Stopped" in pages[-1]["note"],
            f"final edit {_ms(edited - reacted)} after the emoji",
        )
    ]
    request = await world.claude.find(question=question)
    closed = request["state"] == "closed"
    figure = f"{_ms(request['times']['end'] - reacted)} after the emoji" if closed else "no"
    return [*claims, Claim(f"{stage.name} upstream hung up", closed, figure)]


async def _begun(stage: Stage, asked: str) -> list[dict[str, Any]]:
    pages = await stage.answers(asked)
    return pages if pages and len(pages[-1]["text"]) > len("…") else []


async def _final(stage: Stage, asked: str) -> list[dict[str, Any]]:
    pages = await stage.answers(asked)
    return [] if any(page["live"] for page in pages) else pages


def _when(log: Sequence[dict[str, Any]], kind: str) -> float:
    """Return when the first entry of *kind* was made."""
    return float(next((entry["t"] for entry in log if entry["kind"] == kind), "nan"))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
