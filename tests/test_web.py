"""What the chat page's server does with requests, also with such as no page of ours makes."""

from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, suppress
from typing import Any
from uuid import uuid4

import pytest
from aiohttp.test_utils import make_mocked_request

import adapters
import adapters.web.platform
import adapters.web.requests
import adapters.web.streams
import adapters.web.weights
from adapters.web.people import MOST as SESSIONS
from adapters.web.people import People, Refusal, Session
from adapters.web.streams import MOST as STREAMS
from bot.events import Event, Text
from bot.model import Ask, Request, nobody
from bot.platform import Unavailable
from bot.run.connections import widen
from bot.run.secrets import Secrets
from bot.store.memory import Memory
from bot.store.sqlite import Sqlite
from tests.contract import until
from tests.web import TOKENS, Site, Typist, site
from tests.web_world import Browser, View

TALK = "a-conversation"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def here() -> AsyncIterator[Site]:
    """A page for this machine's user."""
    async with site() as where:
        yield where


@pytest.fixture
async def there() -> AsyncIterator[Site]:
    """A page that ann and bob sign in to."""
    async with site(RIVULET_WEB_TOKENS=TOKENS) as where:
        yield where


@pytest.fixture
async def ann(there) -> AsyncIterator[Browser]:
    async for each in browser_of(there, "ann-has-this-token"):
        yield each


@pytest.fixture
async def bob(there) -> AsyncIterator[Browser]:
    async for each in browser_of(there, "bob-has-that-token"):
        yield each


@pytest.fixture
async def me(here) -> AsyncIterator[Browser]:
    async for each in browser_of(here, ""):
        yield each


async def browser_of(where: Site, token: str) -> AsyncIterator[Browser]:
    browser = Browser(lambda: where.url, token)
    if token:
        assert await browser.sign_in() == 303
    yield browser
    await browser.close()


async def ask(browser: Browser, text: str = "why?", talk: str = TALK, **more: Any) -> tuple[int, Any]:
    return await browser.post(f"ask/{talk}", {"id": uuid4().hex[:12], "text": text, **more})


async def answered(browser: Browser, talk: str = TALK, text: str = "") -> str:
    """The words of the newest answer once it is whole."""
    view = browser.open(talk)

    async def done() -> str:
        found = [each for each in view.messages.values() if each.told["role"] == "bot"]
        return found[-1].text if found and not found[-1].told["live"] and text in found[-1].text else ""

    return await until(done)


async def got(browser: Browser, path: str, **headers: str) -> tuple[int, str]:
    """The status and body of a GET."""
    cookie = {"Cookie": browser.cookie} if browser.cookie else {}
    url = f"{browser.url()}{path}"
    async with browser.session.get(url, headers={**cookie, **headers}, allow_redirects=False) as answer:
        body = "" if "event-stream" in answer.content_type else await answer.text()
        return answer.status, body


async def sent(browser: Browser, path: str, body: Any, **headers: str) -> tuple[int, str]:
    """The status and what is said of a POST."""
    url, told = f"{browser.url()}/web/{path}", {**browser.headers(), **JSON, **headers}
    async with browser.session.post(url, data=body, headers=told) as answer:
        text = await answer.text()
        return answer.status, json.loads(text).get("error", "") if text.startswith("{") else text


def one_line(text: str) -> bool:
    return 10 < len(text) < 160 and "\n" not in text.strip() and "Traceback" not in text


PATHS = ["ask", "stop", "press", "react", "edit", "delete"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example", ""]
)
@pytest.mark.rule(26)
async def test_a_forged_origin_is_refused(here, me, path, origin):
    status, why = await sent(me, f"{path}/{TALK}", b'{"id": "12345678", "text": "x"}', Origin=origin)
    assert status == 403
    assert one_line(why)
    assert here.model.requests == []


