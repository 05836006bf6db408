"""What a thread of 2,000 messages with 60 pictures costs: memory, requests, and what is read of it.

All pictures are among the messages that are read, so each of them could be fetched.  Memory is the process's
peak as the kernel keeps it, over what it had before the thread was written.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from adapters.discord.incoming import history as discord
from adapters.slack import history as slack
from bot.files import Bounds
from tests.bench.first_token import opened, said
from tests.bench.rig import Entry, Rig, Side

#: Messages and pictures; every third of the last messages has a picture.
MESSAGES, PICTURES = 2_000, 60
QUICK_MESSAGES, QUICK_PICTURES = 200, 16
EVERY = 3
#: A picture's pixels, how far they differ (it has 0.4 MB then), and how many pictures there are that differ.
SIZE, NOISE, DIFFERENT = (1600, 1200), 12, 4
#: Requests that one answer may make to read: what stands in the adapters, and its files.
BOUND = {
    "slack": slack.REQUESTS + slack.AUTHORS + Bounds().count,
    "discord": discord.PAGES + 1 + discord.FETCHES + discord.PAGES + Bounds().count,
}
#: Slack's methods that read.
READING = ("conversations.", "users.", "files.info", "usergroups.")
#: Seconds for the bot to hear the thread, and to answer.
HEARING, PATIENCE = 1.5, 60.0
PEOPLE = 12
#: The newest messages and pictures, which must be in the request.
NEWEST, SHOWN = 50, 10


async def bench(rig: Rig, *, quick: bool) -> dict[str, Any]:
    """Ask at the end of such a thread on each platform; and, but if *quick*, of one with heavy pictures."""
    messages, pictures = (QUICK_MESSAGES, QUICK_PICTURES) if quick else (MESSAGES, PICTURES)
    await rig.world.claude.script(steps=["Much was said."], when="what of all this")
    shown = {
        f"{side.name} {kind}".removesuffix(" screenshots"): await _asked(rig, side, kind, messages, pictures)
        for kind in ("screenshots", *(() if quick else ("photos",)))
        for side in rig.sides
    }
    return {"messages": messages, "pictures": pictures, **shown}


async def _asked(rig: Rig, side: Side, kind: str, messages: int, pictures: int) -> Entry:
    idle = rig.bot.seen.memory_info().rss
    place = await _written(side, kind, messages, pictures)
    await asyncio.sleep(HEARING)
    _forget_peak(rig.bot.seen.pid)
    since = (await side.remote.events())[-1]["n"] + 1
    text = f"what of all this on {side.name}, {kind}?"
    await said(side, place, side.person, f"{side.mention} {text}")
    note = await _answer(side, place)
    found = await rig.world.claude.find(question=text)
    log = await side.remote.events(since=since, kinds=["call", "download"])
    requests = sum(map(_reads, log))
    return {
        "peak_mb": round((_peak(rig.bot.seen.pid) - idle) / 1e6, 1),
        "left_mb": round((rig.bot.seen.memory_info().rss - idle) / 1e6, 1),
        "requests": requests,
        "bound": BOUND[side.name],
        "over_bound": max(0, requests - BOUND[side.name]),
        "note": note,
        "request_mb": round(len(json.dumps(found["body"])) / 1e6, 1),
        **_read(found["body"], note, messages, pictures),
    }


async def _written(side: Side, kind: str, messages: int, pictures: int) -> dict[str, str]:
    """Write the thread; return where to say more."""
    people = [f"{'U8' if side.name == 'slack' else '8'}{number:05}" for number in range(PEOPLE)]
    place = await opened(side, side.channel(1 + (kind == "photos")), people, {})
    files = _pictures(kind)
    calls = []
    for number in range(messages):
        left = messages - 1 - number
        picture, odd = divmod(left, EVERY)
        sent = (
            {}
            if odd or picture >= pictures
            else {f"shot{pictures - 1 - picture}.jpg": files[picture % DIFFERENT]}
        )
        text = f"line {number}: the tests of the branch pass, and we could merge it today."
        calls.append(
            {**place, "user": people[number % PEOPLE], "text": text, **({"files": sent} if sent else {})}
        )
    for start in range(0, messages, 100):
        await side.remote.many(method="say", calls=calls[start : start + 100])
    return place


def _pictures(kind: str) -> list[str]:
    """Return pictures of one kind: pages of text as a screen shows them, or what a camera makes of a wall."""
    found = []
    for number in range(DIFFERENT):
        out = BytesIO()
        if kind == "photos":
            Image.effect_noise(SIZE, NOISE).convert("RGB").save(out, "JPEG", quality=75)
        else:
            page = Image.new("RGB", SIZE, "white")
            text = "\n".join([f"{number} " + "the quick brown fox jumps over the lazy dog " * 4] * 70)
            ImageDraw.Draw(page).text((20, 20), text, "black")
            page.save(out, "PNG")
        found.append(base64.b64encode(out.getvalue()).decode())
    return found


async def _answer(side: Side, place: Mapping[str, str]) -> str:
    """Return the note below the answer, once it is there."""
    async with asyncio.timeout(PATIENCE):
        while True:
            pages = await side.pages(place["channel"])
            there = [page for page in pages if "Much was said." in page["text"] and not page["live"]]
            if there:
                return str(there[-1]["note"])
            await asyncio.sleep(0.2)


def _reads(entry: Entry) -> bool:
    """Tell whether *entry* of a log is a request that reads."""
    if entry["kind"] == "download" or "path" in entry:
        return bool(entry.get("method", "GET") == "GET")
    return str(entry["method"]).startswith(READING)


def _read(body: Entry, note: str, messages: int, pictures: int) -> Entry:
    """Return whether the newest messages and pictures are in the request, and the rest is said to be not."""
    words = "\n".join(_texts(body["messages"]))
    images = json.dumps(body).count('"type": "image"')
    read = {*map(int, re.findall(r"\(Attached: shot(\d+)\.jpg\)", words))}
    lines = [*map(int, re.findall(r"line (\d+):", words))]
    gap = "Earlier messages were left out here." in words
    return {
        "lines": len(lines),
        "images": images,
        "newest_missing": lines[-NEWEST:] != [*range(messages - NEWEST, messages)],
        "pictures_missing": len(read) != images or not {*range(pictures - SHOWN, pictures)} <= read,
        "untold": not gap or f"{pictures - images} older files" not in note,
    }


def _texts(messages: Sequence[Entry]) -> Iterable[str]:
    """Yield all texts of a request, in their order."""
    for message in messages:
        content = message["content"]
        yield from [content] if isinstance(content, str) else [part.get("text", "") for part in content]


def _forget_peak(process: int) -> None:
    """Let the kernel keep the peak of the memory from now on (proc(5), clear_refs)."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def _peak(process: int) -> int:
    """Return the peak of the memory of *process*, in bytes."""
    [found] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found) * 1024


def rows(measured: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was measured, for the table."""
    told = f"{measured['messages']:,} messages, {measured['pictures']} pictures"
    table = []
    for name, seen in measured.items():
        if isinstance(seen, Mapping):
            table.append(
                (f"{name}: {told}, MB above idle, at the peak, left", f"{seen['peak_mb']}, {seen['left_mb']}")
            )
            table.append((f"{name}: requests that read, at most", f"{seen['requests']}, {seen['bound']}"))
            read = f"{seen['lines']}, {seen['images']}, {seen['request_mb']}"
            table.append((f"{name}: messages, pictures and MB of the request", read))
            table.append((f"{name}: note", seen["note"]))
    return table
