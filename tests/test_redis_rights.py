"""What Redis's user must be allowed: the rule that the docs have, and what is said where it is not so."""

from __future__ import annotations

import asyncio
import re
import secrets
import shlex
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bot.platform import Finding, Unavailable
from bot.run.move import move
from bot.store import OK
from bot.store.redis import rights
from bot.store.redis.keys import Names
from bot.store.redis.opening import findings_at, store_at
from bot.store.redis.store import RedisStore
from bot.store.redis.wire import Wire, connector
from tests.redis_server import RedisServer
from tests.test_contents import asked
from tests.test_move import full

ROOT = Path(__file__).parent.parent
LISTED = {words[0].lower() for words in (*rights.NEEDED, *rights.HELPFUL)}
#: In a script, as the redis client takes the answer for another of COMMAND.
COMMANDS = "return redis.call('COMMAND', 'LIST')"
#: What connections say of themselves, which no rule forbids or nobody misses.
CONNECTING = {"hello", "auth", "client", "select", "command"}


def documented() -> list[str]:
    """Return the words behind the user's name in the docs' rule."""
    [rule] = re.findall(
        r"^redis-cli (acl setuser rivulet .*)$", (ROOT / "docs/scale.md").read_text(), re.MULTILINE
    )
    return shlex.split(rule)[3:]


@pytest.fixture
async def admin(redis_own: RedisServer) -> AsyncIterator[Wire]:
    wire = Wire(connector(redis_own.url))
    await wire.open()
    yield wire
    await wire.close()


async def user(admin: Wire, server: RedisServer, *more: str) -> str:
    """Return the address for a user with the docs' rule, and *more* behind it."""
    word = secrets.token_hex(8)
    rule = [f">{word}" if each == ">PASSWORD" else each for each in documented()]
    await admin.ask("ACL", "DELUSER", "rivulet")
    await admin.ask("ACL", "SETUSER", "rivulet", *rule, *more)
    return server.url.replace("//", f"//rivulet:{word}@")


async def refused(url: str) -> str:
    """Return why a replica does not start, which is one line."""
    store = store_at(url, joins=True)
    with pytest.raises(Unavailable) as error:
        await store.open()
    await store.close()
    assert "\n" not in str(error.value)
    return str(error.value)


async def fatal(url: str) -> Finding:
    """Return the one reason for which the doctor says that the bot can't run."""
    [finding] = [each for each in await findings_at(url) if each.fatal]
    return finding


def advised(fix: str) -> list[str]:
    """Return the words behind the user's name in what is to be done."""
    words = shlex.split(fix.partition("redis-cli acl setuser NAME ")[2].partition(" (")[0])
    assert words, fix
    return words


def test_the_rule_that_is_advised_is_the_one_in_the_docs():
    assert advised(rights.fix(Names())) == rights.rule(Names()) == documented()[2:]
    assert documented()[:2] == ["on", ">PASSWORD"]


async def test_the_list_has_all_commands_in_the_text_of_the_package_and_no_other(admin):
    known = {name.decode() for name in await admin.ask("EVAL", COMMANDS, 0)}
    files = [path for path in (ROOT / "bot/store/redis").rglob("*.py") if path.name != "rights.py"]
    words = {word.lower() for path in files for word in re.findall(r"""['"]([A-Z]+)['"]""", path.read_text())}
    methods = {"ping", "subscribe"}  # of the redis client, which the wire and the ear call
    assert words & known | methods == LISTED


async def test_the_rule_is_enough_for_all_that_a_bot_does_and_the_list_has_it(admin, redis_own, tmp_path):
    url = await user(admin, redis_own)
    await full(tmp_path)
    await admin.ask("CONFIG", "RESETSTAT")
    assert (await move(tmp_path, url))[0].startswith("Moved: 4 questions")
    one, two = [store_at(url, joins=True) for _ in range(2)]
    heard: list[str] = []
    await one.open()
    await two.open()
    listening = [asyncio.create_task(each._peers.listen(_into(heard))) for each in (one, two)]
    assert await one._peers.ask(two._peers.name, "hello") == "hello"
    await _life(one)
    assert (one.health, two.health, heard) == (OK, OK, ["hello"])
    for task in listening:
        task.cancel()
    await asyncio.wait(listening)
    for store in (one, two):
        await store.close()
    findings = await findings_at(url)
    assert not [each for each in findings if each.fatal or "its user" in each.text]
    counted = {name.removeprefix("cmdstat_") for name in await admin.ask("INFO", "commandstats")}
    assert {name.partition("|")[0] for name in counted} - CONNECTING - {"info", "config"} <= LISTED
    denied = {each[b"object"] for each in await admin.ask("ACL", "LOG")}
    assert denied <= {b"config|get"}, "the doctor asks, and can do without"


def _into(heard: list[str]):
    async def hear(_sender: str, text: str) -> str:
        heard.append(text)
        return text

    return hear


async def _life(store: RedisStore) -> None:
    assert await store.accept(asked(9))
    await store.save("chat/9", "text")
    await store.done("chat/9", time.time())
    assert await store.limits.admit("chat/U1", 5, 5)
    assert await store.unfinished("chat")
    await store.prune(time.time())
    await store.forget("U1")
    await store.purge()


@pytest.mark.parametrize("words", rights.NEEDED, ids=lambda words: words[0])
async def test_a_command_that_the_bot_needs_and_may_not_is_named_with_the_rule(admin, redis_own, words):
    name = words[0].lower()
    url = await user(admin, redis_own, f"-{name}")
    said, finding = await refused(url), await fatal(url)
    assert said == f"RIVULET_STORE: {finding.text}; {finding.fix}."
    assert "nobody" not in said
    assert re.search(rf"forbids its user what the bot needs \(.*\b{name}\b", said)
    assert advised(finding.fix) == rights.rule(Names())


@pytest.mark.parametrize(
    "less",
    [["resetkeys"], ["resetkeys", "~other:*"], ["resetkeys", "%R~{rivulet}:*"], ["-@all"], ["-@write"]],
    ids=" ".join,
)
async def test_rights_that_are_too_few_are_said_in_one_line_and_the_advice_mends_them(admin, redis_own, less):
    url = await user(admin, redis_own, *less)
    assert await refused(url)
    finding = await fatal(url)
    assert len(finding.text) < 200
    await admin.ask("ACL", "SETUSER", "rivulet", *advised(finding.fix))
    store = store_at(url, joins=True)
    await store.open()
    assert store.health == OK
    await store.close()


@pytest.mark.parametrize("less", [["resetchannels"], ["-publish"], ["-subscribe"]], ids=" ".join)
async def test_a_user_that_can_not_push_will_do_and_the_advice_mends_it(
    admin, redis_own, less: Sequence[str]
):
    url = await user(admin, redis_own, *less)
    store = store_at(url, joins=True)
    await store.open()
    await store.close()
    [finding] = [each for each in await findings_at(url) if "replicas ask Redis more often" in each.text]
    assert not finding.ok
    assert not finding.fatal
    await admin.ask("ACL", "SETUSER", "rivulet", *advised(finding.fix))
    assert not [each for each in await findings_at(url) if "its user" in each.text]


async def test_what_is_of_a_wrong_kind_under_the_prefix_is_no_lack_of_rights(admin, redis_own):
    await admin.ask("SET", Names().of("members"), "x")
    finding = await fatal(redis_own.url)
    assert "refuses to work (WRONGTYPE" in finding.text
    assert "nobody" not in finding.text
    assert not finding.fix