@pytest.mark.parametrize("site_", ["cross-site", "same-site"])
async def test_what_another_sites_page_asks_for_is_refused_though_it_has_no_origin(here, me, site_):
    for path in ("/web/talks", f"/web/events/{TALK}", f"/web/files/{TALK}/12345678"):
        assert (await got(me, path, **{"Sec-Fetch-Site": site_}))[0] == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", ""]
)
@pytest.mark.rule(26)
async def test_a_name_that_somebody_points_at_this_machine_is_refused(here, me, host):
    for path in ("/", "/web/talks", f"/web/events/{TALK}"):
        status, why = await got(me, path, Host=host)
        assert status == 421, path
        assert "RIVULET_WEB_URL" in why
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert (await sent(me, f"ask/{TALK}", b'{"id": "12345678", "text": "x"}', **headers))[0] == 421
    assert here.model.requests == []


@pytest.mark.parametrize("host", ["localhost:9", "127.0.0.1", "[::1]:8080", "LOCALHOST"])
async def test_this_machines_own_names_are_known(here, me, host):
    assert (await got(me, "/web/talks", Host=host))[0] == 200


async def test_behind_a_proxy_only_the_address_that_the_operator_set_is_known():
    settings: Any = {"RIVULET_WEB_TOKENS": TOKENS, "RIVULET_WEB_URL": "https://chat.example.com"}
    async with site(**settings) as where:
        browser = Browser(lambda: where.url)
        assert (await got(browser, "/", Host="127.0.0.1"))[0] == 421
        assert (await got(browser, "/", Host="chat.example.com"))[0] == 303
        headers = {"Host": "chat.example.com", "Origin": "https://chat.example.com"}
        form = {"token": "ann-has-this-token"}
        url = f"{where.url}/web/sign-in"
        async with browser.session.post(url, data=form, headers=headers, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-rivulet=")
        for word in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/"):
            assert word in cookie
        headers["Origin"] = "http://chat.example.com"
        async with browser.session.post(url, data=form, headers=headers, allow_redirects=False) as answer:
            assert answer.status == 403
        await browser.close()


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "rivulet=",
        "rivulet=ann",
        "rivulet=YW5u.1.x.y",
        "rivulet=....",
        "rivulet=YW5u.99999999999.aaaaaaaaaaaaaaaa." + "0" * 64,
        "rivulet=%00.%ff.a.b",
    ],
)
async def test_without_a_good_session_nothing_is_told_or_taken(there, cookie):
    browser = Browser(lambda: there.url)
    browser.cookie = cookie
    assert (await got(browser, "/"))[0] == 303
    for path in ("/web/talks", f"/web/events/{TALK}", f"/web/files/{TALK}/12345678"):
        status, body = await got(browser, path)
        assert status == 401
        assert one_line(json.loads(body)["error"])
    for path in PATHS:
        assert (await sent(browser, f"{path}/{TALK}", b'{"id": "12345678", "text": "x"}'))[0] == 401
    assert (await sent(browser, f"files/{TALK}/12345678?size=1&offset=0", b"x"))[0] == 401
    assert there.model.requests == []
    await browser.close()


async def test_wrong_tokens_are_counted_and_hold_nobody_up_for_long(there, monkeypatch):
    stranger = Browser(lambda: there.url, "nobody-has-this-token")
    assert [await stranger.sign_in() for _ in range(12)] == [401] * 10 + [429] * 2
    stranger.token = "ann-has-this-token"
    assert await stranger.sign_in() == 429
    monkeypatch.setattr(adapters.web.people, "SPAN", 0.0)
    assert await stranger.sign_in() == 303
    await stranger.close()


