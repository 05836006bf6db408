"""What `rivulet demo` shows on a terminal: both chats side by side, then a prompt."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.events import ALLOW
from bot.run.scenes import LONG_QUESTION, QUESTION
from bot.run.stage import NOTHING, Stage, stages, until
from bot.run.theatre import performing

COLOURS = {"slack": "magenta", "discord": "blue"}
#: Seconds between two looks at what the chats show; edits come about once a second.
FRAME = 0.1
#: Seconds that people take to see that an answer is not what they want.
READING = 2.5
HELP = (
    "Type a question for Slack, /discord QUESTION for Discord, /stop to react with 🛑, "
    "/press LABEL to press a button,\n"
    "/file PATH QUESTION to attach a file, /follow TEXT to write on without a mention, /quit to leave."
)


async def show(host: str) -> int:
    """Play the scene, then take questions until the input ends; the theatre's page listens on *host*."""
    console = Console()
    console.print("[dim]Starting Slack, Discord and Claude on this machine …[/]")
    async with performing(real=True, host=host) as (world, page):
        console.print(f"The theatre: [bold]{page.url}[/] shows all of this in a browser, live.\n")
        scene = Scene(stages(world))
        with Live(console=console, auto_refresh=False) as live:
            await _shown(scene, live)
        console.print(f"\n{HELP}")
        await Prompt(console, stages(world)).run()
    return 0


async def _shown(scene: Scene, live: Live) -> None:
    """Play *scene*, and draw it as it goes on."""
    playing = asyncio.create_task(scene.play())
    try:
        while not playing.done():
            live.update(await scene.draw(), refresh=True)
            await asyncio.sleep(FRAME)
        playing.result()
        live.update(await scene.draw(), refresh=True)
    finally:
        playing.cancel()
        await asyncio.wait({playing})


class Scene:
    """On both platforms: one answer to its end, and one that a stop emoji ends.

    Args:
        on: The platforms' stages.
    """

    def __init__(self, on: list[Stage]) -> None:
        self._stages = on
        self._said: dict[str, list[str]] = {stage.name: [] for stage in on}
        self._reacted: set[str] = set()

    async def play(self) -> None:
        """Play it; takes about 15 s."""
        await asyncio.gather(*(self._act(stage) for stage in self._stages))

    async def draw(self) -> RenderableType:
        """Return both chats as people see them now."""
        grid = Table.grid(expand=True)
        for _ in self._stages:
            grid.add_column(ratio=1)
        grid.add_row(*[await self._chat(stage) for stage in self._stages])
        return grid

    async def _act(self, stage: Stage) -> None:
        await self._ask(stage, QUESTION)
        await until(lambda: self._ended(stage), patience=60)
        await self._ask(stage, LONG_QUESTION)
        await until(lambda: self._talks(stage), patience=60)
        await asyncio.sleep(READING)
        message = (await stage.answers(self._said[stage.name][-1]))[-1][stage.id]
        self._reacted.add(message)
        await stage.stop(message)
        await until(lambda: self._ended(stage), patience=60)

    async def _ask(self, stage: Stage, text: str) -> None:
        self._said[stage.name].append(await stage.say(text, NOTHING))

    async def _ended(self, stage: Stage) -> bool:
        pages = await stage.answers(self._said[stage.name][-1])
        return bool(pages) and not any(page["live"] for page in pages)

    async def _talks(self, stage: Stage) -> bool:
        pages = await stage.answers(self._said[stage.name][-1])
        return bool(pages) and len(pages[-1]["text"]) > 1

    async def _chat(self, stage: Stage) -> RenderableType:
        rows: list[RenderableType] = []
        for question, text in zip(self._said[stage.name], (QUESTION, LONG_QUESTION), strict=False):
            rows.append(Text.assemble((f"{stage.person}  ", "bold"), ("@rivulet ", "cyan"), text))
            rows += [self._message(page, stage) for page in await stage.answers(question)]
        return Panel(Group(*rows), title=stage.name.capitalize(), border_style=COLOURS[stage.name])

    def _message(self, page: dict[str, Any], stage: Stage) -> RenderableType:
        rows: list[RenderableType] = [Text("rivulet", style="bold green"), Markdown(page["text"])]
        if page["note"]:
            rows.append(Text(page["note"], style="italic dim"))
        if page["controls"]:
            rows.append(
                Text.assemble(
                    *(part for label in page["controls"] for part in ((f" {label} ", "reverse"), " "))
                )
            )
        if page[stage.id] in self._reacted:
            rows.append(Text("🛑 1"))
        return Group(*rows, Text())


