"""`rivulet demo`: the real adapters and core against emulators in a process of their own; needs no account.

`--check` plays the same scenes without a terminal, the emulators being the judge.  Must never judge by
what the bot believes, only by what the emulators saw.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import adapters
from adapters.emulators.process import World, spawned
from bot.config import Settings
from bot.platform import Platform
from bot.run import logs
from bot.run.scenes import (
    BOAT_QUESTION,
    CROWD_QUESTION,
    DEPTH_QUESTION,
    LONG_QUESTION,
    QUESTION,
    TABLE_QUESTION,
    claims,
)
from bot.run.stage import stages, until
from bot.tools import Offered, tool

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
TABLE = (
    "Here are three, side by side:\n\n"
    "| river | length | rises in | ends in |\n|---|---:|---|---|\n"
    "| Lena | 4,294 km | the Baikal mountains | the **Arctic** |\n"
    "| Mekong | 4,350 km | the Tibetan plateau | the South China Sea |\n"
    "| Danube | 2,850 km | the Black Forest | the Black Sea |\n\n"
    "To sort them yourself:\n\n"
    '```python\nrivers = {"Lena": 4294, "Mekong": 4350, "Danube": 2850}\n'
    "for name in sorted(rivers, key=rivers.get, reverse=True):\n    print(name, rivers[name])\n```\n\n"
    "> Lengths of rivers are never *quite* settled: each source has its own source.\n\n"
    "- The Mekong passes through\n  - China, Myanmar, Laos,\n  - Thailand, Cambodia and Vietnam.\n"
    "- The Danube passes through ten countries, more than any other."
)
FACT = (
    "It has **no name** on most maps. In spring it is as wide as a street, in August one can walk through "
    "it, and it has carried the same mill for three hundred years. Nobody has ever measured it in full: who "
    "begins at its mouth stays for supper at the second bridge. What is known is that it is *never* late."
)

#: What the scenes call: a tool and its river.
CALLS = (("book_a_boat", "Lena"), ("sound_a_river", "Mekong"))


def tools() -> list[Offered]:
    """Return the tools of the scenes: one that asks first, and one that takes its time."""

    @tool(title="booking a boat", writes=True, asks=True)
    async def book_a_boat(river: str) -> str:
        """Book a boat on a river."""
        return f"A boat on the {river} is booked."

    @tool(title="sounding the river", seconds=60.0)
    async def sound_a_river(river: str) -> str:
        """Measure how deep a river is today; takes a while."""
        await asyncio.sleep(30)
        return f"The {river} is 7 m deep today."

    return [book_a_boat, sound_a_river]


def _paced(text: str, pause: float) -> list[str | float]:
    """Return *text* word by word, as a script."""
    return [step for word in text.split(" ") for step in (f"{word} ", pause)]


_BOAT, _DEPTH = ({"tool": name, "input": {"river": river}} for name, river in CALLS)
#: What the model says to which question.
SCRIPTS: dict[str, list[Any]] = {
    QUESTION: [{"resumes": 0}, 0.4, *_paced(ANSWER, 0.05)],
    LONG_QUESTION: [{"resumes": 0}, 0.4, *_paced(RIVERS * 100, 0.05)],
    TABLE_QUESTION: [{"resumes": 0}, 0.4, *_paced(TABLE, 0.06)],
    CROWD_QUESTION: [0.4, *_paced(FACT, 0.08)],
    BOAT_QUESTION: ["Let me ask. ", _BOAT, "Your boat is booked."],
    DEPTH_QUESTION: ["I look. ", _DEPTH, "It is 7 m deep."],
}


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

        settings = Settings(**({} if key else emulated(world)))
        given = {"_env_file": None, **redirected(world)}
        platforms = [platform for name in adapters.NAMES if (platform := adapters.load(name, **given))]
        await script(world)
        async with claude_of(settings) as claude:
            ours = [*tools(), *offered(settings.tools)]
            core = build(settings, platforms, patient_of(settings, claude), tools=ours)
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


async def script(world: World) -> None:
    """Tell Claude's emulator what to answer."""
    for question, steps in SCRIPTS.items():
        await world.claude.script(steps=steps, when=question)


def emulated(world: World) -> dict[str, Any]:
    """Return the settings that lead to Claude's emulator."""
    return {"ANTHROPIC_API_KEY": "demo", "ANTHROPIC_BASE_URL": world.claude.url}


def redirected(world: World) -> dict[str, str]:
    """Return the settings that lead the adapters to the emulators."""
    return {
        "SLACK_BOT_TOKEN": "xoxb-demo",
        "SLACK_APP_TOKEN": "xapp-demo",
        "SLACK_API_URL": f"{world.slack.url}/api/",
        "DISCORD_BOT_TOKEN": "demo",
        "DISCORD_API_URL": f"{world.discord.url}/api/v10",
        "DISCORD_GATEWAY_URL": f"{world.discord.url.replace('http', 'ws', 1)}/gw/",
        "RIVULET_DISCORD_GUILDS": "100",
    }


async def _all_up(platforms: Sequence[Platform]) -> bool:
    return all(platform.health == "up" for platform in platforms)


async def check() -> int:
    """Play the scenes on both platforms; print a line per claim; 0 if all hold."""
    async with playing(real=False) as world:
        played = await asyncio.gather(*(claims(world, stage) for stage in stages(world)))
    found = [claim for each in played for claim in each]
    for claim in found:
        sys.stdout.write(f"{'ok ' if claim.holds else 'BAD'}  {claim.text}: {claim.figure}\n")
    failed = sum(not claim.holds for claim in found)
    sys.stdout.write(f"{len(found) - failed} of {len(found)} claims hold\n")
    return 1 if failed else 0
