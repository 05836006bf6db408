"""The theatre in a real browser: what people see of answers, stops, tools, a kill, and hostile text."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, expect

from bot.run.scenes import BOAT_QUESTION, LONG_QUESTION, QUESTION, TABLE_QUESTION
from bot.run.theatre import performing
from tests.browser import MISSING, PATIENCE, browser, chromium
from tests.contract import until
from tests.test_theatre import open_house

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not (chromium() or os.environ.get("CI")), reason=MISSING),
]
AXE = Path(__file__).with_name("vendor") / "axe.min.js"
#: Where pictures of pages are kept whose test failed.
SHOTS = Path(".pytest_cache", "theatre")
#: Drops two files, which are together one byte more than a message takes.
DROP = """form => {
  const dataTransfer = new DataTransfer();
  for (const [name, size] of [["one.txt", 1], ["two.txt", 8 * 2 ** 20]])
    dataTransfer.items.add(new File([new Uint8Array(size)], name));
  form.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
}"""
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[click](javascript:alert(1)) <javascript:alert(1)|click>",
    "![x](https://evil.example/x.png) https://evil.example/y",
    "| a |\n|---|\n| <svg onload=alert(1)> |",
    "```html\n<iframe src=https://evil.example></iframe>\n```",
    "# " * 400 + "**" * 400 + "> " * 200,
    "&lt;b&gt;&#60;i&#62; \u202e\u2066 **[",
)


class Seen:
    """A page, and what it did that it must not.

    Attributes:
        hosts: Those that it asked for anything.
        errors: Scripts that failed, dialogs, and what the policy refused.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: self.hosts.add(re.split("[/?#]", request.url)[2]))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: self.errors.append(f"dialog {dialog.message}"))
        page.on("console", self._said)

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def pane(self, name: str) -> Locator:
        return self.page.locator(f"#{'left' if name == 'slack' else 'right'} .chat")

    def answer(self, name: str) -> Locator:
        """The newest message of the bot."""
        return self.pane(name).locator(".message.own").last

    async def ask(self, question: str) -> None:
        await self.page.select_option("#question", question)
        await self.page.click("#ask button")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def context() -> AsyncIterator[BrowserContext]:
    async with browser(viewport={"width": 1440, "height": 900}) as context:
        yield context


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage() -> AsyncIterator[Any]:
    async with performing(real=False) as (world, page):
        await world.claude.configure(speed=3.0)
        yield world, page


def _shot(name: str) -> Path:
    SHOTS.mkdir(parents=True, exist_ok=True)
    return SHOTS / f"{name}.png"


@asynccontextmanager
async def looking(context: BrowserContext, url: str, name: str) -> AsyncIterator[Seen]:
    """Open the page at *url*; keep a picture where the test *name* fails."""
    seen = Seen(await context.new_page())
    await seen.page.goto(url)
    await expect(seen.page.locator("#left .places button").first).to_be_visible()
    try:
        yield seen
    except BaseException:
        await seen.page.screenshot(path=_shot(name))
        raise
    finally:
        await seen.page.close()
    assert seen.errors == []
    assert {host.split(":")[0] for host in seen.hosts} == {"127.0.0.1"}


@pytest_asyncio.fixture(loop_scope="module")
async def seen(context, stage, request):
    async with looking(context, stage[1].url, request.node.name) as seen:
        yield seen


async def test_an_answer_grows_by_edits_and_is_drawn_as_each_platform_draws_it(seen):
    await seen.ask(TABLE_QUESTION)
    stops = [seen.answer(name).locator(".buttons button") for name in ("slack", "discord")]
    await asyncio.gather(*(expect(stop).to_have_text("Stop") for stop in stops))
    for name in ("slack", "discord"):
        await expect(seen.answer(name)).to_contain_text("ten countries")
        await expect(seen.answer(name).locator(".buttons button")).to_have_text("Try again")
    await expect(seen.answer("slack").locator("table tr")).to_have_count(4)
    await expect(seen.answer("slack").locator("td strong")).to_have_text("Arctic")
    await expect(seen.answer("discord").locator("pre").first).to_contain_text("Mekong │ 4,350 km")
    for name in ("slack", "discord"):
        await expect(seen.answer(name).locator("pre").last).to_contain_text("for name in sorted(rivers")
        await expect(seen.answer(name).locator("li li")).to_have_count(2)
    edits = seen.page.locator(".card.of-slack .figures b").first
    await expect(edits).not_to_have_text("0")
    await expect(seen.page.locator(".of-slack .figures b").nth(1)).to_have_text("0")


