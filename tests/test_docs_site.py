"""`make docs`: every link leads somewhere, every page is in the menu, and no page asks another host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.browser import MISSING, PATIENCE, browser, chromium

ROOT = Path(__file__).parent.parent
#: What a browser loads by itself where it meets these.
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}
#: Kinds of `<link>` that it does not load.
IDLE = {"canonical", "next", "prev", "alternate", "search"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(target)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


class Loaded(HTMLParser):
    """What a page loads, and the text of its own scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "link" and known.get("rel") not in IDLE:
            self.found.append(known.get("href") or "")
        if tag in LOADS and (address := known.get(LOADS[tag])):
            self.found.append(address)
        self.found += re.findall(r"url\(([^)]*)\)", known.get("style") or "")


def test_no_page_and_no_style_loads_anything_from_another_host(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) > 15
    for page in pages:
        found = Loaded(page.read_text()).found
        assert found
        assert [each for each in found if re.match(r"\s*(?:https?:)?//", each)] == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text()), style.name


def test_the_search_finds_every_page_that_was_written(site):
    index = (site / "search" / "search_index.json").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f'"{page.stem}.html"' in index


@pytest.mark.skipif(not chromium(), reason=MISSING)
async def test_a_browser_asks_for_nothing_but_the_site(site):
    app = web.Application()
    app.router.add_static("/", site)
    asked: list[str] = []
    errors: list[str] = []
    async with TestServer(app) as server, browser() as context:
        page = await context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        for path in sorted(site.glob("*.html")):
            await page.goto(str(server.make_url(f"/{path.name}")))
        await page.locator("input.md-search__input").focus()
        await page.keyboard.type("pacing")
        await page.locator(".md-search-result__item").first.wait_for(timeout=PATIENCE)
        home = str(server.make_url("/"))
    assert len(asked) > 15
    assert [each for each in asked if not each.startswith((home, "data:", "blob:"))] == []
    assert errors == []
