"""The theatre's server, its figures, its naive bot, and the film at the top of the README."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from adapters.emulators.claude import Claude
from adapters.emulators.discord import Discord
from adapters.emulators.discord.limits import DEFAULTS
from adapters.emulators.slack import Slack
from adapters.emulators.slack.traffic import LIMITS
from adapters.emulators.theatre import Theatre, acts, naive
from bot.run import chromium, record, scenes
from bot.run.demo import SCRIPTS
from bot.run.theatre import Actor
from bot.unavailable import Unavailable
from tests.test_cli import TRACEBACK, ran, started

ROOT = Path(__file__).parent.parent
WHOLE = "Rain gathers. Brooks meet, and meet again."
STOP = {"type": "button", "action_id": "stop", "text": {"type": "plain_text", "text": "Stop"}}
STOPPABLE = [
    {"type": "section", "text": {"type": "plain_text", "text": "Rain gathers."}},
    {"type": "actions", "elements": [STOP]},
]
FILM = ROOT / "docs" / "demo.webp"


class House:
    """A theatre and its emulators, in this process."""

    def __init__(self) -> None:
        self.slack, self.discord, self.claude = Slack(), Discord(), Claude()
        self.theatre = Theatre(self.slack, self.discord, self.claude)

    @property
    def url(self) -> str:
        return self.theatre.url

    async def figures(self, platform: str) -> dict[str, float]:
        platforms: dict[str, dict[str, float]] = (await self.theatre.figures())["platforms"]
        return platforms.get(platform, {})


@asynccontextmanager
async def open_house(port: int = 0) -> AsyncIterator[House]:
    house = House()
    world = (house.slack, house.discord, house.claude)
    for each in world:
        await each.start()
    await house.theatre.start(port)
    try:
        yield house
    finally:
        await house.theatre.stop()
        for each in world:
            await each.stop()


@pytest.fixture
async def house():
    async with open_house() as house:
        yield house


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "rivulet.example"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Origin": "https://rivulet.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/", "/page/theatre.js", "/_emulator/figures"])
async def test_only_this_machine_by_its_own_name_and_its_own_page_is_answered(
    path, headers, status, house, session
):
    method = "POST" if path.startswith("/_") else "GET"
    async with session.request(method, f"{house.url}{path}", headers=headers, data="{}") as response:
        assert response.status == status


async def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_that_is_written_into_it(
    house, session
):
    async with session.get(house.url) as response:
        policy, page = response.headers["Content-Security-Policy"], await response.text()
    assert "unsafe" not in policy
    assert set(re.findall(r"'[a-z]+'|https?:\S+", policy)) == {"'none'", "'self'"}
    assert not re.findall(r"(?:src|href)=\"(?!/page/)", page)
    assert not re.findall(r" style=| on[a-z]+=|<script>|<style>", page)
    for name in re.findall(r"\"(/page/[^\"]+)", page):
        async with session.get(f"{house.url}{name}") as response:
            assert response.status == 200
            assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["server.py", "..%2fserver.py", "index.htm"])
async def test_nothing_but_the_page_is_given_out(name, house, session):
    async with session.get(f"{house.url}/page/{name}") as response:
        assert response.status == 404


@pytest.mark.parametrize("origin", [None, "http://rivulet.example"])
async def test_no_other_page_may_act_as_a_person(origin, house, session):
    headers = {"Origin": origin} if origin else {}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(f"{house.url}/stage", headers=headers)
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "said", ["{", "[]", "7", "{}", '{"do": "fly"}', '{"do": "say", "platform": "irc", "channel": "C1"}']
)
async def test_what_a_page_says_in_error_is_answered_and_ends_nothing(said, house, session):
    async with session.ws_connect(f"{house.url}/stage", origin=house.url) as page:
        await page.send_str(said)
        while (told := await page.receive_json())["kind"] != "notice":
            pass
        assert told["text"].startswith("That did not work")
        await page.send_json({"do": "dm", "platform": "discord", "user": "300", "n": 1})
        while (told := await page.receive_json())["kind"] != "did":
            pass
        assert told["id"]


async def test_where_the_port_is_taken_another_one_is_used():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with open_house(port) as house:
            assert house.url
            assert not house.url.endswith(f":{port}")


async def test_a_picture_is_shown_and_every_other_file_is_saved(house, session):
    files = {"a.png": base64.b64encode(scenes.PICTURE).decode(), "b.svg": "PHN2Zy8+", "c.html": "PGI+"}
    slack = await house.slack.say("C1", "U1", "look", files=files)
    discord = await house.discord.say("200", "300", "look", files=files)
    for place in (f"slack/C1/{slack}", f"discord/200/{discord}"):
        for number, kind in enumerate(("image/png", "application/octet-stream", "application/octet-stream")):
            async with session.get(f"{house.url}/file/{place}/{number}") as response:
                assert response.content_type == kind
                saved = response.headers.get("Content-Disposition", "")
                assert saved.startswith("attachment") == (kind != "image/png")
        async with session.get(f"{house.url}/file/{place}/3") as response:
            assert response.status == 404


async def test_a_page_is_told_all_that_was_said_before_and_what_is_said_then(house, session):
    before = await house.slack.say("C1", "U1", "before")
    async with session.ws_connect(f"{house.url}/stage", origin=house.url) as page:
        heard: set[str] = set()

        async def hear(id_: str) -> None:
            while id_ not in heard:
                told = await page.receive_json()
                heard.update(each["id"] for each in told.get("messages", ()))

        async with asyncio.timeout(10):
            await hear(before)
            await hear(await house.discord.say("200", "300", "then"))


class Typist:
    """A bot that a test holds in its hands."""

    def __init__(self, house: House, session: aiohttp.ClientSession) -> None:
        self.house, self.session = house, session

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        headers = {"Authorization": "Bearer xoxb-1"}
        url = f"{self.house.slack.url}/api/{method}"
        async with self.session.post(url, json=arguments, headers=headers) as response:
            return dict(await response.json())

    async def ask_the_model(self, question: str) -> aiohttp.ClientResponse:
        body = {"model": "claude-sonnet-5-5", "max_tokens": 9, "stream": True, "system": "- Platform: Slack"}
        headers = {"x-api-key": "sk-test", "anthropic-version": "2026-10-21"}
        asked = {"messages": [{"role": "user", "content": question}], **body}
        return await self.session.post(f"{self.house.claude.url}/v1/messages", json=asked, headers=headers)


async def test_how_stale_an_answer_is_and_how_soon_a_stop_is_obeyed_is_read_from_the_wire(house, session):
    bot = Typist(house, session)
    await house.claude.script(["Rain gathers.", 0.05, " Brooks meet, and meet again.", {"stall": True}])
    asked = await house.slack.say("C1", "U1", "<@UBOT> Why rivers?")
    stream = await bot.ask_the_model("Why rivers?\n[x] ann asks this.")
    place = {"channel": "C1", "thread_ts": asked}
    posted = await bot.call("chat.postMessage", **place, text="Rain gathers.", blocks=STOPPABLE)
    async with asyncio.timeout(10):
        while (await house.figures("slack")).get("stale", 0.0) < 0.2:
            await asyncio.sleep(0.05)
        await bot.call("chat.update", channel="C1", ts=posted["ts"], text=WHOLE, blocks=[])
        while (await house.figures("slack"))["stale"]:
            await asyncio.sleep(0.05)
        await house.slack.react("C1", posted["ts"], "U1", "octagonal_sign")
        await house.slack.events(wait=5.0, kinds=["react"])
        stream.close()
        while (await house.figures("slack"))["socket"] is None:
            await asyncio.sleep(0.05)
    seen = await house.figures("slack")
    assert (seen["posts"], seen["edits"], seen["live"], seen["cut"]) == (1, 1, 0, 0)


async def test_a_refused_edit_counts_apart_from_other_calls_that_are_refused(house, session):
    bot = Typist(house, session)
    for method in ("chat.update", "users.info"):
        await house.slack.limit(method, 0, 60.0)
        await bot.call(method, channel="C1", ts="1.0", user="U1")
    async with asyncio.timeout(10):
        while (await house.figures("slack")).get("others") != {"users.info": 1}:
            await asyncio.sleep(0.05)
    assert (await house.figures("slack"))["refused"] == 1
    told = (await house.theatre.figures())["budgets"]["slack"]
    assert {each["what"] for each in told if each["refuses"] > 0} == {"chat.update", "users.info"}


async def test_a_naive_bot_loses_the_end_of_answers_where_the_limit_ends(house):
    await house.claude.script(steps=["One. ", 1.2, "Two. ", 1.2, "Three."], when="count")
    await house.theatre.naive.limit(method="chat.update", calls=1, seconds=60.0)
    await house.theatre.naive.events(wait=10.0, kinds=["connect"])
    await house.theatre.act(
        {"do": "say", "platform": "naive", "channel": "C1", "user": "U1", "text": "@rivulet count"}
    )
    async with asyncio.timeout(10):
        while not ((seen := await house.figures("naive")).get("cut") and seen["refused"]):
            await asyncio.sleep(0.05)
    assert seen["edits"] == 1


def test_the_naive_bot_is_thirty_lines():
    source = Path(naive.__file__).read_text()
    body = source[source.index("async def naive") :].splitlines()
    assert len([line for line in body if line.strip() and '"""' not in line]) <= 30


