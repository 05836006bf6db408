"""`rivulet demo --record FILE`: plays scenes on the theatre's page and films them, as an animated WebP.

Each scene has a caption, which claims something; the emulators judge it while the scene is played, and a film
in which one does not hold is not kept.  What was claimed is written into it, so that a test can compare it.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from adapters.emulators.control import Remote
from adapters.emulators.discord.limits import DEFAULTS
from adapters.emulators.process import World
from adapters.emulators.slack.traffic import LIMITS
from bot.run.chromium import Film, found, showing
from bot.run.demo import SCRIPTS
from bot.run.scenes import CROWD_QUESTION, LONG_QUESTION, QUESTION, TABLE_QUESTION, Claim
from bot.run.stage import NOTHING, Stage, slack_stage, stages, until
from bot.run.theatre import performing
from bot.unavailable import Unavailable

WIDTH, HEIGHT = 1200, 750
#: WebP's quality; text stays legible, and the film under 3 MB.
QUALITY = 55
#: EXIF's ImageDescription, where the claims are.
DESCRIPTION = 0x010E
#: Bytes of the film.
LARGEST = 3_000_000
#: Seconds that a scene may take to come to its end.
PATIENCE = 60.0
#: Seconds that the end of a scene is shown.
HELD = 1.6


@dataclass(frozen=True, slots=True)
class Set:
    """Where scenes are played."""

    world: World
    page: Remote
    stages: list[Stage]
    film: Film


#: Whether each claim of a scene holds, and its figure.
Seen = list[tuple[bool, str]]


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene.

    Attributes:
        caption: What is said over it.
        play: Plays it, and tells for each of its claims whether it holds, and a figure.
        claims: What it claims.
    """

    caption: str
    play: Callable[[Set], Awaitable[Seen]]
    claims: tuple[str, ...]


async def record(path: Path) -> int:
    """Play and film all scenes into *path*; print a line per claim; 0 if all hold.

    Raises:
        Unavailable: There is no Chromium, or the file can't be written.
    """
    found()
    _expect_writable(path)
    async with performing(real=False) as (world, page), showing(page.url, WIDTH, HEIGHT) as tab:
        film, claimed = Film(tab), list[dict[str, Any]]()
        await until(lambda: page.events(kinds=["viewer"]), PATIENCE)
        for scene in SCENES:
            await until(lambda: _rested(page), 2 * PATIENCE)
            claims = await _played(scene, Set(world, page, stages(world), film))
            claimed.append({"caption": scene.caption, "claims": {each.text: each.figure for each in claims}})
            for each in claims:
                sys.stdout.write(f"{'ok ' if each.holds else 'BAD'}  {each.text}: {each.figure}\n")
            if not all(each.holds for each in claims):
                return 1
    size = await asyncio.to_thread(
        save, film, path, {"scenes": claimed, "script": digest(SCRIPTS), "limits": limits()}
    )
    seconds = sum(film.times) / 1000
    sys.stdout.write(f"{path}: {seconds:.0f} s, {len(film.pictures)} pictures, {size / 1e6:.2f} MB\n")
    return 0 if size <= LARGEST else 1


def save(film: Film, path: Path, told: dict[str, Any]) -> int:
    """Write *film* to *path*, with what is *told* in it; return its bytes."""
    exif = Image.Exif()
    exif[DESCRIPTION] = json.dumps(told)
    first, *rest = (Image.open(io.BytesIO(picture)).convert("RGB") for picture in film.pictures)
    shape = {"duration": film.times, "loop": 0, "quality": QUALITY, "method": 4, "minimize_size": True}
    first.save(path, "WEBP", save_all=True, append_images=rest, exif=exif.tobytes(), **shape)
    return path.stat().st_size


def digest(scripts: Mapping[str, Any]) -> str:
    """Return what stands for what is asked and answered."""
    return hashlib.sha256(json.dumps(scripts).encode()).hexdigest()[:16]


def limits() -> dict[str, Sequence[float]]:
    """Return (calls, seconds) of the limits that the film shows."""
    return {
        "chat.update": list(LIMITS["chat.update"]),
        "chat.postMessage": list(LIMITS["chat.postMessage"]),
        "PATCH messages": list(DEFAULTS["PATCH messages"]),
    }


def _expect_writable(path: Path) -> None:
    folder = path.absolute().parent
    if path.suffix != ".webp" or path.is_dir() or not folder.is_dir():
        raise Unavailable(f"{path}: the film is a .webp in a folder that exists.")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise Unavailable(f"{path}: nothing can be written there; choose another folder.") from error


async def _played(scene: Scene, on: Set) -> list[Claim]:
    await on.page.tell(caption=scene.caption)
    async with on.film.rolling():
        try:
            seen = await scene.play(on)
        except TimeoutError:
            seen = [(False, f"not within {PATIENCE:g} s")] * len(scene.claims)
        await asyncio.sleep(HELD)
    await on.page.tell(caption="")
    return [Claim(text, *each) for text, each in zip(scene.claims, seen, strict=True)]


