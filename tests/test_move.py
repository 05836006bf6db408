"""`rivulet move`: a ledger in a file becomes one in a real Redis, whole, however often it is tried."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from bot.platform import Unavailable
from bot.run.move import move
from bot.run.orders import order
from bot.store import ROWS_KEPT, TEXT_KEPT
from bot.store.accounts import NAMES
from bot.store.examine import unmoved
from bot.store.folder import Folder
from bot.store.redis.accounts import RedisAccounts
from bot.store.redis.arrival import Arrival
from bot.store.redis.keys import Names
from bot.store.redis.shelf import RedisShelf
from bot.store.redis.store import RedisStore
from bot.store.redis.vault import RedisVault
from bot.store.redis.wire import Wire, connector
from bot.store.sqlite import Sqlite
from tests.redis_server import RedisServer
from tests.test_cli import ran
from tests.test_contents import NOW, SPENT, asked, filled

#: What a bot needs at least.
ENOUGH = {
    "ANTHROPIC_API_KEY": "sk-ant-api03-abcdefghij",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
    "RIVULET_WEB": "true",
}


@pytest.fixture
def names() -> Names:
    return Names(f"move-{secrets.token_hex(4)}")


@pytest.fixture
async def wire(redis_shared) -> AsyncIterator[Wire]:
    wire = Wire(connector(redis_shared.url))
    await wire.open()
    yield wire
    await wire.close()


async def done(folder: Path, server: RedisServer, names: Names) -> list[str]:
    return await move(folder, f"{server.url}?prefix={names.prefix}")


async def full(folder: Path) -> None:
    """Fill a ledger and leave it, with a secret."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240  nothing else runs
    store = await filled(folder)
    await store.vault.keep("slack/install/T1", "xoxb-secret")
    await store.close()


async def test_everything_is_there_and_open_questions_are_anybodys(tmp_path, redis_shared, names, wire):
    await full(tmp_path)
    source = Sqlite(tmp_path)
    await source.open()
    expected = [await source.find(f"chat/{number}") for number in range(4)]
    await source.close()
    lines = await done(tmp_path, redis_shared, names)
    assert lines[0] == (
        "Moved: 4 questions, 1 row of what was spent, 1 secret of a platform, 1 note, 1 rating, "
        "1 choice of a model, 1 message of the chat page (2 of the questions are open)."
    )
    store = RedisStore(Wire(connector(redis_shared.url)), names)
    await store.open()
    assert [await store.find(f"chat/{number}") for number in range(4)] == expected
    assert await store.unfinished("chat") == expected[:2]
    assert not any([await store.accept(asked(number)) for number in range(4)])
    assert await store.find_shown("chat/m2") == expected[2]
    assert [note.text for note in await store.notes()] == ["is at four"]
    assert [rated.good for rated in await store.ratings()] == [True]
    assert store.chosen("chat/U1") == "claude-one"
    await store.close()
    assert await RedisAccounts(wire, names, "r").usage(0, NAMES) == [SPENT]
    found = await RedisShelf(wire, names).find("web/1")
    assert found
    assert (found.body, found.data) == ("hello", b"\0file")
    assert await RedisVault(wire, names).kept("slack/install/T1") == "xoxb-secret"


async def test_nothing_is_kept_for_longer_than_where_it_came_from(tmp_path, redis_shared, names, wire):
    await full(tmp_path)
    await done(tmp_path, redis_shared, names)
    turn, said = names.of("turn", "chat/2"), names.of("said", "chat/2")
    ends = [await wire.ask("EXPIRETIME", key) for key in (turn, said)]
    assert ends == [int(asked(2).at + ROWS_KEPT), int(NOW - 100 + TEXT_KEPT)]
    assert await wire.ask("TTL", names.of("turn", "chat/1")) == -1  # it is open


async def test_said_again_it_does_nothing_and_nothing_counts_twice(tmp_path, redis_shared, names, wire):
    await full(tmp_path)
    await done(tmp_path, redis_shared, names)
    store = RedisStore(Wire(connector(redis_shared.url)), names)
    await store.open()
    await store.unfinished("chat")
    await store.done("chat/0", time.time())
    await store.erase("chat", "C1", "tea")
    await store.close()
    assert (await done(tmp_path, redis_shared, names))[0].endswith(
        "was moved there before; nothing was done."
    )
    assert await RedisAccounts(wire, names, "r").usage(0, NAMES) == [SPENT]
    again = RedisStore(Wire(connector(redis_shared.url)), names)
    await again.open()
    assert await again.notes() == []  # what was deleted there meanwhile does not come back
    assert len(await again.unfinished("chat")) == 1
    await again.close()


