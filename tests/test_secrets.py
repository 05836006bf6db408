"""Secrets from files and `.env`: read at the start, and anew on SIGHUP; and who else may read them."""

from __future__ import annotations

import os

import pytest

from bot.run.secrets import Secrets, exposed, known
from bot.store import OK
from bot.store import writer as module
from bot.store.folder import Folder
from bot.store.sqlite import Sqlite
from bot.unavailable import Unavailable
from tests.contract import until

KEY = "ANTHROPIC_API_KEY"


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("ANTHROPIC_", "SLACK_", "DISCORD_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(KEY, "")


@pytest.mark.parametrize("name", [KEY, "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "DISCORD_BOT_TOKEN"])
@pytest.mark.rule(20)
@pytest.mark.rule(24)
def test_a_secret_comes_from_a_file_and_is_read_anew(name, tmp_path, monkeypatch):
    monkeypatch.setenv(name, "")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    (tmp_path / "secret").touch(0o600)
    (tmp_path / "secret").write_text("\ufeffone\n")
    secrets = Secrets()
    secrets.take()
    assert os.environ[name] == "one"
    (tmp_path / "secret").write_text("two")
    assert secrets.again() == [name]
    assert os.environ[name] == "two"
    assert secrets.again() == []


def test_the_file_may_be_named_in_env_and_other_settings_have_none(tmp_path, monkeypatch):
    (tmp_path / "secret").touch(0o600)
    (tmp_path / "secret").write_text("one")
    (tmp_path / ".env").write_text(f"{KEY}_FILE={tmp_path}/secret\nRIVULET_CODE_FILE=5\n")
    monkeypatch.setenv("RIVULET_CODE_FILE", "5")
    Secrets().take()
    assert os.environ[KEY] == "one"
    assert "RIVULET_CODE" not in os.environ


@pytest.mark.parametrize("held", [None, b"", b"\xff\xfe", b" \n", b"x" * 5000])
@pytest.mark.rule(20)
def test_a_file_without_a_secret_is_said_without_what_is_in_it(held, tmp_path, monkeypatch):
    if held is not None:
        (tmp_path / "secret").write_bytes(held)
    monkeypatch.setenv(f"{KEY}_FILE", str(tmp_path / "secret"))
    with pytest.raises(Unavailable, match=f"^{KEY}_FILE: .{{0,200}}$"):
        Secrets().take()


@pytest.mark.rule(20)
def test_a_folder_in_place_of_a_file_is_named_as_that(tmp_path, monkeypatch):
    """Docker makes one where it is to mount a file that is not there."""
    monkeypatch.setenv(f"{KEY}_FILE", str(tmp_path))
    with pytest.raises(Unavailable, match=f"^{KEY}_FILE: .* is a folder"):
        Secrets().take()


def test_a_secret_in_small_letters_is_one_from_a_file_and_in_env(tmp_path, monkeypatch):
    (tmp_path / "secret").touch(0o600)
    (tmp_path / "secret").write_text("one")
    monkeypatch.setenv("slack_bot_token_file", str(tmp_path / "secret"))
    small = "slack_app_token"
    monkeypatch.setenv(small, "one")
    (tmp_path / ".env").write_text(f"{small}=one\n")
    secrets = Secrets()
    secrets.take()
    assert os.environ["SLACK_BOT_TOKEN"] == "one"
    (tmp_path / ".env").write_text(f"{small}=two\n")
    assert secrets.again() == ["SLACK_APP_TOKEN"]
    assert known()[small] == "two"


def test_what_changed_in_env_wins_over_the_environment_that_was_made_of_it(tmp_path, monkeypatch):
    """As in a container: its environment has the value of the start."""
    monkeypatch.setenv(KEY, "one")
    monkeypatch.setenv("RIVULET_MODEL", "kept")
    (tmp_path / ".env").write_text(f"{KEY}=one\nRIVULET_MODEL=a\n")
    secrets = Secrets()
    (tmp_path / ".env").write_text(f"{KEY}=two\nRIVULET_MODEL=b\n")
    assert secrets.again() == [KEY]
    assert (os.environ[KEY], os.environ["RIVULET_MODEL"]) == ("two", "kept")


@pytest.mark.parametrize(("mode", "said"), [(0o600, False), (0o644, True), (0o640, True), (0o604, True)])
@pytest.mark.rule(20)
def test_an_env_that_others_may_read_is_said(mode, said, tmp_path):
    assert exposed() == ""
    (tmp_path / ".env").write_text("")
    (tmp_path / ".env").chmod(mode)
    assert ("chmod 600" in exposed()) is said


def test_of_a_folder_called_env_no_rights_are_to_be_taken(tmp_path):
    (tmp_path / ".env").mkdir(0o755)
    assert exposed() == ""


async def test_two_bots_on_a_folder_that_was_deleted_are_not_both_well(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRY", 0.05)
    path = tmp_path / "data"
    first, second = Folder(path), Folder(path)
    first.hold()
    one = Sqlite(path, first.expect_held)
    await one.open()
    assert one.health == OK
    path.rename(tmp_path / "gone")
    assert one.health.startswith("degraded: ledger.db was deleted")
    second.hold()
    two = Sqlite(path, second.expect_held)
    await two.open()
    await one.prune(0.0)

    async def refused() -> bool:
        return "another Rivulet has the folder" in one.health

    await until(refused)
    assert two.health == OK
    await two.close()
    second.release()

    async def healed() -> bool:
        return one.health == OK

    await until(healed)
    with pytest.raises(Unavailable):
        second.hold()
    await one.close()
    first.release()


@pytest.mark.rule(20)
@pytest.mark.parametrize(("mode", "refused"), [(0o400, False), (0o600, False), (0o640, True), (0o604, True)])
def test_a_secret_that_others_can_read_is_refused_with_what_to_do(mode, refused, tmp_path, monkeypatch):
    path = tmp_path / "secret"
    path.write_text("one")
    path.chmod(mode)
    monkeypatch.setenv(f"{KEY}_FILE", str(path))
    if refused:
        with pytest.raises(Unavailable, match=f"{KEY}_FILE: .*chmod 600"):
            Secrets().take()
    else:
        Secrets().take()
        assert os.environ[KEY] == "one"
