"""The command line: `rivulet run | demo | doctor` and the other commands, see `COMMANDS`.

Must stay quick: each command imports what it needs when it runs, and no SDK before the settings are known
to be good, so that `--help` and a mistake in the settings are said at once.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from bot import __version__
from bot.run.output import stray, whole

if TYPE_CHECKING:
    from pathlib import Path

    from bot.run.look import Adapters

#: An exit code, or what returns it in an event loop, which takes long to import.
Done = int | Coroutine[Any, Any, int]
#: sysexits.h EX_CONFIG: only the operator can help, so do not restart.
CONFIG = 78
#: What the shell expects of a command that was called wrongly.
USAGE = 2
ABOUT = "Claude's answers, streamed into Slack and Discord by editing one message."
CHECK = "Play the scenes without a terminal and judge them; exit 1 if a claim fails."
CONTENT = "Log what people write and what is answered, to find a fault; tell them, and do not leave it on."
NOTE = "Delete the notes of this name."
CHANNEL = "In this channel alone: its id, as Slack (C…) or Discord (digits) shows it."
RECORD = "Film the scenes on the theatre's page, as an animated .webp; needs Chromium."
CSV = "Print each rating as a line of CSV: question, time, platform, channel, asker, rater, rating, model."
SCHEMA = "Print the JSON schema of config.toml, for editors."
JSON = "Print one JSON object instead of a table."
USAGE_CSV = "Print what was spent as CSV: a line for each day, channel, person and model."
PLOT = "Draw what was spent a day into this file, as SVG."
BACKUP = "Where to write the copy; - for standard output."
RESTORE = "A copy that `rivulet backup` has written; - for standard input."
MOVE = "Where Redis is, instead of RIVULET_STORE; others on this machine can read it while the command runs."
ONCE = "Print it once and end."
HOST = "Where its page listens; another address than 127.0.0.1 makes sense in a container alone."
USER = "Their id, as Slack (U…) or Discord (digits) shows it."


def main() -> None:
    """Run the command line."""
    gc.disable()  # what imports make stays; what runs for long switches it on again
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look for some in every package
    try:
        with whole():
            _run_command(_parser())
    finally:
        gc.freeze()  # else Python looks through all of it once more before it ends


def _run_command(parser: argparse.ArgumentParser) -> None:
    if why := stray(sys.argv[1:]):
        parser.error(why)
    options, words = parser.parse_known_args()
    if words and getattr(options, "command", None) not in OPEN:
        parser.error(f"unrecognized arguments: {' '.join(words)}")
    options.words = words
    if "command" not in options:
        parser.print_help()
        sys.exit(USAGE)
    _finish(partial(options.command, options))


def _parser() -> argparse.ArgumentParser:
    """Return what reads the command line; what a command does is the first line of its docstring."""
    parser = argparse.ArgumentParser(prog="rivulet", description=ABOUT)
    parser.add_argument("--version", action="version", version=f"rivulet {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", prog=parser.prog)
    parsers = {}
    for name, command in COMMANDS.items():
        does = (command.__doc__ or "").splitlines()[0]
        # A command that reads its own options has their help, too.
        own = command in OPEN
        parsers[name] = commands.add_parser(name, help=does, description=does, add_help=not own)
        parsers[name].set_defaults(command=command)
    parsers["run"].add_argument("--debug-content", action="store_true", help=CONTENT)
    parsers["demo"].add_argument("--check", action="store_true", help=CHECK)
    parsers["demo"].add_argument("--host", default="127.0.0.1", help=HOST)
    parsers["demo"].add_argument("--record", metavar="FILE", help=RECORD)
    parsers["feedback"].add_argument("--csv", action="store_true", help=CSV)
    parsers["doctor"].add_argument("--json", action="store_true", help=JSON)
    parsers["forget"].add_argument("user", help=USER)
    parsers["notes"].add_argument("--forget", metavar="NAME", help=NOTE)
    parsers["notes"].add_argument("--channel", metavar="ID", default="", help=CHANNEL)
    parsers["check"].add_argument("--schema", action="store_true", help=SCHEMA)
    parsers["usage"].add_argument("--csv", action="store_true", help=USAGE_CSV)
    parsers["usage"].add_argument("--plot", metavar="FILE", help=PLOT)
    parsers["backup"].add_argument("file", help=BACKUP)
    parsers["restore"].add_argument("file", help=RESTORE)
    parsers["move"].add_argument("--to", metavar="URL", default="", help=MOVE)
    parsers["top"].add_argument("--once", action="store_true", help=ONCE)
    return parser


def _finish(command: Callable[[], Done]) -> None:
    """Run *command*; answer a user's mistake with one line and exit 78."""
    from pydantic import ValidationError

    from bot.config import expect_readable, explain
    from bot.run.secrets import Secrets
    from bot.unavailable import Unavailable

    try:
        expect_readable()
        Secrets().take()
        code = _code(command())
    except ValidationError as error:
        code = _mistake(explain(error, values=True, between="\n"))
    except Unavailable as error:
        code = _mistake(str(error))
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _code(done: Done) -> int:
    """Return the exit code of a command that is *done*, or goes on in an event loop."""
    if isinstance(done, int):
        return done
    import asyncio

    return asyncio.run(done)