@pytest.mark.parametrize("step", ["questions", "spent", "secrets", "notes", "ratings", "posts", "end"])
async def test_one_that_was_cut_goes_on_when_it_is_said_again(
    tmp_path, redis_shared, names, wire, step, monkeypatch
):
    await full(tmp_path)
    whole = getattr(Arrival, step)

    async def cut(self, *words):
        await whole(self, *words)
        raise OSError("the line was cut")

    with monkeypatch.context() as patched:
        patched.setattr(Arrival, step, cut)
        with pytest.raises(Unavailable, match=r"the line was cut.*it goes on"):
            await done(tmp_path, redis_shared, names)
    lines = await done(tmp_path, redis_shared, names)
    assert lines[0].startswith(("Moved: 4 questions", "The ledger"))
    assert await RedisAccounts(wire, names, "r").usage(0, NAMES) == [SPENT]
    store = RedisStore(Wire(connector(redis_shared.url)), names)
    await store.open()
    assert len(await store.unfinished("chat")) == 2
    await store.close()


@pytest.mark.parametrize("step", ["pathlib.Path.write_text", "os.fsync", "pathlib.Path.replace"])
async def test_one_that_is_ended_while_it_writes_its_mark_leaves_none_or_a_whole_one(
    tmp_path, redis_shared, names, monkeypatch, step
):
    await full(tmp_path)

    def ended(*_words):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(step, ended)
        with suppress(KeyboardInterrupt):
            await done(tmp_path, redis_shared, names)
    mark = tmp_path / "moved"
    assert not mark.exists() or len(mark.read_text()) == 16
    await done(tmp_path, redis_shared, names)
    assert (await done(tmp_path, redis_shared, names))[0].endswith("nothing was done.")
    assert not [*tmp_path.glob(".moved*")]


async def test_a_mark_that_is_empty_counts_as_none_and_what_it_meant_is_said(tmp_path, redis_shared, names):
    for folder in (tmp_path / "a", tmp_path / "b"):
        await full(folder)
        (folder / "moved").touch()
        assert unmoved(folder)
    lines = await done(tmp_path / "a", redis_shared, names)
    assert lines[0].startswith("Moved: 4 questions")
    assert f"{tmp_path / 'a' / 'moved'} was empty: a move before was ended before it wrote" in lines[1]
    assert not unmoved(tmp_path / "a")
    assert (tmp_path / "a" / "moved").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unavailable, match="another ledger already"):
        await done(tmp_path / "b", redis_shared, names)
    assert (await done(tmp_path / "a", redis_shared, names))[0].endswith("nothing was done.")


async def test_another_ledger_that_is_there_already_is_left_alone(tmp_path, redis_shared, names):
    await full(tmp_path / "a")
    await full(tmp_path / "b")
    await done(tmp_path / "a", redis_shared, names)
    with pytest.raises(Unavailable, match=r"another ledger already.*\?prefix="):
        await done(tmp_path / "b", redis_shared, names)


async def test_what_a_bot_has_begun_there_is_left_alone(tmp_path, redis_shared, names):
    await full(tmp_path)
    store = RedisStore(Wire(connector(redis_shared.url)), names)
    await store.open()
    await store.accept(asked(9))
    await store.close()
    with pytest.raises(Unavailable, match="another ledger already"):
        await done(tmp_path, redis_shared, names)


async def test_nothing_is_moved_below_replicas_that_run(tmp_path, redis_shared, names, wire):
    await full(tmp_path)
    store = RedisStore(Wire(connector(redis_shared.url)), names)
    await store.open()  # as a bot does that has answered nobody yet
    await store.close()
    seconds, micro = await wire.ask("TIME")
    member = {"since": 0.0, "live": 0, "leaving": False, "beat": int(seconds) + int(micro) / 1e6}
    await wire.ask("HSET", names.of("members"), "r1", json.dumps(member))
    with pytest.raises(Unavailable, match="1 replica of a bot run there; stop them first"):
        await done(tmp_path, redis_shared, names)
    await wire.ask("HSET", names.of("members"), "r1", json.dumps(member | {"beat": int(seconds) - 60}))
    assert (await done(tmp_path, redis_shared, names))[0].startswith("Moved")