async def test_a_knob_changes_the_limits_of_all_platforms_and_back(house):
    for value, share in (("fifth", 0.2), ("documented", 1.0)):
        await house.theatre.act({"do": "knob", "name": "limits", "value": value})
        assert house.slack._traffic.limits["chat.update"].calls == round(LIMITS["chat.update"][0] * share)
        assert house.discord._limits.sizes["PATCH messages"][0] == round(
            DEFAULTS["PATCH messages"][0] * share
        )


async def test_the_crowd_asks_what_the_demo_knows_an_answer_to(house):
    assert acts.CROWD_QUESTION == scenes.CROWD_QUESTION
    await house.theatre.act({"do": "crowd", "on": ["discord"]})
    said = [entry for entry in house.discord.log if entry["kind"] == "say"]
    assert len(said) == len({entry["user"] for entry in said}) == 64


async def test_ctrl_c_on_the_terminal_does_not_reach_the_bot_past_the_demo(tmp_path):
    actor = Actor(str(tmp_path), "")
    await actor.wake()
    try:
        assert actor.process is not None
        assert os.getpgid(actor.process.pid) != os.getpgid(0)
    finally:
        await actor.kill()


async def test_a_demo_that_is_told_to_end_leaves_nothing_and_shows_no_traceback(tmp_path):
    async with started("demo", cwd=tmp_path, env={"TMPDIR": str(tmp_path)}) as process:
        assert process.stdout
        while b"theatre" not in await process.stdout.readline():
            pass
        process.terminate()
        _, said = await process.communicate()
    assert TRACEBACK.encode() not in said
    assert list(tmp_path.iterdir()) == []