async def test_another_persons_conversation_is_not_there(there, ann, bob):
    there.model.say = ("Because ", None, "of rain.")
    assert (await ask(ann))[0] == 202
    view = ann.open(TALK)
    await until(
        lambda: asyncio.sleep(
            0, any(each.text == "Because " or "Because" in each.text for each in view.messages.values())
        )
    )
    message = next(key for key, each in view.messages.items() if each.told["role"] == "bot")
    assert (await got(bob, f"/web/events/{TALK}"))[0] == 404
    for path in PATHS:
        told = {"id": "12345678", "text": "stop", "message": message, "control": "stop", "emoji": "🛑"}
        status, said = await bob.post(f"{path}/{TALK}", told)
        assert status == 404, path
        assert one_line(said["error"])
    assert (await sent(bob, f"files/{TALK}/12345678?size=1&offset=0", b"x"))[0] == 404
    assert there.model.running == 1
    assert json.loads((await got(bob, "/web/talks"))[1])["talks"] == []
    there.model.go.set()
    assert await answered(ann) == "Because of rain."
    assert len(there.model.requests) == 1


async def test_another_persons_file_is_not_there(there, ann, bob):
    told = f"files/{TALK}/12345678?name=a.txt&type=text/plain&size=5&offset=0"
    assert (await sent(ann, told, b"words"))[0] == 200
    assert (await got(ann, f"/web/files/{TALK}/12345678")) == (200, "words")
    assert (await got(bob, f"/web/files/{TALK}/12345678"))[0] == 404
    await ask(bob, talk="bobs-own-talk")
    key = f"web/{TALK}/files/12345678"
    assert (await ask(bob, talk="bobs-own-talk", files=[key]))[0] == 400


@pytest.mark.parametrize(
    "last", ["{0}-999999", "00000000-1", "{0}--1", "{0}-1e3", f"{{0}}-{'9' * 5000}", "x", "-", "²-²", "{0}-"]
)
async def test_an_event_id_of_the_future_or_of_no_sense_gets_everything(here, me, last):
    await ask(me)
    assert await answered(me) == "Yes."
    await me.shut()
    view = View()
    view.last = last.format(here.platform.run_id)
    me.views["fresh"] = view
    reading = asyncio.create_task(me.read_once(TALK, view))
    await until(lambda: asyncio.sleep(0, view.events))
    reading.cancel()
    await asyncio.wait({reading})
    assert [each.text for each in view.messages.values()] == ["why?", "Yes."]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b'"x"', 400),
        (b"\xff\xfe", 400),
        (b'{"text": 7, "id": "12345678"}', 400),
        (b'{"text": "x"}', 400),
        (b'{"text": "x", "id": "../../etc"}', 400),
        (b'{"text": "x", "id": "12345678", "files": "all"}', 400),
        (b'{"text": "x", "id": "12345678", "files": ["web/a/files/b"]}', 400),
        (b'{"text": "x", "id": "12345678", "files": [7, {}]}', 400),
        (b"[" * 100_000, 400),
        (b'{"id": "12345678", "text": "' + b"x" * 100_001 + b'"}', 413),
    ],
)
async def test_what_is_no_question_is_refused_in_one_line(here, me, body, status):
    found, why = await sent(me, f"ask/{TALK}", body)
    assert found == status
    assert one_line(why)
    assert here.model.requests == []
    assert (await ask(me))[0] == 202


async def test_a_question_is_text_or_it_is_no_question(here, me):
    assert (await sent(me, f"ask/{TALK}", b'{"text": "x"}', **{"Content-Type": "text/plain"}))[0] == 415
    assert (await sent(me, f"ask/{TALK}", b'{"id": "12345678", "text": "\\ud800 why?"}'))[0] == 202
    assert await answered(me) == "Yes."


