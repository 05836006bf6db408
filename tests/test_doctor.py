"""`rivulet doctor` and `rivulet purge` as processes, where the data folder is not what it should be."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from adapters.emulators.process import World, spawned
from bot.store.examine import BROKEN, NAME
from bot.store.sqlite import Sqlite
from tests.test_cli import TRACEBACK, good, ran

#: Run first: rights count for this process too if it is root's, as in a container.
MERE = """
import contextlib, ctypes
with contextlib.suppress(AttributeError):
    ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
"""


def poked(statement: str) -> Callable[[Path], object]:
    def poke(folder: Path) -> None:
        with closing(sqlite3.connect(folder / NAME)) as db, db:
            db.execute(statement)

    return poke


def a_file(folder: Path) -> None:
    for path in [*folder.iterdir()]:
        path.unlink()
    folder.rmdir()
    folder.write_text("x")


def a_ledger_that_is_a_folder(folder: Path) -> None:
    (folder / NAME).unlink()
    (folder / NAME).mkdir()


#: What is done to the data folder, and what the one line about it says.
HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "unreadable ledger": (lambda folder: (folder / NAME).chmod(0), f"{NAME} can't be read now ("),
    "unreadable folder": (lambda folder: folder.chmod(0), "it may not be read and written"),
    "folder for reading only": (lambda folder: folder.chmod(0o500), "it may not be read and written"),
    "a file where the folder should be": (a_file, "it is no folder"),
    "a folder where the ledger should be": (a_ledger_that_is_a_folder, f"{NAME} is moved aside at the next"),
    "a foreign schema": (poked("ALTER TABLE turns ADD COLUMN mood"), "its table turns has other columns"),
    "a version to come": (poked("PRAGMA user_version = 99"), "made by another Rivulet (version 99"),
    "no database": (lambda folder: (folder / NAME).write_bytes(b"no database, " * 999), "is moved aside at"),
    "half a ledger": (lambda folder: os.truncate(folder / NAME, 4096), "is moved aside at the next start"),
    "a ledger set aside": (lambda folder: (folder / f"{BROKEN}1").touch(), f"{BROKEN}1 could not be used"),
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with spawned() as world:
        yield world


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A folder with a ledger in it."""
    (folder := tmp_path / "data").mkdir()
    store = Sqlite(folder)
    await store.open()
    await store.close()
    yield folder
    if folder.is_dir():
        folder.chmod(0o700)


@pytest.mark.parametrize("harm", HARM)
async def test_the_doctor_has_one_line_for_a_broken_ledger_and_says_that_the_bot_can_run(
    harm, world, folder, tmp_path
):
    do, line = HARM[harm]
    do(folder)
    env = {**good(world), "RIVULET_DATA": str(folder)}
    code, out, err = await ran("doctor", cwd=tmp_path, env=env, code=MERE)
    assert code == 0, out + err
    [told] = [each for each in out.splitlines() if "RIVULET_DATA" in each]
    assert told.startswith("hm ")
    assert line in told
    assert TRACEBACK not in out + err
    assert err == ""


@pytest.mark.parametrize("where", ["data/x", "data/x/y", "x" * 300])
async def test_the_doctor_says_of_a_folder_that_can_not_be_made_so(where, world, folder, tmp_path):
    a_file(folder)
    env = {**good(world), "RIVULET_DATA": str(tmp_path / where)}
    code, out, err = await ran("doctor", cwd=tmp_path, env=env)
    assert (code, err) == (0, "")
    assert out.count("RIVULET_DATA") == 1


async def test_the_doctor_says_nothing_of_a_ledger_that_is_well_or_is_to_be_made(world, folder, tmp_path):
    for where in (folder, tmp_path / "new" / "data"):
        code, out, err = await ran("doctor", cwd=tmp_path, env={**good(world), "RIVULET_DATA": str(where)})
        assert (code, err) == (0, "")
        assert "RIVULET_DATA" not in out
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("harm", ["unreadable ledger", "unreadable folder", "a foreign schema"])
async def test_what_deletes_does_so_or_says_why_not(harm, folder, tmp_path):
    HARM[harm][0](folder)
    code, out, err = await ran("purge", cwd=tmp_path, env={"RIVULET_DATA": str(folder)}, code=MERE)
    assert TRACEBACK not in out + err
    if harm == "a foreign schema":
        assert (code, out) == (0, "0 questions deleted.\n")
    else:
        assert code == 78
        assert err.splitlines()[-1].startswith("rivulet: RIVULET_DATA: not deleted (")