async def _asked(on: Set, text: str) -> list[tuple[Stage, str]]:
    """Ask on both platforms; return the questions."""
    asked = await asyncio.gather(*(stage.say(text, NOTHING) for stage in on.stages))
    return list(zip(on.stages, asked, strict=True))


async def _growing(on: Set) -> Seen:
    """Let both platforms answer with a table and code."""
    asked = await _asked(on, TABLE_QUESTION)
    pages = [await until(partial(_ended, *each), PATIENCE) for each in asked]
    edits = [sum(page["edits"] for page in each) for each in pages]
    one = all(len(each) == 1 for each in pages) and min(edits) > 2  # noqa: PLR2004  it has grown
    return [(one, f"{edits[0]} and {edits[1]} edits")]


async def _stopping(on: Set) -> Seen:
    """Stop an answer on each platform with an emoji."""
    asked = await _asked(on, LONG_QUESTION)
    for stage, question in asked:
        page = await until(partial(_shows, stage, question, 200), PATIENCE)
        await stage.stop(page[stage.id])
    for each in asked:
        await until(partial(_ended, *each), PATIENCE)
    figures = (await on.page.figures())["platforms"]
    closed = {name: figures[name]["socket"] for name in ("slack", "discord")}
    shown = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in closed.items() if seconds)
    holds = all(seconds is not None and seconds < 1.0 for seconds in closed.values())
    return [(holds, shown)]


async def _killing(on: Set) -> Seen:
    """Kill the bot amid an answer; after its restart a person lets it go on."""
    asked = await _asked(on, QUESTION)
    for each in asked:
        await until(partial(_shows, *each, 60), PATIENCE)
    await on.page.act(act={"do": "kill"})
    await asyncio.sleep(HELD)
    on.film.holds = True
    await until(lambda: _restarted(on.page), PATIENCE)
    on.film.holds = False
    told = []
    for stage, question in asked:
        pages = await until(partial(_ended, stage, question), PATIENCE)
        told.append(pages[-1]["note"])
        await stage.press(pages[-1][stage.id], "Continue")
    for each in asked:
        await until(partial(_whole, *each), PATIENCE)
    said = all("Interrupted by a restart" in note for note in told)
    return [(said, told[0])]


async def _crowding(on: Set) -> Seen:
    """Let a crowd ask ours and a naive bot, on the same limits."""
    await on.page.tell(beside=True)
    before = await on.page.figures()
    question = f"{CROWD_QUESTION} 100, please."
    ours = slack_stage(on.world)
    asked = await ours.say(question, NOTHING)
    said = {"do": "say", "channel": "C1", "user": "U1", "text": f"@rivulet {question}"}
    await on.page.act(act={**said, "platform": "naive"})
    await on.page.act(act={"do": "crowd", "on": ["slack", "naive"]})
    await until(lambda: _ended(ours, asked), PATIENCE)
    await asyncio.sleep(2 * HELD)
    on.film.holds = True
    await until(lambda: _quiet(on.page), 2 * PATIENCE)
    on.film.holds = False
    told = (await on.page.figures())["platforms"]
    refused = told["slack"]["refused"] - before["platforms"]["slack"]["refused"]
    naive = told["naive"]
    return [
        (not refused, f"{refused} of {told['slack']['edits']} edits"),
        (not told["slack"]["cut"], f"{told['slack']['cut']} left incomplete"),
        (naive["cut"] > 0, f"{naive['cut']}, {naive['refused']} refused"),
    ]


async def _restarted(page: Remote) -> bool:
    return bool((await page.figures())["bot"] == "up")


async def _rested(page: Remote) -> bool:
    """Tell whether the edits of the scenes before count no more."""
    budgets = (await page.figures())["budgets"]["slack"]
    return all(each["used"] <= 2 for each in budgets if each["what"] == "chat.update")  # noqa: PLR2004  a few


async def _quiet(page: Remote) -> bool:
    told = (await page.figures())["platforms"]
    return not told["slack"]["live"] and not told["naive"]["live"]


async def _ended(stage: Stage, asked: str) -> list[dict[str, Any]]:
    pages = await stage.answers(asked)
    return [] if any(page["live"] for page in pages) else pages


async def _whole(stage: Stage, asked: str) -> bool:
    """Tell whether the answer has gone on to its end."""
    pages = await _ended(stage, asked)
    return "agree on" in "".join(page["text"] for page in pages)


async def _shows(stage: Stage, asked: str, characters: int) -> dict[str, Any] | None:
    """Return the last page, once so many *characters* are there."""
    pages = await stage.answers(asked)
    return pages[-1] if sum(len(page["text"]) for page in pages) >= characters else None


SCENES = (
    Scene("An answer is one message that grows by edits", _growing, ("each answer is one message",)),
    Scene("🛑 ends it, here and at the model", _stopping, ("the stop has closed the model's stream",)),
    Scene(
        "kill -9 in mid-answer: it says so, and goes on",
        _killing,
        ("both answers said that they were cut, and went on",),
    ),
    Scene(
        "A crowd asks ours, and a naive bot, on the same limits",
        _crowding,
        (
            "no edit and no post of ours was refused",
            "all of ours are whole",
            "a naive bot leaves answers incomplete",
        ),
    ),
)
