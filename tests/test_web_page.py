"""The chat page in a real browser, with the real server, core and ledger behind it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

import adapters.web.colours
import adapters.web.platform
import adapters.web.streams
import bot.core.repair
from bot.events import File, Finished, ToolStarted
from bot.model.script import Script
from bot.tools import tool
from tests.browser import MISSING, PATIENCE, chromium, launched
from tests.contract import until
from tests.web import TOKENS, Site, Typist, site

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not (chromium() or os.environ.get("CI")), reason=MISSING),
]
AXE = Path(__file__).with_name("vendor") / "axe.min.js"
#: Where pictures of pages are kept whose test failed.
SHOTS = Path(".pytest_cache", "pages")
SENTENCES = [f"This is sentence {number} of the answer. " for number in range(40)]
ANSWER = """## A heading

Some *words* with `code` and a [link](https://example.com/a).

```python
def river(name: str) -> str:
    return f"{name} flows"
```

| a | b |
|---|--:|
| 1 | 2 |

- [x] done
- [ ] to do

> quoted

النهر يجري إلى البحر.
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with launched() as run:
        yield run


class Tab:
    """A tab with the chat page.

    Attributes:
        hosts: Those that were asked for anything.
        errors: What went wrong in scripts.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: self.hosts.add(re.split("[/?#]", request.url)[2]))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: self.errors.append(f"dialog {dialog.message}"))

    async def sign_in(self, token: str) -> None:
        await self.page.fill("#token", token)
        await self.page.keyboard.press("Enter")

    async def ask(self, text: str) -> None:
        await self.page.fill("#text", text)
        await self.page.keyboard.press("Enter")

    async def answer(self, text: str | re.Pattern[str] = "", number: int = -1) -> str:
        """Return the words of the answer *number*, once it is whole and has *text*."""
        found = self.page.locator("article.bot").nth(number)
        await expect(found).to_contain_text(text)
        await expect(found).not_to_have_class(re.compile(r"\blive\b"))
        return await found.locator(".body").inner_text()

    async def grows(self, text: str) -> None:
        await expect(self.page.locator("article.bot.live").last).to_contain_text(text)


@pytest_asyncio.fixture(loop_scope="module")
async def new(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Any]]:
    """Open a tab in a browser that knows nothing."""
    contexts: list[BrowserContext] = []

    async def opened(url: str, context: BrowserContext | None = None, **more: Any) -> Tab:
        if context is None:
            context = await browser.new_context(**more)
            contexts.append(context)
        tab = Tab(await context.new_page())
        await tab.page.goto(url)
        return tab

    yield opened
    failed = ("failed", True) in request.node.user_properties
    for number, page in enumerate(page for context in contexts for page in context.pages):
        if failed:
            await page.screenshot(path=SHOTS / f"{request.node.name}-{number}.png")
    for context in contexts:
        await context.close()


async def begun(where: Site, new: Any, *steps: Any, **more: Any) -> Tab:
    """A tab in which an answer has said "Because " and waits."""
    where.model.say = steps or ("Because ", None, "of the rain.")
    tab: Tab = await new(where.url, **more)
    await tab.ask("why?")
    await tab.grows("Because")
    return tab


async def test_a_question_is_answered_by_a_message_that_grows(new):
    async with site() as where:
        tab = await begun(where, new)
        assert await tab.page.locator("article.person").inner_text() == "why?"
        await expect(tab.page.locator("#stop")).to_be_visible()
        where.model.go.set()
        assert await tab.answer("rain") == "Because of the rain."
        await expect(tab.page.locator("#stop")).to_be_hidden()
        await expect(tab.page.locator("#talks a")).to_have_text("why?")
        assert tab.errors == []


@pytest.mark.parametrize("way", ["button", "Esc", "emoji", "word"])
async def test_a_stop_closes_the_models_stream(new, way):
    async with site() as where:
        tab = await begun(where, new)
        if way == "button":
            await tab.page.click("#stop")
        elif way == "Esc":
            await tab.page.keyboard.press("Escape")
        else:
            await tab.ask({"emoji": "🛑", "word": "stop"}[way])
        await asyncio.wait_for(where.model.closed.wait(), 10)
        assert (await tab.answer("Because")).strip() == "Because"
        await expect(tab.page.locator("article.bot .note").first).to_contain_text("Stopped by you.")
        assert where.model.running == 0


async def test_a_second_question_knows_the_first(new):
    async with site() as where:
        tab = await new(where.url)
        await tab.ask("what is a?")
        await tab.answer("Yes.")
        await tab.ask("and b?")
        await tab.answer("Yes.", 1)
        assert [turn.text for turn in where.model.requests[1].turns] == ["what is a?", "Yes.", "and b?"]


async def test_a_reload_in_the_middle_loses_nothing_and_doubles_nothing(new):
    waits = (5, 15, 25)
    async with site() as where:
        where.model.say = [
            piece
            for number, each in enumerate(SENTENCES)
            for piece in (each, None if number in waits else 0.03)
        ]
        tab = await new(where.url)
        await tab.ask("go on")
        for number in waits:
            await tab.grows(f"sentence {number} ")
            where.model.go.set()  # it goes on while the page is loaded, up to where it waits again
            where.model.go.clear()
            await tab.page.reload()
        assert await tab.answer("sentence 39 ") == "".join(SENTENCES).strip()
        assert len(where.model.requests) == 1


async def test_two_tabs_show_one_conversation(new):
    async with site() as where:
        tab = await begun(where, new)
        other = await new(tab.page.url, tab.page.context)
        await other.grows("Because")
        where.model.go.set()
        for each in (tab, other):
            assert await each.answer("rain") == "Because of the rain."
        await other.ask("and now?")
        await tab.answer("rain", 1)


async def test_a_page_that_is_refused_its_stream_says_why_and_comes_back(new, monkeypatch):
    async with site() as where:
        with monkeypatch.context() as few:
            few.setattr(adapters.web.streams, "MOST", 0)
            tab: Tab = await new(where.url)
            await expect(tab.page.locator("#state")).to_contain_text("close some of its tabs")
        await expect(tab.page.locator("#state")).to_be_empty()
        await tab.ask("why?")
        assert await tab.answer() == "Yes."


async def test_what_was_said_while_the_browser_was_offline_is_there_when_it_is_back(new):
    async with site() as where:
        tab = await begun(where, new, "Because ", None, "of ", 0.2, "the ", 0.2, "rain.")
        await tab.page.context.set_offline(True)
        [talk] = where.platform._talks.values()
        for reader in list(talk.readers):  # the emulation leaves open what is open
            reader.ended = True
            reader.news.set()
        await expect(tab.page.locator("#state")).to_have_text("Connecting …")
        where.model.go.set()
        await asyncio.wait_for(where.model.closed.wait(), 10)
        await tab.page.context.set_offline(False)
        assert await tab.answer("rain") == "Because of the rain."


async def test_a_bot_that_is_killed_in_the_middle_says_so_and_keeps_what_was_said(new, monkeypatch):
    monkeypatch.setattr(bot.core.repair, "LATE", 0.3)
    async with site() as where:
        tab = await begun(where, new)
        await where.crash()
        await asyncio.sleep(0.5)
        await expect(tab.page.locator("article.bot")).to_contain_text("Because")
        await where.start()
        await expect(tab.page.locator("article.bot .note")).to_contain_text("Interrupted by a restart")
        assert (await tab.answer("Because")).strip() == "Because"
        where.model.say = ("of the rain.",)
        await tab.page.click("[data-act=continue]")
        assert await tab.answer("rain") == "of the rain."
        assert await tab.page.locator("article").count() == 3


async def test_a_tab_that_closes_ends_its_answer_and_a_reload_does_not(new, monkeypatch):
    monkeypatch.setattr(adapters.web.platform, "GRACE", 3.0)  # the reload is sooner
    async with site() as where:
        tab = await begun(where, new)
        await tab.page.reload()
        await tab.grows("Because")
        await asyncio.sleep(3.2)
        assert where.model.running == 1
        await tab.page.close()
        await asyncio.wait_for(where.model.closed.wait(), 10)


async def test_a_long_answer_with_code_and_tables_is_shown_whole(new):
    block = (
        "word " * 100
        + "\n\n```python\n"
        + "x = [1, 2]  # two\n" * 20
        + "```\n\n| a | b |\n|--|--|\n"
        + "| 1 | 2 |\n" * 10
    )
    text = "\n\n".join(f"Part {number}. {block}" for number in range(50))
    assert len(text) > 50_000
    async with site() as where:
        where.model.say = [text[at : at + 400] for at in range(0, len(text), 400)]
        tab = await new(where.url)
        await tab.ask("all of it")
        await expect(tab.page.locator("article.bot .row").last).to_be_visible()
        words = await tab.page.locator("#log").inner_text()
        assert [words.count(f"Part {number}.") for number in range(50)] == [1] * 50
        assert await tab.page.locator("figure.code").count() == 50
        assert await tab.page.locator("table").count() == 50
        await expect(tab.page.locator("figure.code .t-c1").first).to_have_text("# two")
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.errors == []


async def test_code_is_copied_as_it_is(new):
    async with site(Typist(ANSWER)) as where:
        tab = await new(where.url, permissions=["clipboard-read", "clipboard-write"])
        await tab.ask("code")
        await tab.answer("flows")
        await tab.page.click("figure.code button")
        copied = await tab.page.evaluate("navigator.clipboard.readText()")
        assert copied == 'def river(name: str) -> str:\n    return f"{name} flows"\n'


HOSTILE = """<script>window.pwned = 1</script> <img src=x onerror="window.pwned = 2">

<iframe src="https://evil.example/"></iframe> ![p](https://evil.example/pixel.png)

[a](javascript:window.pwned=3) <a href="java&#115;cript:window.pwned=4">b</a> [c](data:text/html,x)

```"><script>window.pwned=5</script>
</code></pre><script>window.pwned=6</script>
```

```python onload=alert(1)
"</span><svg onload=window.pwned=7>"
```

| <b onmouseover=window.pwned=8>x | y |
|--|--|
| </td><script>window.pwned=9</script> | <style>*{display:none}</style> |

- <details open ontoggle=window.pwned=10> [ ] `<svg/onload=window.pwned=11>`
"""


async def test_nothing_of_hostile_text_or_names_runs_or_asks_another_host(new):
    name = '"><img src=x onerror=window.pwned=12>.txt'
    bad = File("<script>x</script>.html", "text/html", 9, data=b"<script>window.pwned=13</script>")
    async with site(RIVULET_LINKS="*") as where:
        where.model.say = (
            *(HOSTILE[at : at + 7] for at in range(0, len(HOSTILE), 7)),
            Finished(files=(bad,)),
        )
        tab = await new(where.url)
        files = [{"name": name, "mimeType": "text/html", "buffer": b"<script>window.pwned=14</script>"}]
        await tab.page.set_input_files("#pick", files)
        await expect(tab.page.locator("#files li.whole")).to_have_count(1)
        await tab.ask("<img src=x onerror=window.pwned=15>")
        words = await tab.answer("window.pwned=11")
        assert "<script>window.pwned = 1</script>" in words
        for link in await tab.page.locator("#log .body a, #log .files a").all():
            href = await link.get_attribute("href") or ""
            assert re.match(r"https?://|/web/files/|$", href), href
        async with tab.page.expect_download() as download:
            await tab.page.click("article.bot .files a")
        assert re.fullmatch(r"[\w.-]+", (await download.value).suggested_filename)
        await tab.page.reload()
        await tab.answer("window.pwned=11")
        assert await tab.page.evaluate("window.pwned") is None
        assert tab.hosts == {where.url.removeprefix("http://")}
        assert tab.errors == []


async def test_who_has_a_token_signs_in_and_out(new):
    async with site(RIVULET_WEB_TOKENS=TOKENS) as where:
        tab = await new(where.url)
        await tab.sign_in("not-anybodys-token")
        await expect(tab.page.locator("[role=alert]")).to_contain_text("That is nobody's token.")
        await tab.sign_in("ann-has-this-token")
        await tab.ask("why?")
        await tab.answer("Yes.")
        await expect(tab.page.locator("#who")).to_contain_text("ann")
        [cookie] = await tab.page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        await where.crash()
        await where.start()
        await tab.page.reload()
        await tab.answer("Yes.")  # a session outlives the bot
        await tab.page.click("#leave")
        await expect(tab.page.locator("#token")).to_be_visible()
        await tab.page.goto(where.url)
        await expect(tab.page.locator("#token")).to_be_visible()


async def test_a_token_that_is_taken_away_ends_what_was_begun_with_it(new):
    async with site(RIVULET_WEB_TOKENS=TOKENS) as where:
        tab = await new(where.url)
        await tab.sign_in("ann-has-this-token")
        await tab.ask("why?")
        await tab.answer("Yes.")
        await where.crash()
        where.settings["RIVULET_WEB_TOKENS"] = "bob=bob-has-that-token"
        await where.start()
        await expect(tab.page.locator("#token")).to_be_visible()


async def test_on_a_phone_nothing_is_cut_off_and_conversations_are_a_tap_away(new):
    async with site(Typist(ANSWER)) as where:
        tab = await new(where.url, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
        await tab.ask("everything")
        await tab.answer("flows")
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await tab.page.tap("#menu")
        await tab.page.tap("#new")
        await expect(tab.page.locator("article")).to_have_count(0)
        await tab.page.tap("#menu")
        await tab.page.tap("#talks a")
        await tab.answer("flows")


async def violations(page: Page) -> list[str]:
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [f"{each['id']}: {each['nodes'][0]['html'][:150]}" for each in found["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_violation(new, scheme, monkeypatch):
    monkeypatch.setattr(adapters.web.colours, "PATIENCE", 60.0)  # of a busy machine
    async with site(Typist(ANSWER)) as where:
        tab = await new(where.url, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
        assert await violations(tab.page) == []
        await tab.ask("everything")
        await tab.answer("flows")
        await expect(tab.page.locator(".t-k").first).to_be_visible()
        where.model.say = ("More, ", ToolStarted("1", "searching"), None)
        await tab.ask("and more?")
        await tab.grows("More")
        await tab.page.evaluate("import('/web/page/wire.js')")
        assert await violations(tab.page) == []
        where.model.go.set()
    async with site(RIVULET_WEB_TOKENS=TOKENS) as where:
        tab = await new(where.url, color_scheme=scheme, bypass_csp=True)
        await tab.sign_in("not-anybodys-token")
        await expect(tab.page.locator("[role=alert]")).to_be_visible()
        assert await violations(tab.page) == []


async def test_files_go_in_by_picker_paste_and_drop(new):
    give = """([kind, name]) => {
        const data = new DataTransfer();
        data.items.add(new File(["words of " + name], name, {type: "text/plain"}));
        const target = document.getElementById("text");
        target.dispatchEvent(kind === "paste"
            ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})
            : new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
    }"""
    async with site() as where:
        tab = await new(where.url)
        picked = {"name": "picked.txt", "mimeType": "text/plain", "buffer": b"x" * 1_200_000}
        await tab.page.set_input_files("#pick", [picked])
        await tab.page.evaluate(give, ["paste", "pasted.txt"])
        await tab.page.evaluate(give, ["drop", "dropped.txt"])
        await expect(tab.page.locator("#files li.whole")).to_have_count(3)
        await tab.ask("what is in them?")
        await tab.answer("Yes.")
        names = [file.name for file in where.model.requests[0].turns[-1].files]
        assert names == ["picked.txt", "pasted.txt", "dropped.txt"]
        await expect(tab.page.locator("#files li")).to_have_count(0)
        await expect(tab.page.locator("article.person .files li")).to_have_count(3)


async def test_a_file_that_the_model_made_is_a_download(new):
    made = File("table.csv", "text/csv", 4, data=b"a,b\n")
    async with site(Typist("Here it is.", Finished(files=(made,)))) as where:
        tab = await new(where.url)
        await tab.ask("make one")
        await tab.answer("Here")
        async with tab.page.expect_download() as download:
            await tab.page.click("article.bot .files a")
        assert (await download.value).suggested_filename == "table.csv"
        assert await asyncio.to_thread((await (await download.value).path()).read_bytes) == b"a,b\n"


async def test_try_again_takes_the_place_of_the_answer(new):
    async with site(Typist("First.")) as where:
        tab = await new(where.url)
        await tab.ask("why?")
        await tab.answer("First.")
        where.model.say = ("Second.",)
        await tab.page.click("[data-act=retry]")
        assert await tab.answer("Second.") == "Second."
        assert await tab.page.locator("article").count() == 2


booked: list[str] = []


@tool(title="booking", writes=True, asks=True)
async def book(room: str) -> str:
    """Book a room."""
    booked.append(room)
    return "Booked."


async def test_a_person_allows_a_call_by_a_button_and_tool_lines_are_shown(new):
    booked.clear()

    def prepare(where: Site) -> None:
        where.tools = [book]

    script = Script("Let me see.", {"tool": "book", "input": {"room": "7"}}, "It is yours.")
    async with site(script, prepare) as where:
        tab = await new(where.url)
        await tab.ask("a room")
        await expect(tab.page.locator("text=May I do this?").first).to_be_visible()
        assert booked == []
        await tab.page.click("text=Allow once")
        await expect(tab.page.locator("#log")).to_contain_text("It is yours.")
        await expect(tab.page.locator("#log")).to_contain_text("Allowed by you.")
        await expect(tab.page.locator(".steps li.done")).to_contain_text("booking")
        assert booked == ["7"]


async def test_the_arrow_changes_the_last_question(new):
    async with site(Typist(None, "Because.")) as where:
        tab = await new(where.url)
        await tab.ask("why?")
        await until(lambda: asyncio.sleep(0, len(where.model.requests) == 1))
        await expect(tab.page.locator("article.person")).to_have_text("why?")
        await expect(tab.page.locator("#text")).to_have_value("")
        await tab.page.keyboard.press("ArrowUp")
        assert await tab.page.input_value("#text") == "why?"
        await tab.ask("how?")
        await until(lambda: asyncio.sleep(0, len(where.model.requests) == 2))
        assert where.model.requests[1].turns[-1].text == "how?"
        where.model.go.set()
        await tab.answer("Because.")
        assert await tab.page.locator("article.person").inner_text() == "how?"


async def test_enter_twice_asks_once_and_so_does_a_question_that_is_sent_again_after_no_answer(new):
    async with site() as where:
        tab = await new(where.url)
        await tab.page.fill("#text", "why?")
        await tab.page.evaluate(
            """() => { for (const _ of [1, 2, 3]) document.getElementById("text").dispatchEvent(
                new KeyboardEvent("keydown", { key: "Enter", cancelable: true })); }"""
        )
        await tab.answer("Yes.")
        assert len(where.model.requests) == 1

        async def lose(route: Any) -> None:
            await route.fetch()
            await route.abort()

        await tab.page.route("**/web/ask/*", lose, times=1)
        await tab.ask("and why?")
        await expect(tab.page.locator("#notice")).to_contain_text("not reached")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("#text")).to_have_value("")
        await tab.answer("Yes.", 1)
        assert len(where.model.requests) == 2
        await expect(tab.page.locator("article.person")).to_have_count(2)


async def test_who_goes_to_another_conversation_while_changing_a_question_asks_there(new):
    async with site() as where:
        tab = await new(where.url)
        await tab.ask("why?")
        await tab.answer("Yes.")
        await tab.page.focus("#text")
        await tab.page.keyboard.press("ArrowUp")
        await expect(tab.page.locator("#text")).to_have_value("why?")
        await tab.page.click("#new")
        await expect(tab.page.locator("#text")).to_have_value("")
        await tab.ask("what else?")
        await tab.answer("Yes.")
        assert await tab.page.locator("article.person").all_inner_texts() == ["what else?"]


async def test_who_signs_out_in_one_tab_is_led_to_the_door_in_the_others(new):
    async with site(RIVULET_WEB_TOKENS=TOKENS) as where:
        tab = await new(where.url)
        await tab.sign_in("ann-has-this-token")
        await tab.ask("why?")
        await tab.answer("Yes.")
        other = await new(where.url, context=tab.page.context)
        await expect(other.page.locator("#talks li")).to_have_count(1)
        await tab.page.click("#leave")
        await expect(other.page.locator("#token")).to_be_visible()


async def test_the_box_takes_nothing_before_enter_can_send_it(new):
    async with site() as where:
        context = (await new(where.url)).page.context
        page, let = await context.new_page(), asyncio.Event()

        async def held(route):
            await let.wait()
            await route.continue_()

        await page.route("**/chat.js", held)
        await page.goto(where.url, wait_until="commit")
        await expect(page.locator("#text")).not_to_be_editable()
        let.set()
        await expect(page.locator("#text")).to_be_editable()


async def test_shift_enter_begins_a_line(new):
    async with site() as where:
        tab = await new(where.url)
        await tab.page.fill("#text", "one")
        await tab.page.keyboard.press("Shift+Enter")
        await tab.page.keyboard.type("two")
        await tab.page.keyboard.press("Enter")
        await tab.answer("Yes.")
        assert where.model.requests[0].turns[-1].text == "one\ntwo"


async def test_a_screen_reader_is_told_whole_sentences(new):
    words = re.findall(r"\S+ ", "".join(SENTENCES[:6]))
    async with site(Typist(*[step for word in words for step in (word, 0.03)])) as where:
        tab = await new(where.url)
        await tab.page.evaluate(
            """() => { window.told = []; new MutationObserver((all) => { for (const each of all)
                for (const node of each.addedNodes) told.push(node.textContent); })
                .observe(document.getElementById("spoken"), {childList: true}); }"""
        )
        await tab.ask("go on")
        await tab.answer("sentence 5")

        async def whole() -> list[str]:
            told: list[str] = await tab.page.evaluate("told")
            return told if "sentence 5" in " ".join(told) else []

        told = await until(whole)
        assert 1 <= len(told) < len(words) / 3
        assert [line for line in told if not line.endswith(".")] == []
        assert " ".join(told).split() == "".join(SENTENCES[:6]).split()
        assert await tab.page.get_attribute("#spoken", "aria-live") == "polite"


async def test_settled_blocks_stay_the_same_and_so_do_selection_and_scroll(new):
    parts = [f"Paragraph {number} has some words.\n\n" for number in range(60)]
    async with site() as where:
        where.model.say = (*parts[:40], None, *(step for each in parts[40:] for step in (each, 0.02)))
        tab = await new(where.url)
        await tab.ask("go on")
        await tab.grows("Paragraph 39")
        before = await tab.page.evaluate(
            """() => { const log = document.getElementById("scroll");
                window.third = document.querySelectorAll(".block")[2]; third.mine = true;
                log.scrollTop = 30; getSelection().selectAllChildren(third);
                return [third.getBoundingClientRect().top, log.scrollTop]; }"""
        )
        await asyncio.sleep(0.2)
        where.model.go.set()
        await tab.answer("Paragraph 59")
        after = await tab.page.evaluate(
            """() => [[third.getBoundingClientRect().top, document.getElementById("scroll").scrollTop],
                document.querySelectorAll(".block")[2].mine, getSelection().toString().trim()]"""
        )
        assert after == [before, True, "Paragraph 2 has some words."]
        await expect(tab.page.locator("#down")).to_be_visible()
        await tab.page.click("#down")
        await expect(tab.page.locator("#down")).to_be_hidden()


async def test_the_view_follows_the_end_while_the_reader_is_there(new):
    async with site(Typist(*[f"Line {number}.\n\n" for number in range(80)], None)) as where:
        tab = await new(where.url)
        await tab.ask("go on")
        await tab.grows("Line 79.")
        left = "(() => { const s = document.getElementById('scroll');"
        left += "return s.scrollHeight - s.scrollTop - s.clientHeight; })()"

        async def follows() -> bool:
            return bool(await tab.page.evaluate(left) < 5)

        await until(follows)


async def test_what_is_written_from_right_to_left_is_shown_so(new):
    async with site(Typist("نهر يجري إلى البحر.\n\nA river.")) as where:
        tab = await new(where.url)
        await tab.ask("ما هو النهر؟")
        await tab.answer("river")
        way = "(node) => { const range = document.createRange(); range.selectNodeContents(node);"
        way += "const [box, all] = [range.getBoundingClientRect(), node.getBoundingClientRect()];"
        way += "return box.right > all.right - 5 && box.left > all.left + 50; }"
        assert await tab.page.locator(".block p").nth(0).evaluate(way)
        assert not await tab.page.locator(".block p").nth(1).evaluate(way)


async def test_what_is_too_long_is_said_in_one_line_and_stays_to_be_shortened(new):
    async with site() as where:
        tab = await new(where.url)
        await tab.page.evaluate("document.getElementById('text').value = 'x'.repeat(100_001)")
        await tab.page.focus("#text")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("#notice")).to_contain_text("100,000 characters")
        assert await tab.page.evaluate("document.getElementById('text').value.length") == 100_001
        assert where.model.requests == []
        await tab.page.evaluate(
            """() => { const data = new DataTransfer(); data.setData("text/plain", "y".repeat(10_000_000));
                const text = document.getElementById("text"); text.value = "";
                text.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, cancelable: true})); }"""
        )
        await expect(tab.page.locator("#notice")).to_contain_text("attached as a file")
        await expect(tab.page.locator("#files li.whole bdi")).to_have_text("pasted.txt")


async def test_conversations_are_listed_and_deleted(new):
    async with site() as where:
        tab = await new(where.url)
        await tab.ask("first one")
        await tab.answer("Yes.")
        await tab.page.click("#new")
        await tab.ask("second one")
        await tab.answer("Yes.")
        await expect(tab.page.locator("#talks a")).to_have_text(["second one", "first one"])
        row = tab.page.locator("#talks li", has_text="first one")
        await row.hover()
        await row.locator("button").click()
        await row.locator("button").click()
        await expect(tab.page.locator("#talks a")).to_have_text(["second one"])
        assert len(await where.store.shelf.posts("web")) == 1
