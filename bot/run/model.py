"""The model that the settings describe, made while platforms connect, and a new key for it.

Claude's SDK takes a second of CPU to import, so that is done in a thread, and questions that come meanwhile
wait for it.  Whether the key is good is asked before, without the SDK.  Must never import it itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import structlog
from pydantic import ValidationError

from bot.config import Settings, expect_readable, explain
from bot.events import Event
from bot.model import Ask, Kind, Model, ModelError, Request, nobody
from bot.model.course import Patience
from bot.model.listed import listed
from bot.model.patient import Patient
from bot.platform import Unavailable
from bot.run import logs
from bot.run.secrets import Secrets
from bot.tally import Tally

if TYPE_CHECKING:
    from bot.model.claude import Claude

log = structlog.get_logger(__name__)

#: The one secret that is changed while the bot runs.
KEY = "ANTHROPIC_API_KEY"
#: Seconds to connect, and for a whole answer, when the API is asked about the key.
ASKED = aiohttp.ClientTimeout(total=60, connect=5)


class Coming:
    """Answers with Claude, as *settings* say, whose SDK is imported once it is asked or told to `prepare`.

    Attributes:
        reread_key: Called when the key is refused: reads it anew, and calls `rekey` if it is another.
    """

    def __init__(self, settings: Settings) -> None:
        self.reread_key: Callable[[], object] = _unread
        self._settings = settings
        self._key = settings.anthropic_api_key.get_secret_value()
        self._window: int | None = None
        self._making: asyncio.Task[Claude] | None = None
        self._claude: Claude | None = None

    async def check(self) -> str:
        """Ask the API about the key and the model; return what is wrong for the moment, or "".

        Raises:
            Unavailable: When only the operator can help; the message says how.
        """
        url, model = self._settings.anthropic_base_url, self._settings.model
        async with aiohttp.ClientSession(trust_env=True, timeout=ASKED) as session:
            told = await listed(session, self._key, url, model)
        if told.final:
            raise Unavailable(told.trouble)
        self._window = told.window
        if self._claude:
            self._claude.told(model, told.window)
        return told.trouble

    def prepare(self) -> asyncio.Task[Claude]:
        """Begin to import the SDK, in a thread, if that has not begun; return what ends with the model."""
        if self._making is None:
            # In a context of its own: what is logged of it is not of the question that came first.
            create = asyncio.get_running_loop().create_task
            self._making = create(self._make(), context=contextvars.Context())
        return self._making

    async def stream(self, request: Request, ask: Ask = nobody) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        claude = await asyncio.shield(self.prepare())
        for again in (False, True):
            begun, used = False, self._key
            try:
                async with aclosing(claude.stream(request, ask)) as events:
                    async for event in events:
                        begun = True
                        yield event
            except ModelError as error:
                if again or begun or error.kind is not Kind.KEY or not self._has_another(used):
                    raise
            else:
                return

    def _has_another(self, refused: str) -> bool:
        """Tell whether there is another key than the *refused* one; others may have found it already."""
        if self._key == refused:
            self.reread_key()
        return self._key != refused

    def rekey(self, api_key: str) -> bool:
        """Use *api_key* from now on; the old one is in no later request.  Tell whether it is another."""
        another, self._key = api_key != self._key, api_key
        if self._claude:
            self._claude.rekey(api_key)
        return another

    async def close(self) -> None:
        """Close all connections; what is being imported is not waited for."""
        if self._making and not self._making.done():
            self._making.cancel()
            await asyncio.wait({self._making})
        if self._claude:
            await self._claude.close()

    async def _make(self) -> Claude:
        """Import the SDK and make the model.

        Nothing that it makes is garbage soon, and walking it would stop the loop, so it is kept from that.
        """
        collects = gc.isenabled()
        gc.disable()
        try:
            claude = await asyncio.to_thread(_claude, self._settings)
            gc.freeze()
        finally:
            if collects:
                gc.enable()
        claude.rekey(self._key)
        claude.told(self._settings.model, self._window)
        self._claude = claude
        return claude


def _unread() -> None:
    """Read no key: there is nobody who would change it."""


def _claude(settings: Settings) -> Claude:
    """Return the model that *settings* describe."""
    from bot.model.claude import Claude  # noqa: PLC0415  takes a second

    patience = Patience()
    return Claude(
        settings.anthropic_api_key.get_secret_value(),
        settings.anthropic_base_url,
        settings.model,
        silence=patience.byte_idle,
        event=patience.event,
    )


@asynccontextmanager
async def claude_of(settings: Settings) -> AsyncIterator[Coming]:
    """Yield the model that *settings* describe; it is made once it is asked, or told to prepare."""
    claude = Coming(settings)
    try:
        yield claude
    finally:
        await claude.close()


def patient_of(settings: Settings, model: Model, tally: Tally | None = None) -> Patient:
    """Return *model* with the patience that *settings* describe; what it does is counted in *tally*."""
    return Patient(model, Patience(streams=settings.turns), settings.fallback_model, tally=tally)


def rotate_key(claude: Coming, patient: Patient) -> None:
    """Take a new API key on SIGHUP, and when the old one is refused; see `bot.run.secrets`."""
    secrets = Secrets()

    def reread() -> bool:
        """Use what the files and `.env` have now; False if they can't be read."""
        try:
            expect_readable()
            changed = secrets.again()
            key = Settings().anthropic_api_key.get_secret_value()
        except (ValidationError, Unavailable) as error:
            reason = explain(error) if isinstance(error, ValidationError) else str(error)
            log.error("the settings can't be read again", reason=reason)  # noqa: TRY400 - hides values
            return False
        logs.hide([key])
        if claude.rekey(key):
            log.info("took a new API key")
        if others := [name for name in changed if name != KEY]:
            log.warning("restart the bot: these are used from its start on", settings=others)
        return True

    def hung_up() -> None:
        if reread():
            patient.forgive()

    claude.reread_key = reread
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)
