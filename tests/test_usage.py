"""`rivulet usage`, as it prints and draws."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bot.guard.usage import counted
from bot.platform import Unavailable
from bot.run.chart import chart, iso
from bot.run.orders import obeying, order
from bot.run.sources import Watched
from bot.run.usage import COLUMNS, NONE, as_csv, show, summary
from bot.store import rows
from bot.store.accounts import Spent
from bot.store.accounts_file import today
from bot.store.folder import Folder
from tests.test_accounts import ROW, spend
from tests.test_store import opened

#: 29 November 2026.
DAY = 20_786
SPENT = Spent(
    DAY, "chat", "T", "C1", "U1", "sonnet", turns=2, input=50, output=9, cache_read=50, tools=1, cost=123_456
)
ROWS = [
    SPENT,
    replace(SPENT, actor="U2", model="haiku", cost=1_000_000, estimated=500_000, turns=1),
    replace(SPENT, day=DAY - 40, cost=7_000_000),
]


def test_a_summary_says_how_much_when_by_whom_and_for_what():
    said = summary(ROWS, DAY)
    assert "today: $1.12, $0.50 of it by estimate; 3 answers; 200 tokens read (50% from the cache)" in said
    assert "in the last 400 days: $8.12" in said
    assert "  chat U2: $1.00, 1 answer\n" in said
    assert "  haiku (chat): $1.00" in said
    assert "The dearest days:\n  2026-10-20 (chat): $7.00" in said
    assert summary([], DAY) == NONE


def test_long_lists_end_with_how_many_more_there_are():
    many = [replace(SPENT, actor=f"U{number}") for number in range(25)]
    assert "  and 15 more\n" in summary(many, DAY)


def test_csv_has_a_line_for_each_row_and_dollars():
    [head, first, *others] = csv.reader(StringIO(as_csv(ROWS)))
    assert tuple(head) == COLUMNS
    assert dict(zip(head, first, strict=True))["day"] == "2026-11-29"
    assert first[-2:] == ["0.123456", "0.000000"]
    assert len(others) == 2


def test_a_chart_has_a_bar_for_each_day_and_model_and_nothing_to_run():
    odd = replace(SPENT, model='<script>"&')
    drawn = ET.fromstring(chart([*ROWS, odd], DAY))
    titles = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == 4
    assert '2026-11-29, <script>"&: $0.12, 2 answers' in titles
    assert [counted(0), counted(1), counted(1_200)] == ["0 answers", "1 answer", "1,200 answers"]
    assert not [*drawn.iter("{http://www.w3.org/2000/svg}script")]


@pytest.mark.parametrize("spent", [[], [replace(SPENT, cost=0)], [replace(SPENT, cost=2**52)], ROWS * 1])
def test_any_sum_can_be_drawn(spent):
    for bar in ET.fromstring(chart(spent, DAY)).iter("{http://www.w3.org/2000/svg}rect"):
        assert 0 <= float(bar.get("y", 0)) <= 400


def test_only_the_last_months_are_drawn():
    drawn = chart([replace(SPENT, day=DAY - age) for age in range(400)], DAY)
    assert iso(DAY) in drawn
    assert iso(DAY - 92) not in drawn


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path):
    with pytest.raises(Unavailable, match=r"--plot: .* can't be written"):
        show(ROWS, csv=False, plot=str(tmp_path / "no" / "folder.svg"))


async def test_what_was_spent_is_told_while_the_bot_runs_and_while_it_does_not(tmp_path):
    store = await opened(tmp_path)
    folder = Folder(tmp_path)
    folder.hold()
    await spend(store)
    async with obeying(tmp_path, store, Watched()):
        told = await order(tmp_path, {"usage": 0})
    assert [rows.spent_of(row) for row in told["spent"]] == [ROW]
    await store.close()
    folder.release()
    later = await order(tmp_path, {"usage": 0})
    assert [rows.spent_of(row) for row in later["spent"]] == [ROW]
    assert await order(tmp_path, {"usage": today() + 1}) == {"spent": []}


async def test_the_command_prints_and_draws(tmp_path):
    (tmp_path / "data").mkdir()
    store = await opened(tmp_path / "data")
    await spend(store)
    await store.close()
    said = await _run(tmp_path, "--csv", "--plot", "chart.svg")
    assert f"{iso(today())},chat,T1,C1,U1," in said
    drawn = ET.fromstring((tmp_path / "chart.svg").read_text())
    assert f"{iso(today())}, {ROW.model}: $0.0003, 1 answer" in drawn.itertext()
    assert "this month: $0.0003" in await _run(tmp_path)


async def _run(folder: Path, *options: str) -> str:
    environment = {**os.environ, "RIVULET_DATA": str(folder / "data"), "PYTHONPATH": str(Path.cwd())}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "usage", *options),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return said.decode()
