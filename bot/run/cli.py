"""The command line: `rivulet run | demo | doctor | feedback | notes | forget | purge`.

Must stay quick: each command imports what it needs when it runs, and no SDK before the settings are known
to be good, so that `--help` and a mistake in the settings are said at once.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters import Make
    from bot.config import Settings

#: sysexits.h EX_CONFIG: only the operator can help, so do not restart.
CONFIG = 78
#: What the shell expects of a command that was called wrongly.
USAGE = 2
ABOUT = "Claude's answers, streamed into Slack and Discord by editing one message."
CHECK = "Play the scenes without a terminal and judge them; exit 1 if a claim fails."
NOTE = "Delete the notes of this name."
CHANNEL = "In this channel alone: its id, as Slack (C…) or Discord (digits) shows it."
RECORD = "Film the scenes on the theatre's page, as an animated .webp; needs Chromium."
CSV = "Print each rating as a line of CSV: question, time, platform, channel, asker, rater, rating, model."
USER = "Their id, as Slack (U…) or Discord (digits) shows it."


def main() -> None:
    """Run the command line."""
    gc.disable()  # what imports make stays; what runs for long switches it on again
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look for some in every package
    parser = _parser()
    options = parser.parse_args()
    if "command" not in options:
        parser.print_help()
        sys.exit(USAGE)
    _finish(lambda: options.command(options))


def _parser() -> argparse.ArgumentParser:
    """Return what reads the command line; what a command does is the first line of its docstring."""
    parser = argparse.ArgumentParser(prog="rivulet", description=ABOUT)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    parsers = {}
    for name, command in COMMANDS.items():
        does = (command.__doc__ or "").splitlines()[0]
        parsers[name] = commands.add_parser(name, help=does, description=does)
        parsers[name].set_defaults(command=command)
    parsers["demo"].add_argument("--check", action="store_true", help=CHECK)
    parsers["demo"].add_argument("--record", metavar="FILE", help=RECORD)
    parsers["feedback"].add_argument("--csv", action="store_true", help=CSV)
    parsers["forget"].add_argument("user", help=USER)
    parsers["notes"].add_argument("--forget", metavar="NAME", help=NOTE)
    parsers["notes"].add_argument("--channel", metavar="ID", default="", help=CHANNEL)
    return parser


def _finish(command: Callable[[], Coroutine[Any, Any, int]]) -> None:
    """Run *command*; answer a user's mistake with one line and exit 78."""
    import asyncio

    from pydantic import ValidationError

    from bot.config import expect_readable, explain
    from bot.run.secrets import Secrets
    from bot.unavailable import Unavailable

    try:
        expect_readable()
        Secrets().take()
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


async def _run(_options: argparse.Namespace) -> int:
    """Serve every platform that has credentials, until SIGTERM."""
    from bot.unavailable import Unavailable

    settings, makes = _configured()
    if not makes:
        raise Unavailable(
            "no platform is configured: set SLACK_…, DISCORD_… or RIVULET_WEB as .env.example shows."
        )
    if not settings.anthropic_api_key.get_secret_value():
        raise Unavailable("ANTHROPIC_API_KEY is not set: make a key in the Claude Console.")
    from bot.run.start import start

    return await start(settings, makes)


async def _demo(options: argparse.Namespace) -> int:
    """Watch it work on emulated platforms; needs no account."""
    import signal

    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # as Ctrl-C: nothing of it stays
    if options.check:
        from bot.run.demo import check

        return await check()
    if options.record:
        from pathlib import Path

        from bot.run.record import record

        return await record(Path(options.record))
    from bot.run.screen import show

    return await show()


async def _doctor(_options: argparse.Namespace) -> int:
    """Look at tokens, scopes and intents, and say what to do."""
    settings, makes = _configured()
    from bot.run.doctor import doctor

    return 0 if await doctor(settings, makes) else CONFIG


async def _feedback(options: argparse.Namespace) -> int:
    """Show how people rated answers with thumbs, also while the bot runs."""
    told = await _order({"feedback": True})
    from bot.run.feedback import as_csv, summary
    from bot.store import rows

    ratings = [rows.rated_of(row) for row in told["ratings"]]
    sys.stdout.write(as_csv(ratings) if options.csv else summary(ratings))
    return 0


async def _notes(options: argparse.Namespace) -> int:
    """List what the bot was asked to remember, or delete of it, also while it runs."""
    if options.forget is not None:
        told = await _order({"erase": options.forget, "channel": options.channel})
        return _say(f"{_count(told['notes'], 'note')} deleted.")
    from datetime import UTC, datetime

    for note in (await _order({"notes": options.channel}))["notes"]:
        day = datetime.fromtimestamp(note["at"], UTC).date()
        text = note["text"].replace("\n", "\n    ")
        where = f"{note['platform']} {note['channel']}"
        _say(f"{note['name']}  ({where}, by {note['who']}, {note['actor']}, {day})\n    {text}")
    return 0


async def _forget(options: argparse.Namespace) -> int:
    """Delete what a person asked and was answered, also while the bot runs."""
    return _deleted(await _order({"forget": options.user}))


async def _purge(_options: argparse.Namespace) -> int:
    """Delete all that the bot remembers, also while it runs."""
    return _deleted(await _order({"purge": True}))


async def _order(what: dict[str, Any]) -> dict[str, Any]:
    from bot.config import Settings

    settings = Settings()
    from bot.run import logs
    from bot.run.orders import order

    logs.configure("error", [])
    return await order(settings.data, what)


def _deleted(told: dict[str, Any]) -> int:
    notes = f" and {_count(told['notes'], 'note')}" if told["notes"] else ""
    return _say(f"{_count(told['count'], 'question')}{notes} deleted.")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _say(line: str) -> int:
    sys.stdout.write(f"{line}\n")
    return 0


def _configured() -> tuple[Settings, list[Make]]:
    """Return the settings, and what makes each platform that has credentials."""
    import adapters
    from bot.config import Settings

    return Settings(), [make for name in adapters.NAMES if (make := adapters.find(name))]


COMMANDS = {
    "run": _run,
    "demo": _demo,
    "doctor": _doctor,
    "notes": _notes,
    "feedback": _feedback,
    "forget": _forget,
    "purge": _purge,
}
