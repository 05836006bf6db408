"""Draws the README's picture from the demo itself: `python -m tests.picture docs/demo.svg`."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from rich.console import Console

from bot.run.demo import playing
from bot.run.screen import Scene
from bot.run.stage import stages


async def draw() -> str:
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: ASYNC230, SIM115, PTH123
    async with playing(real=False) as world:
        scene = Scene(stages(world))
        await scene.play()
        console.print(await scene.draw())
    console.file.close()
    svg = console.export_svg(title="rivulet demo")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # no fonts from other people's hosts


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(asyncio.run(draw()))
