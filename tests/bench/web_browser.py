"""What a real browser sees of the chat page, and what the page costs it, from its own trace."""

from __future__ import annotations

import asyncio
import json
import random
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from playwright.async_api import Browser, Page

from tests.bench.figures import percentile, spread
from tests.bench.texts import deltas, markdown, paced, prose
from tests.browser import launched

if TYPE_CHECKING:
    from tests.bench.web import Place

#: First texts, and stops, that are timed.
FIRSTS, QUICK_FIRSTS, STOPS, QUICK_STOPS = 20, 3, 200, 10
#: Deltas a second of a growing answer, and seconds for which its frames are looked at.
RATE, WATCHED, QUICK_WATCHED = 60.0, 8.0, 2.5
#: Characters of answers that are there already when frames are timed, and of one that comes at once.
SHORT, LONG, WHOLE = 4_000, 64_000, 50_000
#: Keeps the time of each frame in which text changed, in seconds of the wall clock.
WATCH = """() => {
  window.frames_ = [];
  let due = false;
  new MutationObserver(() => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      frames_.push((performance.timeOrigin + performance.now()) / 1000);
    });
  }).observe(document.getElementById("log"), {childList: true, subtree: true, characterData: true});
}"""


async def browsed(place: Place, rng: random.Random, *, quick: bool) -> dict[str, Any]:
    """Measure what a browser sees."""
    async with launched() as browser:
        measured = {
            "page": await _weight(place, browser),
            "first_ms": await _firsts(place, browser, QUICK_FIRSTS if quick else FIRSTS),
            "frames": await _frames(place, browser, rng, QUICK_WATCHED if quick else WATCHED),
            "stop_ms": await _stops(place, browser, rng, QUICK_STOPS if quick else STOPS),
            "main": await _main(place, browser, rng, QUICK_WATCHED if quick else WATCHED),
        }
        await browser.close()
    return measured