def _take_for_interrupt() -> None:
    """Let SIGTERM end this process as Ctrl-C does; also where that is ignored, as in a background."""
    import signal

    interrupt = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGTERM, interrupt if callable(interrupt) else signal.default_int_handler)


def _mistake(lines: str) -> int:
    """Say what is wrong, each in a line of its own."""
    sys.stderr.writelines(f"rivulet: {line}\n" for line in lines.splitlines())
    return CONFIG


def _run(options: argparse.Namespace) -> Coroutine[Any, Any, int]:
    """Serve every platform that has credentials, until SIGTERM."""
    from bot.run.look import look

    found = look(_adapters())
    for warning in found.warnings:
        sys.stderr.write(f"rivulet: {warning}\n")
    from bot.run.start import start

    return start(found.settings, found.makes, config=found.config, content=options.debug_content)


async def _demo(options: argparse.Namespace) -> int:
    """Watch it work on emulated platforms; needs no account."""
    _take_for_interrupt()  # nothing of it stays
    if options.check:
        from bot.run.demo import check

        return await check()
    if options.record:
        from pathlib import Path

        from bot.run.record import record

        return await record(Path(options.record))
    from bot.run.screen import show

    return await show(options.host)


async def _doctor(options: argparse.Namespace) -> int:
    """Look at tokens, rights, model, ledger, clock and tools, and say what to do."""
    from bot.config import Settings

    settings = Settings()
    from bot.run.doctor import doctor

    fine = await doctor(settings, _adapters(), as_json=options.json)
    return 0 if fine else CONFIG


def _init(options: argparse.Namespace) -> int:
    """Ask for what the bot needs, and write .env and config.toml."""
    import adapters
    from bot.run.init import init

    return init(adapters.setups(), adapters.find, adapters.tables(), options.words)


def _manifest(options: argparse.Namespace) -> int:
    """Print the manifest of an app, and the link that opens the platform's page with it."""
    import adapters
    from bot.run.manifest import manifest

    return manifest(adapters.setups(), options.words)


async def _invite(options: argparse.Namespace) -> int:
    """Print the link that lets the bot into a server, with what it needs and no more."""
    import adapters
    from bot.run.manifest import invite

    return await invite(adapters.setups(), options.words)


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
    told = await _order({"forget": options.user})
    _say_deleted(told)
    if not (told["count"] or told["notes"] or _is_id(options.user)):
        _say(f"Nothing is kept of {options.user}, which looks like no id. {USER}")
    return 0


async def _purge(_options: argparse.Namespace) -> int:
    """Delete all that the bot remembers, also while it runs."""
    return _say_deleted(await _order({"purge": True}))