class Prompt:
    """Takes questions and prints the answers as they grow.

    Args:
        console: Where to.
        on: The platforms' stages; the first is the default.
    """

    def __init__(self, console: Console, on: list[Stage]) -> None:
        self._console = console
        self._stages = {f"/{stage.name}": stage for stage in on}
        self._stage = on[0]
        self._follower: asyncio.Task[None] | None = None
        self._asked = ""

    async def run(self) -> None:
        """Obey until the input ends or says /quit."""
        while line := await self._line():
            match line.strip().split(" ", 1):
                case ["/quit" | "/exit"]:
                    break
                case ["/stop"]:
                    await self._stop()
                case ["/follow", text]:
                    await self._follow_up(text)
                case ["/file", rest] if len(parts := rest.split(" ", 1)) == 2:  # noqa: PLR2004  path and text
                    await self._ask(self._stage, parts[1], Path(parts[0]))
                case ["/press", label]:
                    await self._press(label.strip())
                case [name, text] if name in self._stages:
                    await self._ask(self._stages[name], text)
                case [name] if name in {*self._stages, "", "/help", "/follow", "/file", "/press"}:
                    self._console.print(HELP)
                case _:
                    await self._ask(self._stage, line.strip())
        if self._follower:
            self._follower.cancel()
            await asyncio.wait([self._follower])

    async def _line(self) -> str:
        if not self._follower or self._follower.done():
            self._invite()
        loop = asyncio.get_running_loop()
        line: asyncio.Future[str] = loop.create_future()
        threading.Thread(target=_read, args=(loop, line), daemon=True).start()
        return await line

    def _invite(self) -> None:
        if sys.stdin.isatty():
            self._console.print("[cyan]> [/]", end="")

    async def _follow_up(self, text: str) -> None:
        """Write on below the last answer, without a mention."""
        if not self._asked or (self._follower and not self._follower.done()):
            self._console.print("[dim]There is no answer to follow yet.[/]")
            return
        self._asked = await self._stage.follow(self._asked, text)
        self._follower = asyncio.create_task(self._follow(self._stage, self._asked))

    async def _ask(self, stage: Stage, text: str, path: Path | None = None) -> None:
        if self._follower and not self._follower.done():
            self._console.print("[dim]Another answer is running; /stop ends it.[/]")
            return
        self._stage = stage
        files: dict[str, bytes] = {}
        if path:
            try:
                files[path.name] = await asyncio.to_thread(path.read_bytes)
            except OSError as error:
                self._console.print(f"[dim]{path} can't be read: {error.strerror}.[/]")
                return
        self._asked = await stage.say(text.removeprefix("@rivulet").strip(), files)
        self._follower = asyncio.create_task(self._follow(stage, self._asked))

    async def _follow(self, stage: Stage, asked: str) -> None:
        """Print what becomes visible, as it does, message by message."""
        shown: dict[str, str] = {}
        offered: set[str] = set()
        while True:
            pages = await stage.answers(asked)
            for page in pages:
                self._grow(page, page[stage.id], shown)
                if page[stage.id] not in offered and ALLOW.label in page["controls"]:
                    offered.add(page[stage.id])
                    self._console.print(f"\n[reverse] {' [/] [reverse] '.join(page['controls'])} [/]")
            if pages and not any(page["live"] for page in pages):
                note = pages[-1]["note"]
                self._console.print(f"\n[dim italic]{note}[/]\n" if note else "\n")
                self._invite()
                return
            await asyncio.sleep(FRAME)

    def _grow(self, page: dict[str, Any], message: str, shown: dict[str, str]) -> None:
        """Print what has come to *message* since it was last looked at."""
        text, before = page["text"], shown.get(message, "")
        text = "" if text == "…" else text
        if not text.startswith(before):
            before = ""  # it was said anew
        if text[len(before) :] and not before and shown:
            self._console.print()
        self._console.print(text[len(before) :], end="", markup=False, highlight=False)
        if text:
            shown[message] = text

    async def _press(self, label: str) -> None:
        for page in reversed(await self._stage.answers(self._asked) if self._asked else []):
            if found := next((each for each in page["controls"] if each.lower() == label.lower()), None):
                await self._stage.press(page[self._stage.id], found)
                return
        self._console.print(f"[dim]There is no button {label!r}.[/]")

    async def _stop(self) -> None:
        pages = await self._stage.answers(self._asked) if self._asked else []
        if pages and pages[-1]["live"]:
            await self._stage.stop(pages[-1][self._stage.id])
        else:
            self._console.print("[dim]No answer is running.[/]")


def _read(loop: asyncio.AbstractEventLoop, line: asyncio.Future[str]) -> None:
    """Read a line for *line*, in a thread that nobody waits for: Ctrl-C must not wait for Enter."""
    said = sys.stdin.readline()

    def tell() -> None:
        if not line.done():
            line.set_result(said)

    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(tell)
