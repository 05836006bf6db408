"""Settings come from the environment, then `.env`, then what is usual."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, SecretStr, ValidationError, field_validator

from bot.config import FromEnvironment, Names, split


class Some(FromEnvironment):
    number: int = Field(default=1, gt=0, validation_alias="SOME_NUMBER")
    on: bool = Field(default=False, validation_alias="SOME_ON")
    path: Path | None = Field(default=None, validation_alias="SOME_PATH")
    names: Names = Field(default=("a",), validation_alias="SOME_NAMES")
    token: SecretStr = Field(default=SecretStr(""), validation_alias="SOME_TOKEN")
    way: Literal["up", "down"] = Field(default="up", validation_alias="SOME_WAY")

    _split = field_validator("names", mode="before")(split)


@pytest.fixture
def said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def say(file: str = "", **environment: str) -> Some:
        (tmp_path / ".env").write_text(file, "utf-8-sig")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return Some()

    return say


def test_what_nobody_says_is_as_usual(said):
    some = said()
    assert (some.number, some.on, some.path, some.names, some.way) == (1, False, None, ("a",), "up")
    assert not some.model_fields_set


def test_the_environment_wins_over_the_file(said):
    some = said("SOME_NUMBER=2\nSOME_WAY=down\nSOME_PATH='a b'\n", SOME_NUMBER="3", SOME_NAMES="b, c,")
    assert (some.number, some.way, some.path, some.names) == (3, "down", Path("a b"), ("b", "c"))
    assert some.model_fields_set == {"number", "way", "path", "names"}


def test_what_is_empty_is_not_said(said):
    some = said("SOME_NUMBER=2\nSOME_WAY=\nSOME_ON\n", SOME_NUMBER="", SOME_PATH="")
    assert (some.number, some.way, some.on, some.path) == (2, "up", False, None)
    assert some.model_fields_set == {"number"}


def test_small_letters_are_as_good_and_other_names_are_left_alone(said):
    some = said("some_way=down\nNUMBER=7\nnames=x\n", Some_On="true")
    assert (some.way, some.on, some.number, some.names) == ("down", True, 1, ("a",))


def test_what_is_given_wins_over_both_and_the_file_can_be_left_out(said):
    said("SOME_NUMBER=2\nSOME_WAY=down\n", SOME_ON="true")
    some = Some(SOME_NUMBER="5", SOME_ON=False)  # type: ignore[call-arg]
    assert (some.number, some.on, some.way) == (5, False, "down")
    assert Some(_env_file=None).number == 1  # type: ignore[call-arg]
    assert Some(_env_file=None).on  # type: ignore[call-arg]


def test_a_mistake_is_told_by_its_name_in_the_environment(said):
    with pytest.raises(ValidationError) as caught:
        said("SOME_NUMBER=0\n", SOME_ON="perhaps")
    assert [one["loc"] for one in caught.value.errors()] == [("SOME_NUMBER",), ("SOME_ON",)]


def test_settings_stay_as_they_were_read(said):
    some = said(SOME_TOKEN="canary")
    assert "canary" not in repr(some)
    with pytest.raises(ValidationError):
        some.number = 2