async def _usage(options: argparse.Namespace) -> int:
    """Show what was spent, by whom and for which model, also while the bot runs."""
    told = await _order({"usage": 0})
    from bot.run.usage import show
    from bot.store import rows

    return show([rows.spent_of(row) for row in told["spent"]], csv=options.csv, plot=options.plot)


async def _backup(options: argparse.Namespace) -> int:
    """Copy what the bot remembers into one file, also while it runs."""
    data, url = _data()
    from bot.run.backup import backup

    return _say(line) if (line := await backup(data, options.file, url)) else 0


async def _restore(options: argparse.Namespace) -> int:
    """Put such a copy in place of what the bot remembers, which must not run."""
    data, url = _data()
    from bot.run.backup import put_back

    return _say(put_back(data, options.file, url))


async def _move(options: argparse.Namespace) -> int:
    """Copy what the bot remembers into Redis, for several processes; it must not run."""
    data, url = _data()
    from bot.run.move import move

    for line in await move(data, options.to or url):
        _say(line)
    return 0


async def _top(options: argparse.Namespace) -> int:
    """Watch a running bot: its answers, its rate limits, and what it has spent."""
    data, _url = _data()
    _take_for_interrupt()  # the screen is given back
    from bot.run.top import show

    return await show(data, once=options.once)


def _data() -> tuple[Path, str]:
    """Return the data folder and where Redis is, if it is; nothing but errors is logged from here on."""
    from bot.config import Settings

    settings = Settings()
    from bot.run import logs

    logs.configure("error", [])
    return settings.data, settings.store.get_secret_value()


async def _order(what: dict[str, Any]) -> dict[str, Any]:
    data, url = _data()
    from bot.run.orders import order

    return await order(data, what, url)


def _is_id(word: str) -> bool:
    """Tell whether *word* looks like somebody's id on some platform whose ids have a look."""
    import adapters

    return any(shape and shape.fits(word) for shape in adapters.people().values())


def _say_deleted(told: dict[str, Any]) -> int:
    """Say what an order has deleted, and which files still have what they had."""
    numbers = {"note": told["notes"], "ledger that lay aside": told.get("copies", 0)}
    more = [_count(number, what) for what, number in numbers.items() if number]
    _say(f"{' and '.join([_count(told['count'], 'question'), *more])} deleted.")
    for name in told.get("left", ()):
        _say(f"{_data()[0] / name} lies aside and still has what it had; delete it if you need it no more.")
    return 0


def _count(number: int, what: str) -> str:
    one, blank, rest = what.partition(" ")
    return f"{number} {one}{'s' * (number != 1)}{blank}{rest}"


def _say(line: str) -> int:
    sys.stdout.write(f"{line}\n")
    return 0


def _check(options: argparse.Namespace) -> int:
    """Look at all settings and config.toml, without the network, and say what holds where."""
    if options.schema:
        from bot.run.check import schema

        sys.stdout.write(schema(_adapters()))
        return 0
    from bot.run.look import look

    found = look(_adapters())
    from bot.run.check import check

    return check(found)


def _adapters() -> Adapters:
    """Return what is known of the platforms before any of them is made."""
    import adapters
    from bot.run.look import Adapters

    finds = [partial(adapters.find, name) for name in adapters.NAMES]
    return Adapters(adapters.NAMES, finds, adapters.settings(), adapters.tables(), adapters.people)


COMMANDS: Mapping[str, Callable[[argparse.Namespace], Done]] = {
    "run": _run,
    "demo": _demo,
    "doctor": _doctor,
    "notes": _notes,
    "feedback": _feedback,
    "forget": _forget,
    "purge": _purge,
    "check": _check,
    "init": _init,
    "manifest": _manifest,
    "invite": _invite,
    "usage": _usage,
    "backup": _backup,
    "restore": _restore,
    "move": _move,
    "top": _top,
}
#: Commands that read their options themselves: which there are depends on the platforms.
OPEN = (_init, _manifest, _invite)
