"""What a Discord message says, whether it is for the bot, and what an event that can't be read costs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.core import HISTORY  # noqa: F401
