"""The scenes of `rivulet demo --check`, and what each claims; the emulators are the judge."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.emulators.process import World
from bot.run.stage import NOTHING, PATIENCE, Stage, until

QUESTION = "How does a rivulet become a river?"
LONG_QUESTION = "Tell me about every river on Earth."
BOAT_QUESTION = "May I have a boat for the Lena?"
DEPTH_QUESTION = "How deep is the Mekong today?"
TABLE_QUESTION = "Compare three rivers, please."
#: What everybody of a crowd asks; see `adapters.emulators.theatre.acts`.
CROWD_QUESTION = "Tell me something about river number"
PICTURE_QUESTION = "What is in this picture?"
FOLLOW_UP = "And what is not in it?"
#: One pixel.
PICTURE = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What `--check` says, whether it is so, and the figure."""

    text: str
    holds: bool
    figure: str


async def claims(world: World, stage: Stage) -> list[Claim]:
    """Play all scenes on *stage* and return what came of them."""
    found: list[Claim] = []
    for scene in SCENES:
        try:
            found += await scene(world, stage)
        except TimeoutError:
            found.append(Claim(f"{stage.name} {scene.__name__[1:]}", False, f"not within {PATIENCE:g} s"))
    verdict = await stage.verdict()
    for bad in ("pings", "unfurls", "masks", "never_final", "refused", "errors"):
        text = f"{stage.name} {bad.replace('_', ' ')}"
        found.append(Claim(text, not verdict[bad], str(verdict[bad] or "none")))
    return found


async def _answered(world: World, stage: Stage) -> list[Claim]:
    """Play an answer to its end: its text is what the model sent."""
    question = f"{QUESTION} Asked on {stage.name}."
    asked = await stage.say(question, NOTHING)
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
    asked = await stage.say(question, NOTHING)
    pages = await until(lambda: _begun(stage, asked))
    before = len(await stage.log())
    await stage.stop(pages[-1][stage.id])
    pages = await until(lambda: _final(stage, asked))
    log = (await stage.log())[before:]
    reacted = _when(log, "react")
    edited = _when([entry for entry in log if not entry.get("live")], "edit")
    stopped = [
        Claim(
            f"{stage.name} stopped",
            "Stopped" in pages[-1]["note"],
            f"final edit {_ms(edited - reacted)} after the emoji",
        )
    ]
    request = await world.claude.find(question=question)
    closed = request["state"] == "closed"
    figure = f"{_ms(request['times']['end'] - reacted)} after the emoji" if closed else "no"
    return [*stopped, Claim(f"{stage.name} upstream hung up", closed, figure)]


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


async def _pictured(world: World, stage: Stage) -> list[Claim]:
    """Ask about a picture, and write on below the answer without a mention."""
    question, then = f"{PICTURE_QUESTION} Asked on {stage.name}.", f"{FOLLOW_UP} Asked on {stage.name}."
    asked = await stage.say(question, {"picture.png": PICTURE})
    await until(lambda: _final(stage, asked))
    seen = "'type': 'image'" in str((await world.claude.find(question=question))["body"]["messages"])
    followed = await stage.follow(asked, then)
    await until(lambda: _final(stage, followed))
    read = question in str((await world.claude.find(question=then))["body"]["messages"])
    return [
        Claim(f"{stage.name} saw a picture", seen, "it was in the request"),
        Claim(f"{stage.name} took a follow-up", read, "without a mention, with what was said before"),
    ]


async def _asked_first(world: World, stage: Stage) -> list[Claim]:
    """Let a tool be called that asks first: nothing is done until a person allows the exact call."""
    asked = await stage.say(f"{BOAT_QUESTION} Asked on {stage.name}.", NOTHING)
    card = await until(lambda: _with(stage, asked, "Allow once"))
    shown, early = '"river": "Lena"' in card["text"], await _called(world, BOAT_QUESTION, stage)
    await stage.press(card[stage.id], "Allow once")
    pages = await until(lambda: _final(stage, asked))
    done = any("Your boat is booked" in page["text"] for page in pages)
    said = "the call was shown, and made when it was allowed"
    return [Claim(f"{stage.name} asked first", shown and done and not early, said)]


async def _stopped_amid(world: World, stage: Stage) -> list[Claim]:
    """Stop an answer while a tool runs."""
    asked = await stage.say(f"{DEPTH_QUESTION} Asked on {stage.name}.", NOTHING)
    page = await until(lambda: _noting(stage, asked, "sounding the river"))
    await stage.stop(page[stage.id])
    pages = await until(lambda: _final(stage, asked))
    stopped = "Stopped" in pages[-1]["note"] and not await _called(world, DEPTH_QUESTION, stage)
    return [Claim(f"{stage.name} stopped amid a tool", stopped, pages[-1]["note"])]


async def _called(world: World, question: str, stage: Stage) -> bool:
    """Tell whether the model has heard what a tool gave back."""
    request = await world.claude.find(question=f"{question} Asked on {stage.name}.")
    return any("tool_result" in str(message["content"]) for message in request["body"]["messages"])


async def _with(stage: Stage, asked: str, label: str) -> Any:
    """Return the message that has the button *label*, if there is one."""
    return next((page for page in await stage.answers(asked) if label in page["controls"]), None)


async def _noting(stage: Stage, asked: str, note: str) -> Any:
    return next((page for page in await stage.answers(asked) if note in page["note"]), None)


#: What `claims` plays, one after the other.
SCENES = (_answered, _stopped, _pictured, _asked_first, _stopped_amid)