async def test_a_bot_that_runs_on_the_folder_is_to_be_stopped_first(tmp_path, redis_shared, names):
    await full(tmp_path)
    folder = Folder(tmp_path)
    folder.hold()
    with pytest.raises(Unavailable, match=r"another Rivulet .* stop it first"):
        await done(tmp_path, redis_shared, names)
    folder.release()


async def test_the_command_says_what_it_did_and_shows_no_password(tmp_path, redis_shared, names):
    await full(tmp_path / "data")
    code, out, err = await ran("move", cwd=tmp_path, env={})
    assert (code, out) == (78, "")
    assert err.startswith("rivulet: RIVULET_STORE: set it to where the ledger is to go")
    url = f"{redis_shared.url}?prefix={names.prefix}"
    code, out, err = await ran("move", "--to", url, cwd=tmp_path, env={})
    assert (code, err) == (0, "")
    assert out.startswith("Moved: 4 questions, ")
    assert out.endswith("delete it when all is well.\n")
    code, out, err = await ran("move", "--to", "redis://:hush@127.0.0.1:1/0", cwd=tmp_path, env={})
    assert (code, out) == (78, "")
    assert err.startswith("rivulet: RIVULET_STORE: Redis can't be reached")
    assert "hush" not in err


async def test_a_folder_without_a_ledger_and_a_ledger_that_is_none_are_said(tmp_path, redis_shared, names):
    with pytest.raises(Unavailable, match=r"there is no ledger\.db in"):
        await done(tmp_path, redis_shared, names)
    (tmp_path / "ledger.db").write_bytes(b"x" * 5000)
    with pytest.raises(Unavailable, match=r"not moved: .*ledger\.db is moved aside"):
        await done(tmp_path, redis_shared, names)
    assert (tmp_path / "ledger.db").read_bytes() == b"x" * 5000


async def test_a_redis_that_is_not_there_or_too_small_is_said_and_the_ledger_stays(
    tmp_path, redis_own, names
):
    await full(tmp_path / "data")
    wire = Wire(connector(redis_own.url))
    await wire.open()
    await wire.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(Unavailable, match=r"used memory > .maxmemory"):
        await done(tmp_path / "data", redis_own, names)
    await wire.ask("CONFIG", "SET", "maxmemory", "0")
    assert (await done(tmp_path / "data", redis_own, names))[0].startswith("Moved: 4 questions")
    await wire.close()
    redis_own.stop()
    with pytest.raises(Unavailable, match="Redis can't be reached"):
        await done(tmp_path / "data", redis_own, names)


async def test_a_ledger_that_was_not_moved_is_hinted_at_until_it_is(tmp_path, redis_shared, names):
    data = tmp_path / "data"
    data.mkdir()
    url = f"{redis_shared.url}?prefix={names.prefix}"
    env = {**ENOUGH, "RIVULET_STORE": url}
    store = Sqlite(data)
    await store.open()
    await store.close()
    assert "rivulet move" not in (await ran("check", cwd=tmp_path, env=env))[2]  # nothing is in it
    await full(data)
    assert "rivulet move" not in (await ran("check", cwd=tmp_path, env=ENOUGH))[2]  # it is read
    code, out, err = await ran("check", cwd=tmp_path, env=env)
    assert code == 0
    assert "data/ledger.db has what one process remembered" in out + err
    assert "`rivulet move`" in out + err
    assert "rivulet move" in (await ran("doctor", cwd=tmp_path, env=env))[1]
    await move(data, url)
    assert "rivulet move" not in (await ran("check", cwd=tmp_path, env=env))[2]
    assert "rivulet move" not in (await ran("doctor", cwd=tmp_path, env=env))[1]


async def test_what_the_moved_ledger_still_has_is_said_when_somebody_is_forgotten(
    tmp_path, redis_shared, names
):
    await full(tmp_path)
    url = f"{redis_shared.url}?prefix={names.prefix}"
    await move(tmp_path, url)
    for what in ({"forget": "U1"}, {"purge": True}):
        assert (await order(tmp_path, what, url))["left"] == ["ledger.db"]