def told_in_the_film() -> dict[str, Any]:
    with Image.open(FILM) as film:
        described: dict[str, Any] = json.loads(film.getexif()[record.DESCRIPTION])
    return described


def test_the_readmes_film_says_what_the_code_says():
    told = told_in_the_film()["scenes"]
    assert [each["caption"] for each in told] == [scene.caption for scene in record.SCENES]
    assert [list(each["claims"]) for each in told] == [list(scene.claims) for scene in record.SCENES]


def test_the_readmes_film_is_small_and_has_the_scripts_of_today():
    assert FILM.stat().st_size <= record.LARGEST
    described = told_in_the_film()
    assert described["script"] == record.digest(SCRIPTS)
    assert described["limits"] == record.limits()


@pytest.mark.parametrize("content", ["#!/bin/sh\n", "no program"], ids=["ends at once", "is no program"])
async def test_what_is_no_chromium_is_named_in_one_line(content, tmp_path, monkeypatch):
    path = tmp_path / "chromium"
    path.write_text(content)
    path.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(path))
    with pytest.raises(Unavailable, match=f"does not start.*{path}"):
        async with chromium.showing("about:blank", 9, 9):
            pass


async def test_a_browser_that_ends_is_told_of_in_one_line():
    async def hang_up(request: web.Request) -> web.WebSocketResponse:
        ended = web.WebSocketResponse()
        await ended.prepare(request)
        await ended.receive()
        await ended.close()
        return ended

    app = web.Application()
    app.router.add_get("/", hang_up)
    async with TestClient(TestServer(app)) as browser, browser.ws_connect("/") as connection:
        for _ in range(2):
            with pytest.raises(Unavailable, match="Chromium has ended"):
                await chromium.Tab(connection).picture()


@pytest.mark.parametrize("name", ["film.gif", "folder.webp", "nowhere/film.webp", "/proc/film.webp"])
async def test_a_film_that_could_not_be_written_is_refused_before_it_is_made(name, tmp_path, monkeypatch):
    monkeypatch.setenv("CHROMIUM", sys.executable)
    (tmp_path / "folder.webp").mkdir()
    with pytest.raises(Unavailable, match=name):
        await record.record(tmp_path / name)


async def test_where_there_is_no_chromium_a_film_is_refused_in_one_line(tmp_path):
    code, out, err = await ran(
        "demo", "--record", "film.webp", cwd=tmp_path, env={"CHROMIUM": "/nowhere/chromium"}
    )
    assert code == 78
    assert err.count("\n") == 1
    assert "/nowhere/chromium" in err
    assert TRACEBACK not in out + err


async def test_a_film_has_every_picture_and_what_was_claimed(tmp_path):
    film = chromium.Film(tab=cast("Any", None))  # it is filmed already
    for colour in ("red", "green", "blue"):
        drawn = io.BytesIO()
        Image.new("RGB", (8, 8), colour).save(drawn, "PNG")
        film.pictures.append(drawn.getvalue())
        film.times.append(200)
    size = record.save(film, tmp_path / "film.webp", {"scenes": []})
    with Image.open(tmp_path / "film.webp") as saved:
        assert getattr(saved, "n_frames", 1) == 3
        assert json.loads(saved.getexif()[record.DESCRIPTION]) == {"scenes": []}
    assert size == (tmp_path / "film.webp").stat().st_size