async def _opened(place: Place, browser: Browser) -> Page:
    """Open a tab of a person who has signed in."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(place.url)
    await page.fill("#token", "the-token-of-person-3")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#text")
    await page.evaluate(WATCH)
    return page


async def _weight(place: Place, browser: Browser) -> dict[str, Any]:
    """Return how much the page is, as files and as sent, and when it is first painted; medians of five."""
    page = await _opened(place, browser)
    paints: list[float] = []
    files = wire = 0
    for _ in range(5):
        await page.goto("about:blank")
        session = await page.context.new_cdp_session(page)
        await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        await page.goto(place.url, wait_until="networkidle" if not paints else "load")
        await page.wait_for_timeout(300)
        seen = await page.evaluate(
            """() => [performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
                [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")]
                    .filter((each) => !each.name.includes("/events/"))
                    .map((each) => [each.decodedBodySize, each.transferSize])]"""
        )
        paints.append(seen[0] or 1e9)
        files, wire = (sum(each[index] for each in seen[1]) for index in (0, 1))
    await page.context.close()
    return {
        "kb": round(files / 1000, 1),
        "wire_kb": round(wire / 1000, 1),
        "paint_ms": percentile(paints, 50),
    }


async def _said(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.keyboard.press("Enter")


async def _fresh(page: Page) -> None:
    await page.evaluate("document.getElementById('new').click()")
    await page.wait_for_selector("article", state="detached")


async def _request(place: Place, question: str, kind: str) -> float:
    """Return when the emulator logged *kind* of the request with *question*, in monotonic seconds."""
    async with asyncio.timeout(10):
        while True:
            found = await place.world.claude.find(question=question)
            for each in await place.world.claude.events(kinds=[kind]):
                if found and each["id"] == found["id"]:
                    return float(each["t"])
            await asyncio.sleep(0.02)


async def _firsts(place: Place, browser: Browser, count: int) -> dict[str, float]:
    """Return the time from the model's first delta until its text is on the screen."""
    page = await _opened(place, browser)
    await place.world.claude.script(steps=[0.4, "Now.", 0.3], when="begin")
    offset, took = time.time() - time.monotonic(), []
    for _ in range(count):
        await _fresh(page)
        question = f"begin {uuid4().hex[:8]}"
        await page.evaluate(
            """() => { delete document.body.dataset.seen; const look = () => {
                if (document.querySelector("article.bot .body")?.textContent.includes("Now."))
                    document.body.dataset.seen = (performance.timeOrigin + performance.now()) / 1000;
                else requestAnimationFrame(look); }; look(); }"""
        )
        await _said(page, question)
        await page.wait_for_selector("body[data-seen]")
        shown = float(await page.evaluate("document.body.dataset.seen"))
        took.append((shown - offset - await _request(place, question, "first")) * 1000)
    await page.context.close()
    return spread(took)


async def _frames(place: Place, browser: Browser, rng: random.Random, seconds: float) -> dict[str, float]:
    """Return the time between two frames that showed more, while an answer grows."""
    page = await _opened(place, browser)
    text = prose(rng, int(RATE * seconds * 5))
    await place.world.claude.script(steps=paced(text, RATE, 0.3), when="grow")
    await _said(page, f"grow {uuid4().hex[:8]}")
    await page.wait_for_selector("article.live .block")
    await page.evaluate("frames_.length = 0")
    await asyncio.sleep(seconds - 1)
    times = await page.evaluate("frames_")
    gaps = [(later - earlier) * 1000 for earlier, later in pairwise(times)]
    await page.context.close()
    return {"gap_p95_ms": round(percentile(gaps, 95), 1), "gap_max_ms": round(max(gaps), 1), "n": len(gaps)}


async def _stops(place: Place, browser: Browser, rng: random.Random, count: int) -> dict[str, float]:
    """Return the time from a click on Stop until the model's stream is closed."""
    page = await _opened(place, browser)
    await place.world.claude.script(
        steps=[*paced(prose(rng, 4_000), 50.0, 0.02), {"stall": True}], when="halt"
    )
    offset, took = time.time() - time.monotonic(), []
    for _ in range(count):
        await _fresh(page)
        question = f"halt {uuid4().hex[:8]}"
        await _said(page, question)
        await page.wait_for_selector("article.live .block")
        await asyncio.sleep(rng.uniform(0.0, 0.2))
        clicked = await page.evaluate(
            """() => { const now = (performance.timeOrigin + performance.now()) / 1000;
                document.getElementById("stop").click(); return now; }"""
        )
        took.append((await _request(place, question, "closed") - (clicked - offset)) * 1000)
    await page.context.close()
    return spread(took)


async def _main(place: Place, browser: Browser, rng: random.Random, seconds: float) -> dict[str, Any]:
    """Return what the main thread does: at most at once, and for a frame of a short and of a long answer."""
    whole = markdown(rng, WHOLE)
    pieces = deltas(whole)
    grouped = ["".join(pieces[at : at + 20]) for at in range(0, len(pieces), 20)]
    steps: list[Any] = [step for each in grouped for step in (each, seconds / len(grouped))]
    longest, _ = await _traced(place, browser, steps, seconds + 2.0, settle=0.0)
    costs = {}
    for name, size in (("short", SHORT), ("long", LONG)):
        grown = paced(prose(rng, int(RATE * (seconds + 25) * 5)), RATE)
        _, costs[name] = await _traced(
            place, browser, [markdown(rng, size), "\n\n", *grown], seconds, settle=5.0
        )
    return {
        "blocked_ms": round(longest, 1),
        "short_frame_ms": round(costs["short"], 2),
        "long_frame_ms": round(costs["long"], 2),
        "growth": round(costs["long"] / costs["short"], 2),
    }


async def _traced(
    place: Place, browser: Browser, steps: list[Any], seconds: float, settle: float
) -> tuple[float, float]:
    """Return the longest task of the main thread, and the milliseconds of all for each frame that changed."""
    page = await _opened(place, browser)
    word = f"trace {uuid4().hex[:8]}"
    await place.world.claude.script(steps=steps, when=word)
    await _said(page, word)
    await page.wait_for_selector("article.bot .block")
    await asyncio.sleep(settle)
    await page.evaluate("frames_.length = 0")
    await browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline", "__metadata"])
    await asyncio.sleep(seconds)
    trace = json.loads(await browser.stop_tracing())["traceEvents"]
    frames = await page.evaluate("frames_.length")
    await page.context.close()
    tasks = _main_tasks(trace)
    return max(tasks), sum(tasks) / max(1, frames)


def _main_tasks(trace: list[dict[str, Any]]) -> list[float]:
    """Return the milliseconds of each task of the page's main thread, which is the busiest of its kind.

    They are of the thread's own clock: what else a busy machine does is not the page's.
    """
    mains = {
        (each["pid"], each["tid"])
        for each in trace
        if each.get("name") == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    tasks: dict[tuple[int, int], list[float]] = {main: [0.0] for main in mains}
    for each in trace:
        if each.get("ph") == "X" and "RunTask" in each["name"] and (each["pid"], each["tid"]) in mains:
            tasks[each["pid"], each["tid"]].append(each.get("tdur", each.get("dur", 0)) / 1000)
    return max(tasks.values(), key=sum)
