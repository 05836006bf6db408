"""The command line: `rivulet run | demo | doctor | forget | purge`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer
from pydantic import ValidationError

import adapters
from bot.config import Settings, expect_readable, explain
from bot.platform import Platform, Unavailable
from bot.run import demo as demonstration
from bot.run import logs, screen
from bot.run.doctor import examine
from bot.run.orders import order
from bot.run.supervise import claude_of, patient_of, rekey_on_hangup, supervise

#: sysexits.h EX_CONFIG: only the operator can help, so do not restart.
CONFIG = 78

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Claude's answers, streamed into Slack and Discord by editing one message.",
)


@app.command()
def run() -> None:
    """Serve every platform that has credentials, until SIGTERM."""
    _finish(_run)


@app.command()
def demo(
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Play the scenes without a terminal and judge them; exit 1 if a claim fails."
        ),
    ] = False,
) -> None:
    """Watch it work on emulated platforms; needs no account."""
    _finish(demonstration.check if check else screen.show)


@app.command()
def doctor() -> None:
    """Look at tokens, scopes and intents, and say what to do."""
    _finish(_doctor)


@app.command()
def forget(
    user: Annotated[str, typer.Argument(help="Their id, as Slack (U…) or Discord (digits) shows it.")],
) -> None:
    """Delete what a person asked and was answered, also while the bot runs."""
    _finish(lambda: _order({"forget": user}))


@app.command()
def purge() -> None:
    """Delete all that the bot remembers, also while it runs."""
    _finish(lambda: _order({"purge": True}))


def main() -> None:
    """Run the command line."""
    app()


def _finish(command: Callable[[], Coroutine[Any, Any, int]]) -> None:
    """Run *command*; answer a user's mistake with one line and exit 78."""
    try:
        expect_readable()
        code = asyncio.run(command())
    except ValidationError as error:
        code = _mistake(explain(error))
    except Unavailable as error:
        code = _mistake(str(error))
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _mistake(line: str) -> int:
    sys.stderr.write(f"rivulet: {line}\n")
    return CONFIG


async def _run() -> int:
    settings, platforms = _configured()
    if not platforms:
        raise Unavailable("no platform is configured: set SLACK_… or DISCORD_… as .env.example shows.")
    if not settings.anthropic_api_key.get_secret_value():
        raise Unavailable("ANTHROPIC_API_KEY is not set: make a key in the Claude Console.")
    async with claude_of(settings) as claude:
        if trouble := await claude.check():
            sys.stderr.write(f"rivulet: {trouble} Starting all the same.\n")
        patient = patient_of(settings, claude)
        rekey_on_hangup(claude, patient)
        await supervise(settings, platforms, patient)
    return 0


async def _order(what: dict[str, Any]) -> int:
    settings = Settings()
    logs.configure("error", [])
    count = await order(settings.data, what)
    sys.stdout.write(f"{count} question{'s' * (count != 1)} deleted.\n")
    return 0


async def _doctor() -> int:
    settings, platforms = _configured()
    async with claude_of(settings) as claude:
        return 0 if await examine(claude, platforms) else CONFIG


def _configured() -> tuple[Settings, list[Platform]]:
    settings = Settings()
    platforms = [platform for name in adapters.NAMES if (platform := adapters.load(name))]
    secrets = [secret for platform in platforms for secret in platform.secrets]
    logs.configure(settings.log, [settings.anthropic_api_key.get_secret_value(), *secrets])
    return settings, platforms
