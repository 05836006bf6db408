"""`/metrics`: what it says is what happened; nothing in it is anybody's."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.config import Settings, address_of
from bot.core.core import Core
from bot.events import Finished
from bot.guard.access import Access
from bot.guard.prices import prices
from bot.guard.spend import Spend
from bot.model import Kind, ModelError
from bot.model.patient import Patient
from bot.model.script import Script
from bot.platform import Gone, SlowDown, Stop
from bot.run.exporter import exporting
from bot.run.lag import Lag
from bot.run.sources import Sources
from bot.run.supervise import build
from bot.store.accounts import Hold
from bot.store.accounts_memory import MemoryAccounts
from bot.store.alone import Alone
from bot.store.memory import Memory
from bot.store.peers import Member
from bot.tally import MOST, OTHER, Count, Spread, Tally
from tests.fakes import ANN, HERE, Sheet, ask

NOWHERE = ("127.0.0.1", 0)


def sources(core: Core, data: Path | None = None) -> Sources:
    slack = cast("Any", SimpleNamespace(name="slack", health="up", heard_at=0.0))
    return Sources(core, [slack], Lag(), data)


async def shown(core: Core, data: Path | None = None, accept: str = "text/plain") -> str:
    """What a scrape reads."""
    async with (
        exporting(NOWHERE, sources(core, data)) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept}) as response,
    ):
        assert response.status == 200
        return await response.text()


def numbers(text: str) -> dict[str, float]:
    """Every sample, as it stands in the text but with its labels in order."""
    return {
        f"{one.name}{sorted(one.labels.items())}": one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def found(text: str, name: str, **labels: str) -> float:
    return numbers(text)[f"{name}{sorted(labels.items())}"]


async def ended(core: Core) -> None:
    async with asyncio.timeout(20):
        while core._lives:
            await asyncio.sleep(0.01)


def quick(**more: Any) -> Sheet:
    return Sheet(rate=1000.0, burst=1000, spacing=0.0, latency=0.0, **more)


async def test_an_answer_is_counted_with_its_first_text_its_edits_and_its_last_edit():
    core = Core(Script("one ", "two"), Memory(), Access())
    await core.mention(ask(quick(), key="slack/q1"))
    await ended(core)
    text = await shown(core)
    assert found(text, "rivulet_answers_total", platform="slack", ending="finished") == 1
    assert found(text, "rivulet_first_text_seconds_count", platform="slack") == 1
    assert found(text, "rivulet_last_edit_seconds_count", platform="slack", ending="finished") == 1
    assert found(text, "rivulet_writes_total", platform="slack", op="post", outcome="ok") == 1
    assert found(text, "rivulet_questions_total", outcome="taken") == 1
    assert found(text, "rivulet_answers_live", state="running") == 0
    assert found(text, "rivulet_budget_used_ratio", platform="bucket") > 0


async def test_a_stop_and_a_slow_platform_and_a_message_that_is_gone_are_counted():
    core = Core(Script("word ", 60.0), Memory(), Access())
    sheet = quick(errors=[SlowDown(0.05, "bucket/post")])
    await core.mention(ask(sheet, key="slack/q1"))
    async with asyncio.timeout(20):
        while not sheet.log or not sheet.last.text:
            await asyncio.sleep(0.01)
    await core.stop(Stop("slack/q1", ANN, HERE))
    await ended(core)
    gone = quick(errors=[Gone("deleted")])
    await core.mention(ask(gone, key="slack/q2"))
    await ended(core)
    text = await shown(core)
    assert found(text, "rivulet_answers_total", platform="slack", ending="stopped") == 1
    assert found(text, "rivulet_last_edit_seconds_count", platform="slack", ending="stopped") == 1
    assert (
        found(text, "rivulet_last_edit_seconds_sum", platform="slack", ending="stopped") < 60
    )  # as the model is silent
    assert found(text, "rivulet_writes_total", platform="slack", op="post", outcome="slowed") == 1
    assert found(text, "rivulet_writes_total", platform="slack", op="post", outcome="gone") == 1
    assert found(text, "rivulet_answers_total", platform="slack", ending="lost") == 1


async def test_a_hint_is_a_write_and_no_answer():
    core = Core(Script("never"), Memory(), Access())
    await core.mention(ask(quick(), key="slack/q1", text=" "))
    await ended(core)
    text = await shown(core)
    assert "rivulet_answers_total{" not in text
    assert found(text, "rivulet_writes_total", platform="slack", op="post", outcome="ok") == 1


async def test_what_fails_at_claude_is_counted_by_kind_and_by_what_was_done():
    class Failing(Script):
        async def stream(self, request, ask=None):
            if request:
                raise ModelError("no", Kind.AWAY)
            yield Finished()

    tally = Tally()
    patient = Patient(Failing(), chance=lambda _: 0.0, tally=tally)
    core = Core(patient, Memory(), Access(), tally=tally)
    await core.mention(ask(quick(), key="slack/q1"))
    await ended(core)
    text = await shown(core)
    assert found(text, "rivulet_model_failures_total", kind="away", outcome="told") == 1
    assert found(text, "rivulet_model_failures_total", kind="away", outcome="retried") >= 1
    assert found(text, "rivulet_answers_total", platform="slack", ending="failed") == 1


async def test_both_formats_parse_and_every_name_keeps_the_conventions():
    core = Core(Script("hello"), Memory(), Access())
    await core.mention(ask(quick(), key="slack/q1"))
    await ended(core)
    for family in text_string_to_metric_families(await shown(core)):
        assert family.documentation
        if family.name.startswith("process_"):
            continue
        assert re.fullmatch(r"rivulet_[a-z_]+", family.name)
        assert not re.search(r"_(ms|milliseconds|percent|count|kb|mb)$", family.name)
        for sample in family.samples:
            assert family.type != "counter" or sample.name.endswith("_total")
            assert set(sample.labels) <= {
                *("platform", "ending", "op", "outcome", "kind", "model", "tool", "state", "le"),
            }
    opened = await shown(core, accept="application/openmetrics-text; version=1.0.0")
    assert opened.endswith("# EOF\n")


async def test_no_scrape_shows_an_id_or_a_word():
    core = Core(Script("the secret answer"), Memory(), Access())
    await core.mention(
        ask(quick(), key="slack/T1/C777/1712.1", text="the secret question", conversation="C777")
    )
    await ended(core)
    text = await shown(core)
    for word in ("secret", "U1", "T1", "C1", "C777", "1712", "ann"):
        assert not re.search(rf"\b{word}\b", text), word


def test_however_many_words_come_the_numbers_of_a_metric_are_bounded():
    count, spread = Count("tool", "outcome"), Spread((1.0,), "tool")
    for number in range(10 * MOST):
        count.add(f"tool{number}", "ok")
        spread.took(0.5, f"tool{number}")
    assert len(count.values) == len(spread.values) == MOST + 1
    assert sum(count.values.values()) == 10 * MOST
    assert count.values[OTHER, OTHER] == 9 * MOST
    assert spread.values[OTHER,].counts == [9 * MOST, 0]


def test_a_time_on_a_bound_counts_below_it_as_prometheus_has_it():
    spread = Spread((0.5, 1.0))
    for seconds in (0.5, 0.7, 1.0, 1.1):
        spread.took(seconds)
    assert spread.values[()].counts == [1, 2, 1]


async def test_a_port_that_is_taken_costs_the_metrics_and_nothing_else():
    core = Core(Script("hello"), Memory(), Access())
    async with exporting(NOWHERE, sources(core)) as port, exporting(("127.0.0.1", port), sources(core)) as no:
        assert no == 0


async def test_off_is_no_port():
    async with exporting(address_of("off"), sources(Core(Script("hello"), Memory(), Access()))) as port:
        assert port == 0


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("[::1]:1", ("::1", 1)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("off", None),
    ],
)
def test_an_address_is_a_host_and_a_port(text, address):
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["9464", ":9464", "localhost", "localhost:", "a:-1", "a:65536", "a:²", "on"])
def test_another_address_is_refused(text):
    with pytest.raises(ValueError, match="as in 127"):
        address_of(text)


async def test_the_ledger_is_measured_in_bytes(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"x" * 100)
    (tmp_path / "ledger.db-wal").write_bytes(b"x" * 11)
    core = build(Settings(), [], Script("hello"))
    text = await shown(core, tmp_path)
    assert found(text, "rivulet_ledger_bytes") == 111
    assert found(text, "rivulet_ledger_up") == 1
    assert found(text, "rivulet_model_up") == 1
    assert found(text, "rivulet_platform_up", platform="slack") == 1


class Others(Alone):
    """Peers of a process that sees two others, one of which leaves, and that has lost the store."""

    away = 12.5

    @property
    def members(self):
        return Member("a", 0.0), Member("b", 0.0, leaving=True), Member("c", 0.0)


async def test_the_replicas_that_a_process_sees_are_counted_and_one_that_has_none_is_the_only_one():
    store = Memory()
    it = Core(Script("hello"), store, Access())
    for peers, serving, leaving, away in ((Alone(), 1, 0, 0.0), (Others(), 2, 1, 12.5)):
        store._peers = peers
        text = await shown(it)
        assert found(text, "rivulet_replicas", state="serving") == serving
        assert found(text, "rivulet_replicas", state="leaving") == leaving
        assert found(text, "rivulet_store_away_seconds") == away


async def test_the_parts_of_a_platform_that_a_process_has_are_counted_without_their_names():
    it = Core(Script("hello"), Memory(), Access())
    for name, total in (("slack/sockets", 2), ("slack/T777", 1), ("discord/1", 16)):
        await anext(it.leases.parts(name, total))
    text = await shown(it)
    assert found(text, "rivulet_parts_held", platform="slack") == 3
    assert "T777" not in text


async def test_what_was_settled_is_in_the_metrics_in_tokens_and_dollars():
    tally = Tally()
    money = Spend(MemoryAccounts(), prices(), model="claude-sonnet-5-5", clock=lambda: 0.0, tally=tally)
    who = replace(money.who(ANN, HERE, "claude-sonnet-5-5"), input=1_000, cache_read=300, output=200)
    spent = replace(who, platform="slack", cost=2_500_000)
    assert not await money.reserve(Hold("a", 1, spent), HERE)
    money.settle("a", spent, HERE)
    money.settle("b", None, HERE)
    text = await shown(Core(Script("hello"), Memory(), Access(), tally=tally))
    model = "claude-sonnet-5-5"
    assert found(text, "rivulet_cost_dollars_total", platform="slack", model=model) == 2.5
    assert found(text, "rivulet_tokens_total", model=model, kind="cache_read") == 300
    assert found(text, "rivulet_tokens_total", model=model, kind="output") == 200
    assert money.today.spent == 2_500_000