async def test_a_stop_by_button_and_by_emoji_ends_the_answer_and_the_models_connection(seen):
    await seen.ask(LONG_QUESTION)
    for name in ("slack", "discord"):
        await expect(seen.answer(name)).to_contain_text("There are more than")
    await seen.answer("slack").locator("button", has_text="Stop").click()
    await seen.answer("discord").hover()
    await seen.answer("discord").get_by_role("button", name="React with stop").click()
    await expect(seen.answer("slack")).to_contain_text("Stopped by ann.")
    await expect(seen.answer("discord")).to_contain_text("Stopped by")
    await expect(seen.answer("discord").locator(".reactions .mine")).to_contain_text("1")
    await expect(seen.page.locator(".models .closed em")).to_have_text(
        [re.compile("hung up .* after 🛑")] * 2
    )
    for name in ("slack", "discord"):
        await expect(seen.page.locator(f".of-{name} .figures b").nth(3)).to_contain_text(re.compile("s$"))
    await expect(seen.page.locator(".model h2 small")).to_have_text("0 connections open")


async def test_slacks_own_button_ends_a_native_stream(seen):
    slack = seen.pane("slack")
    await slack.locator(".places .dm").click()
    await slack.locator("textarea").fill(LONG_QUESTION)
    await slack.locator("textarea").press("Enter")
    await slack.locator("button.thread").last.click()
    await expect(seen.answer("slack")).to_contain_text("There are more than")
    await slack.locator(".typing button").click()
    await expect(seen.answer("slack")).to_contain_text("Stopped")
    await expect(slack.locator(".typing")).to_be_hidden()


async def test_a_tool_asks_first_and_is_called_once_it_is_allowed(seen, stage):
    await seen.ask(BOAT_QUESTION)
    for name in ("slack", "discord"):
        await expect(seen.answer(name)).to_contain_text("book_a_boat")
        assert not [
            asked for asked in await stage[0].claude.requests() if "tool_result" in str(asked["body"])
        ]
    for name in ("slack", "discord"):
        await seen.pane(name).locator("button", has_text="Allow once").click()
        await expect(seen.pane(name).locator(".list")).to_contain_text("Your boat is booked.")


async def test_people_write_in_threads_and_in_direct_messages_with_files(seen):
    slack = seen.pane("slack")
    await slack.locator(".places .dm").click()
    await slack.locator("input[type=file]").set_input_files(
        {"name": "x.png", "mimeType": "image/png", "buffer": b"\x89PNG"}
    )
    await slack.locator("textarea").fill(QUESTION)
    await slack.locator("textarea").press("Enter")
    await expect(slack.locator(".picture")).to_have_attribute("alt", "x.png")
    asked = slack.locator(".message", has=seen.page.locator(".picture"))
    await asked.locator("button.thread").click()
    await expect(seen.answer("slack")).to_contain_text("agree on")
    discord = seen.pane("discord")
    await discord.get_by_role("button", name="news").click()
    await discord.locator("textarea").fill(f"@rivulet {QUESTION}")
    await discord.locator("textarea").press("Enter")
    await expect(seen.answer("discord")).to_contain_text("agree on")
    mine = discord.locator(".message:not(.own)").last
    await mine.hover()
    await mine.get_by_role("button", name="Delete").click()
    await expect(discord.locator(".message:not(.own)")).to_have_count(0)


async def test_a_killed_bot_comes_back_and_says_what_was_cut_and_goes_on(seen, stage):
    await stage[0].claude.configure(speed=0.5)  # the kill is to come before its end
    await seen.ask(QUESTION)
    for name in ("slack", "discord"):
        await expect(seen.answer(name)).to_contain_text("A rivulet is where a")
    await seen.page.click(".kill")
    await expect(seen.page.locator("#bot")).to_have_class("down")
    await expect(seen.page.locator("#bot")).to_have_class("up")
    await stage[0].claude.configure(speed=3.0)
    for name in ("slack", "discord"):
        await expect(seen.answer(name)).to_contain_text("Interrupted by a restart")
        await seen.answer(name).locator("button", has_text="Continue").click()
        await expect(seen.answer(name)).to_contain_text("agree on")


async def test_beside_ours_a_naive_bot_leaves_a_crowd_with_incomplete_answers(seen, stage):
    world, page = stage
    await world.slack.limits(on=False)  # the naive bot has a workspace of its own, whose limits stay
    await seen.page.click("#beside")
    await seen.page.click(".crowd")
    await expect(seen.page.locator(".of-naive h2 small")).to_contain_text("left incomplete")
    await expect(seen.page.locator(".of-naive .figures .bad")).to_be_visible()

    async def whole() -> bool:
        ours = (await page.figures())["platforms"]["slack"]
        return not ours["live"] and not ours["cut"]

    await until(whole)
    assert (await page.figures())["platforms"]["slack"]["refused"] == 0
    await seen.page.click("#beside")
    await world.slack.limits(on=True)