async def test_ten_megabytes_are_refused_at_once_and_nobody_else_notices(here, me):
    big = json.dumps({"id": "12345678", "text": "x" * 10_000_000}).encode()
    head = (
        f"POST /web/ask/{TALK} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(big)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(head.encode() + big[:4096])
    answer = await asyncio.wait_for(reader.read(4096), 5)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"That is too much at once." in answer
    writer.close()
    assert (await ask(me))[0] == 202
    assert await answered(me) == "Yes."


@pytest.mark.parametrize(
    "path", ["/web/events/x", "/web/events/..%2f..", "/web/files/a/b", "/web/page/../settings.py"]
)
async def test_paths_of_no_sense_find_nothing(here, me, path):
    assert (await got(me, path))[0] == 404


async def test_the_page_may_run_and_load_nothing_but_its_own(here, me):
    async with me.session.get(here.url) as answer:
        policy = answer.headers["Content-Security-Policy"]
        page = await answer.text()
    assert "unsafe" not in policy
    assert "http" not in policy
    assert policy.startswith("default-src 'none'")
    assert "http" not in page.replace("http://www.w3.org", "")
    for word in ("<style", " style=", " onclick=", "<script>"):
        assert word not in page


async def test_a_person_may_have_so_many_sessions_and_the_oldest_ends(there):
    browsers = [Browser(lambda: there.url, "ann-has-this-token") for _ in range(SESSIONS + 1)]
    for each in browsers:
        await each.sign_in()
        assert (await got(each, "/web/talks"))[0] == 200
    assert (await got(browsers[0], "/web/talks"))[0] == 401
    assert (await got(browsers[1], "/web/talks"))[0] == 200
    for each in browsers:
        await each.close()


async def test_a_person_may_read_over_so_many_connections_and_others_are_not_bound_by_that(there, ann, bob):
    for number in range(STREAMS):
        ann.open(f"conversation-{number}")

    async def all_read() -> bool:
        return bool(there.platform.readers("ann") == STREAMS)

    await until(all_read)
    assert (await got(ann, "/web/events/one-too-many"))[0] == 429
    await ask(bob, talk="bobs-own-talk")
    assert await answered(bob, "bobs-own-talk") == "Yes."


async def test_a_question_that_a_page_sends_twice_is_answered_once(here, me):
    told = {"id": "12345678", "text": "why?"}
    assert [(await me.post(f"ask/{TALK}", told))[0] for _ in range(3)] == [202] * 3
    assert await answered(me) == "Yes."
    assert len(here.model.requests) == 1


async def test_five_thousand_connections_disturb_nobody_who_is_reading(here, me):
    widen()
    here.model.say = ("Because ", None, "of rain.")
    await ask(me)
    view = me.open(TALK)
    await until(lambda: asyncio.sleep(0, any("Because" in each.text for each in view.messages.values())))
    events = view.events
    with ExitStack() as stack:
        for number in range(5_000):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", here.port))
            if number % 50 == 0:
                await asyncio.sleep(0.01)
        here.model.go.set()
        assert await answered(me, text="rain") == "Because of rain."
        other = Browser(lambda: here.url)
        assert (await got(other, "/web/talks"))[0] == 200
        await other.close()
    assert view.events > events


def deaf_reader(where: Site) -> socket.socket:
    """A connection to the conversation that nothing is read from."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", where.port))
    slow.sendall(f"GET /web/events/{TALK} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return slow


class Endless(Typist):
    """A model that has 8 MB to say to who wants all of it."""

    said = 0

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        if request.turns[-1].text != "all of it":
            async for event in super().stream(request, ask):
                yield event
            return
        while self.said < 8_000_000:
            self.said += 2_000
            yield Text(f"{'word ' * 399}\n\n")
            await asyncio.sleep(0)


async def test_a_reader_that_reads_nothing_stops_the_model_and_costs_nobody_else_anything():
    model = Endless("Yes.")

    async def still() -> bool:
        seen = model.said
        await asyncio.sleep(1.0)
        return model.said == seen > 0

    async with site(model) as where:
        async for me in browser_of(where, ""):
            await ask(me, talk="another-one")
            await answered(me, "another-one")
            with deaf_reader(where):
                await until(lambda: asyncio.sleep(0, where.platform.readers("you") == 2))
                tracemalloc.start()
                await ask(me, "all of it")
                await until(still)
                held, _ = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                assert model.said < 1_500_000
                assert held < 2_500_000
                await ask(me, talk="one-more-talk")
                assert await answered(me, "one-more-talk") == "Yes."
                assert model.said < 1_500_000
                await me.post(f"stop/{TALK}", {})


async def test_a_slow_reader_that_reads_on_gets_all_of_it():
    model = Typist(*[f"Paragraph {number} {'word ' * 300}\n\n" for number in range(200)])
    async with site(model) as where:
        async for me in browser_of(where, ""):
            with deaf_reader(where) as slow:
                await until(lambda: asyncio.sleep(0, where.platform.readers("you") == 1))
                await ask(me, "go on")
                await asyncio.sleep(1.5)
                slow.setblocking(False)
                got = b""

                async def whole() -> bool:
                    nonlocal got
                    with suppress(BlockingIOError):
                        got += slow.recv(2**20)
                    return b"Paragraph 199" in got and b'"live":false' in got[-20_000:]

                await until(whole)
                assert all(f"Paragraph {number} ".encode() in got for number in range(200))


async def test_a_reader_that_reads_nothing_for_long_is_hung_up_on(here, me, monkeypatch):
    monkeypatch.setattr(adapters.web.streams, "DEAF", 0.2)
    monkeypatch.setattr(adapters.web.platform, "GRACE", 0.2)
    here.model.say = [step for _ in range(3_000) for step in (f"{'word ' * 400}\n\n", 0)]
    with deaf_reader(here):
        await until(lambda: asyncio.sleep(0, here.platform.readers("you") == 1))
        await ask(me, "all of it")
        await until(lambda: asyncio.sleep(0, here.platform.readers("you") == 0))
        await asyncio.wait_for(here.model.closed.wait(), 10)  # nobody reads the answer any more


async def test_a_browser_that_closes_ends_the_answers_of_all_its_tabs(here, me, monkeypatch):
    here.model.say = ("Because", None)
    for number in range(30):
        me.open(f"tab-number-{number}")
        await ask(me, talk=f"tab-number-{number}")
    await until(lambda: asyncio.sleep(0, here.model.running == 30))
    monkeypatch.setattr(adapters.web.platform, "GRACE", 0.2)
    await me.close()
    await until(lambda: asyncio.sleep(0, here.model.running == 0))


async def test_a_thousand_reconnections_lose_and_double_nothing(here, me):
    words = [f"w{number} " for number in range(400)]
    here.model.say = [step for word in words for step in (word, 0.002)]
    await ask(me)
    view = View()
    me.views[TALK] = view

    def whole() -> bool:
        found = [each for each in view.messages.values() if each.told["role"] == "bot"]
        return bool(found) and not found[0].told["live"]

    while not whole():
        reading = asyncio.create_task(me.read_once(TALK, view))
        await asyncio.wait({reading}, timeout=0.004)
        reading.cancel()
        await asyncio.wait({reading})
    [answer] = [each for each in view.messages.values() if each.told["role"] == "bot"]
    assert answer.text == "".join(words).strip()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"RIVULET_WEB_TOKENS": "ann"}, "name=token"),
        ({"RIVULET_WEB_TOKENS": "ann=short"}, "16 characters"),
        ({"RIVULET_WEB_TOKENS": "a/b=long-enough-a-token"}, "name=token"),
        ({"RIVULET_WEB_TOKENS": f"{TOKENS},ann=another-token-of-anns"}, "each name once"),
        ({"RIVULET_WEB_TOKENS": "ann=one-and-the-same-token,bob=one-and-the-same-token"}, "same token"),
        ({"RIVULET_WEB_URL": "https://chat.example.com"}, "RIVULET_WEB_TOKENS is not set"),
        ({"RIVULET_WEB_TOKENS": TOKENS, "RIVULET_WEB_URL": "chat.example.com"}, "RIVULET_WEB_URL"),
        ({"RIVULET_WEB_TOKENS": TOKENS, "RIVULET_WEB_URL": "https://example.com/chat"}, "RIVULET_WEB_URL"),
    ],
)
def test_settings_that_would_not_do_are_said_in_one_line(settings, word):
    with pytest.raises(Unavailable, match=word) as raised:
        adapters.find("web", RIVULET_WEB="true", **settings)
    assert one_line(str(raised.value)[:150])
    assert "long-enough" not in str(raised.value)


def test_the_page_is_off_unless_the_operator_wants_it(monkeypatch):
    assert adapters.find("web") is None
    monkeypatch.setenv("RIVULET_HOST", "0.0.0.0")
    with pytest.raises(Unavailable, match="RIVULET_HOST"):
        adapters.find("web", RIVULET_WEB="true")
    assert adapters.find("web", RIVULET_WEB="true", RIVULET_WEB_TOKENS=TOKENS)


def test_tokens_may_come_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "tokens").touch(0o600)
    (tmp_path / "tokens").write_text(TOKENS)
    monkeypatch.setenv("RIVULET_WEB_TOKENS", "")
    monkeypatch.setenv("RIVULET_WEB_TOKENS_FILE", str(tmp_path / "tokens"))
    Secrets().take()
    found = adapters.load("web", RIVULET_WEB="true")
    assert found
    assert sorted(found.secrets) == ["ann-has-this-token", "bob-has-that-token"]


async def test_files_come_in_pieces_in_order_and_within_bounds(here, me):
    told = "name=a.txt&type=text/plain&size=6"
    assert (await sent(me, f"files/{TALK}/12345678?{told}&offset=0", b"abc"))[0] == 200
    assert (await got(me, f"/web/files/{TALK}/12345678"))[0] == 404
    assert (await sent(me, f"files/{TALK}/12345678?{told}&offset=0", b"abc"))[0] == 409
    assert (await sent(me, f"files/{TALK}/12345678?{told}&offset=0", b"abc"))[0] == 200
    assert (await sent(me, f"files/{TALK}/12345678?{told}&offset=3", b"defg"))[0] == 409
    assert (await sent(me, f"files/{TALK}/12345678?{told}&offset=x", b"d"))[0] == 400
    assert (await sent(me, f"files/{TALK}/12345678?name=a&type=b&size=0&offset=0", b""))[0] == 413
    assert (await sent(me, f"files/{TALK}/12345678?name=a&type=b&size=99999999&offset=0", b"x"))[0] == 413
    assert (await sent(me, f"files/{TALK}/x?{told}&offset=0", b"abc"))[0] == 400


async def test_a_file_is_never_shown_as_a_page(here, me):
    told = "name=%22a%22%0d%0aX:y.html&type=text/html&size=7&offset=0"
    assert (await sent(me, f"files/{TALK}/12345678?{told}", b"<html/>"))[0] == 200
    async with me.session.get(f"{here.url}/web/files/{TALK}/12345678") as answer:
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith(
            "attachment; filename*=UTF-8''%22a%22%20X%3Ay.html"
        )
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_is_forgotten_is_gone_from_the_page_too(there, ann):
    await ask(ann)
    await answered(ann)
    await ann.shut()
    await there.store.forget("ann")
    await there.crash()
    await there.start()
    assert json.loads((await got(ann, "/web/talks"))[1])["talks"] == []
    view = View()
    reading = asyncio.create_task(ann.read_once(TALK, view))
    await asyncio.sleep(0.3)
    reading.cancel()
    await asyncio.wait({reading})
    assert view.messages == {}


async def test_while_the_bot_starts_the_page_is_told_to_come_again():
    async with site() as where:
        where.platform.health, where.platform._serves = "starting", False
        browser = Browser(lambda: where.url)
        status, body = await got(browser, "/web/talks")
        assert (status, json.loads(body)["error"]) == (503, adapters.web.platform.STARTING)
        async with browser.session.get(f"{where.url}/web/events/{TALK}") as answer:
            assert answer.status == 503
        async with browser.session.get(f"{where.url}/") as answer:  # a browser asks again by itself
            assert (answer.status, answer.headers["Refresh"]) == (503, "2")
        await browser.close()


@pytest.mark.parametrize(
    "sign",
    [
        b"\xff\xfe",
        b"x.\xff.y",
        b"cGVyc29u.17.\xff.x",
        b"YW5u.17.\xff.x",
        b"YW5u.\xff.x.y",
        b"....",
        b"x" * 7000,
    ],
)
async def test_a_cookie_of_no_sense_signs_nobody_in(there, sign):
    reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
    writer.write(b"GET /web/talks HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: rivulet=%s\r\n\r\n" % sign)
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 401 ")
    writer.close()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded; charset=none-such", b"token=x"),
        ("application/x-www-form-urlencoded", b"token=%ff\xff"),
        ("application/x-www-form-urlencoded", b"&" * 4000),
        ("multipart/form-data; boundary=x", b"--x\r\nsomething"),
        ("multipart/form-data", b"--x"),
    ],
)
async def test_a_form_of_no_sense_signs_nobody_in(there, ann, kind, body):
    status, page = await sent(ann, "sign-in", body, **{"Content-Type": kind})
    assert status in {401, 413}
    assert "<form" in page


async def test_who_sends_the_form_byte_by_byte_is_not_waited_for(there, monkeypatch):
    monkeypatch.setattr(adapters.web.requests, "SLOW", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
    head = b"POST /web/sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"
    writer.write(head + b"Content-Length: 20\r\n\r\ntoken")
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 408 ")
    writer.close()


NINES = "9" * 5000


@pytest.mark.parametrize("told", [f"size={NINES}&offset=0", f"size=1&offset={NINES}", "size=%D9%A1&offset=0"])
async def test_a_piece_with_a_number_that_is_none_is_refused(here, me, told):
    status, why = await sent(me, f"files/{TALK}/12345678?{told}", b"x")
    assert status == 400
    assert one_line(why)


async def test_a_question_with_the_id_of_an_answer_is_refused(here, me):
    await ask(me)
    assert await answered(me) == "Yes."
    [answer] = [each for each in me.views[TALK].messages.values() if each.told["role"] == "bot"]
    status, why = await me.post(f"ask/{TALK}", {"id": answer.told["key"].split("/")[2], "text": "x"})
    assert status == 400
    assert one_line(why["error"])
    assert len(here.model.requests) == 1


async def test_what_is_deleted_before_it_is_answered_leaves_nothing(here, me):
    for number in range(5):
        await ask(me, talk=f"short-lived-{number}")
        assert (await me.post(f"delete/short-lived-{number}", {}))[0] == 200
        await asyncio.sleep(0.1)
        assert await here.store.shelf.posts(f"web/short-lived-{number}") == []


async def test_half_of_a_character_names_no_file(tmp_path):
    store = Sqlite(tmp_path)
    await store.open()
    async with site(prepare=lambda where: setattr(where, "store", store)) as where:
        async for me in browser_of(where, ""):
            body = b'{"id": "12345678", "text": "x", "files": ["\\ud800"]}'
            assert (await sent(me, f"ask/{TALK}", body))[0] == 400
    await store.close()


async def test_who_signs_out_stays_so_over_restarts_and_reads_no_more(there, ann):
    await ask(ann)
    assert await answered(ann) == "Yes."
    thief = Browser(lambda: there.url)
    thief.cookie = ann.cookie
    thief.open(TALK)
    await until(lambda: asyncio.sleep(0, there.platform.readers("ann") == 2))
    assert (await ann.post("sign-out", {}))[0] == 200
    await until(lambda: asyncio.sleep(0, there.platform.readers("ann") == 0))
    for _ in range(2):
        assert (await got(thief, "/web/talks"))[0] == 401
        assert (await got(thief, f"/web/events/{TALK}"))[0] == 401
        await there.store.forget("ann")
        await there.crash()
        await there.start()
    await thief.close()


async def test_the_session_that_ended_for_newer_ones_stays_ended_over_restarts(there):
    browsers = [Browser(lambda: there.url, "ann-has-this-token") for _ in range(SESSIONS + 1)]
    for each in browsers:
        await each.sign_in()
        await got(each, "/web/talks")
    await there.crash()
    await there.start()
    assert (await got(browsers[0], "/web/talks"))[0] == 401
    assert (await got(browsers[1], "/web/talks"))[0] == 200
    for each in browsers:
        await each.close()


def test_one_persons_endings_bring_no_other_persons_session_back():
    people = People({"ann": "ann-has-this-token", "bob": "bob-has-that-token"}, "")
    cookie = people.sign_in("ann-has-this-token", "")
    request = make_mocked_request("GET", "/", {"Cookie": f"rivulet={cookie}"})
    session = people.session_of(request)
    assert session
    people.end(session)
    for number in range(20_000):
        people.end(Session("bob", str(number)))
    with pytest.raises(Refusal):
        people.of(request)


@pytest.mark.parametrize("kept", ["memory", "file"])
async def test_a_person_may_have_so_much_here_and_gets_room_by_deleting(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(adapters.web.weights, "STORED", 20_000)
    store = Memory() if kept == "memory" else Sqlite(tmp_path)
    if isinstance(store, Sqlite):
        await store.open()
    settings: Any = {"RIVULET_WEB_TOKENS": TOKENS}
    async with site(prepare=lambda where: setattr(where, "store", store), **settings) as where:
        async for ann in browser_of(where, "ann-has-this-token"):
            path = f"files/{TALK}/{{}}?name=a&type=b&size=9000&offset=0"
            assert (await ask(ann))[0] == 202
            assert await answered(ann) == "Yes."
            for name in ("12345678", "23456789"):
                assert (await sent(ann, path.format(name), b"x" * 9000))[0] == 200
            await where.crash()
            await where.start()
            status, why = await sent(ann, path.format("34567890"), b"x" * 9000)
            assert (status, why[:9], one_line(why)) == (413, "You have ", True)
            assert (await ask(ann, "x" * 9000))[0] == 413
            assert (await ask(ann, talk="another-one"))[0] == 202
            async for bob in browser_of(where, "bob-has-that-token"):
                assert (await ask(bob, "x" * 9000, "bobs-own-talk"))[0] == 202
            assert (await ann.post(f"delete/{TALK}", {}))[0] == 200
            assert (await sent(ann, path.format("34567890"), b"x" * 9000))[0] == 200
    if isinstance(store, Sqlite):
        await store.close()


async def test_behind_a_proxy_who_guesses_tokens_bars_nobody_else():
    settings: Any = {"RIVULET_WEB_TOKENS": TOKENS, "RIVULET_WEB_URL": "https://chat.example.com"}
    async with site(**settings) as where:
        browser = Browser(lambda: where.url)

        async def tried(token: str, told: str) -> int:
            named = {
                "Host": "chat.example.com",
                "Origin": "https://chat.example.com",
                "X-Forwarded-For": told,
            }
            sent: Any = {"data": {"token": token}, "headers": named, "allow_redirects": False}
            async with browser.session.post(f"{where.url}/web/sign-in", **sent) as answer:
                return answer.status

        assert [await tried("a-wrong-token", f"{each}, 1.1.1.1") for each in range(11)] == [401] * 10 + [429]
        assert await tried("ann-has-this-token", "1.1.1.1, 2.2.2.2") == 303
        await browser.close()


async def test_one_persons_files_on_their_way_leave_room_for_another_persons(there, ann, bob):
    path = "files/{}/{}?name=a&type=b&size=20000000&offset=0"
    sizes = [(await sent(ann, path.format(TALK, f"1234567{each}"), b"x"))[0] for each in range(4)]
    assert sizes == [200, 200, 200, 429]
    assert (await sent(bob, path.format("bobs-own-talk", "12345678"), b"x"))[0] == 200
