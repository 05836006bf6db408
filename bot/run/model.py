"""The model that the settings describe, and a new key for it.  Imports Claude's SDK, which takes seconds."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from pydantic import ValidationError

from bot.config import Settings, expect_readable, explain
from bot.model import Model
from bot.model.claude import Claude
from bot.model.course import Patience
from bot.model.patient import Patient
from bot.platform import Unavailable
from bot.run import logs
from bot.run.secrets import Secrets
from bot.tally import Tally

log = structlog.get_logger(__name__)

#: The one secret that is changed while the bot runs.
KEY = "ANTHROPIC_API_KEY"


@asynccontextmanager
async def claude_of(settings: Settings) -> AsyncIterator[Claude]:
    """Yield the model that *settings* describe."""
    patience = Patience()
    claude = Claude(
        settings.anthropic_api_key.get_secret_value(),
        settings.anthropic_base_url,
        settings.model,
        silence=patience.byte_idle,
        event=patience.event,
    )
    try:
        yield claude
    finally:
        await claude.close()


def patient_of(settings: Settings, model: Model, tally: Tally | None = None) -> Patient:
    """Return *model* with the patience that *settings* describe; what it does is counted in *tally*."""
    return Patient(model, Patience(streams=settings.turns), settings.fallback_model, tally=tally)


def rekey_on_hangup(claude: Claude, patient: Patient) -> None:
    """Take a new API key on SIGHUP, so that a rotation needs no restart; see `bot.run.secrets`."""
    secrets = Secrets()

    def rekey() -> None:
        try:
            expect_readable()
            changed = secrets.again()
            key = Settings().anthropic_api_key.get_secret_value()
        except (ValidationError, Unavailable) as error:
            reason = explain(error) if isinstance(error, ValidationError) else str(error)
            log.error("the settings can't be read again", reason=reason)  # noqa: TRY400 - hides values
            return
        logs.hide([key])
        claude.rekey(key)
        patient.forgive()
        log.info("took the API key anew")
        if others := [name for name in changed if name != KEY]:
            log.warning("restart the bot: these are used from its start on", settings=others)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, rekey)
