"""Where settings come from: the environment and `.env`.

pydantic-settings could read both, but takes as long to import as all of ours.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

#: Where settings are that the environment has not.
ENV = Path(".env")


class FromEnvironment(BaseModel):
    """Settings, each called by its `validation_alias` in the environment and `.env`, in any case of letters.

    The environment wins; what is empty there or in `.env` is not said.

    Args:
        _env_file: `.env`; None to read none.
        given: What overrides both, by the names there.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, validate_default=True)

    def __init__(self, _env_file: Path | None = ENV, **given: Any) -> None:
        said = _said(_env_file)
        names = [str(field.validation_alias) for field in type(self).model_fields.values()]
        found = {name: said[name.lower()] for name in names if name.lower() in said}
        super().__init__(**{**found, **given})


def written(env_file: Path | None = ENV) -> dict[str, str]:
    """Return what the file says, if there is one."""
    if env_file is None or not env_file.is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415  a container has no such file

    return {name: value or "" for name, value in dotenv_values(env_file, encoding="utf-8-sig").items()}


def _said(env_file: Path | None) -> dict[str, str]:
    """Return what the environment and the file say, by names in small letters."""
    both = (*written(env_file).items(), *os.environ.items())
    return {name.lower(): value for name, value in both if value}