@pytest.mark.parametrize("size", [(1440, 900), (390, 780)], ids=["wide", "phone"])
async def test_axe_finds_no_violation_and_nothing_is_wider_than_the_screen(size, context, stage):
    async with looking(context, stage[1].url, f"axe-{size[0]}") as seen:
        await seen.page.set_viewport_size({"width": size[0], "height": size[1]})
        await seen.page.evaluate(AXE.read_text())
        for tab in ("slack", "right", "desk") if size[0] < 900 else ("",):
            if tab:
                await seen.page.click(f"#tabs [data-tab={tab}]")
            found = await seen.page.evaluate("axe.run({resultTypes: ['violations']})")
            assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
            assert await seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_hostile_text_and_file_names_are_text(context):
    async with open_house() as house, looking(context, house.url, "hostile") as seen:
        names = {"<img src=x onerror=alert(1)>.txt": "eA==", '"><script>alert(1)</script>.png': "eA=="}
        for text in HOSTILE:
            await house.slack.say("C1", "U1", text, files=names)
            await house.discord.say("200", "300", text[:2000], files=names)
            for wire in (house.slack.post_as("C1", "UROBOT", text), house.slack.user("U2", text[:80])):
                await wire
        headers = {"Authorization": "Bot x"}
        async with asyncio.timeout(20):
            blocks = [{"type": "markdown", "text": text} for text in HOSTILE[:6]]
            await _called(
                f"{house.slack.url}/api/chat.postMessage",
                {"Authorization": "Bearer xoxb-1"},
                channel="C1",
                text="x",
                blocks=blocks,
            )
            await _called(
                f"{house.discord.url}/api/v10/channels/200/messages", headers, content="\n".join(HOSTILE[:6])
            )
        for name in ("slack", "discord"):
            await expect(seen.pane(name).locator(".message.own")).to_contain_text("<script>alert(1)</script>")
        tags = "script, iframe, svg, object, embed, form form, [onerror], [onload], a[href^='javascript']"
        assert await seen.page.locator(f"main :is({tags})").count() == 0
        pictures = await seen.page.locator("main img").evaluate_all("all => all.map(each => each.src)")
        assert all(each.startswith(f"{house.url}/") for each in pictures)


async def test_who_writes_sees_what_becomes_of_it_wherever_the_list_was(context):
    async with open_house() as house, looking(context, house.url, "end") as seen:
        for number in range(40):
            await house.discord.say("200", "300", f"number {number}")
        pane = seen.pane("discord")
        await expect(pane.locator(".message")).to_have_count(40)
        await pane.locator(".list").evaluate("list => { list.scrollTop = 0 }")
        await expect(pane.get_by_text("number 39")).not_to_be_in_viewport()
        await pane.locator("textarea").fill("mine")
        await pane.locator("textarea").press("Enter")
        await expect(pane.get_by_text("mine", exact=True)).to_be_in_viewport()
        await pane.locator(".list").evaluate("list => { list.scrollTop = 0 }")
        for _ in range(2):
            await seen.page.click("#beside")
        await expect(pane.get_by_text("mine", exact=True)).to_be_in_viewport()


async def test_a_page_that_outlives_its_demo_shows_the_next_one_and_nothing_of_the_last(context):
    async with AsyncExitStack() as stack:
        async with open_house() as house:
            port = int(house.url.rsplit(":", 1)[1])
            await house.slack.say("C1", "U1", "of the last")
            seen = await stack.enter_async_context(looking(context, house.url, "next"))
            await expect(seen.pane("slack").get_by_text("of the last")).to_be_visible()
        await expect(seen.page.locator("#bot")).to_have_text("the demo has ended")
        house = await stack.enter_async_context(open_house(port))
        await house.slack.say("C1", "U1", "of the next")
        await expect(seen.pane("slack").get_by_text("of the next")).to_be_visible()
        await expect(seen.pane("slack").get_by_text("of the last")).to_have_count(0)
        seen.errors.clear()  # it has tried to connect meanwhile


async def test_files_that_are_too_large_together_are_refused_by_name_and_the_rest_is_sent(context):
    async with open_house() as house, looking(context, house.url, "large") as seen:
        pane = seen.pane("slack")
        await pane.locator(".composer").evaluate(DROP)
        await expect(pane.locator(".about")).to_contain_text("two.txt is too large")
        await pane.locator("textarea").press("Enter")
        await expect(pane.locator(".message .file b")).to_have_text(["one.txt"])


async def _called(url: str, headers: dict[str, str], **body: Any) -> None:
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
