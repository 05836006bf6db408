"""`rivulet manifest` and `rivulet invite`: what a platform is told of the app, and what lets the bot in."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bot.setup import Setup


def manifest(setups: Sequence[Setup], words: Sequence[str]) -> int:
    """Print the manifest that *words* ask for, and, on standard error, the link to the page that takes it.

    Raises:
        Unavailable: An option has a wrong value.
    """
    parser = argparse.ArgumentParser(
        prog="rivulet manifest", description="Print an app's manifest, and a link with it."
    )
    platforms = parser.add_subparsers(metavar="PLATFORM", required=True)
    for setup in setups:
        if setup.manifest:
            of = platforms.add_parser(setup.name, help=setup.title)
            of.set_defaults(make=setup.manifest)
            for option in setup.options:
                taken = {"metavar": option.metavar} if option.metavar else {"action": "store_true"}
                of.add_argument(option.flag, help=option.help, **taken)  # type: ignore[arg-type]  # both are strings
    options = parser.parse_args(words)
    made = options.make(options)
    sys.stdout.write(made.text)
    sys.stdout.flush()
    sys.stderr.write(f"\nThis link opens the page that takes it:\n{made.link}\n")
    return 0


async def invite(setups: Sequence[Setup], words: Sequence[str]) -> int:
    """Print the link that lets the bot in.

    Raises:
        Unavailable: It can't be made.
    """
    parser = argparse.ArgumentParser(
        prog="rivulet invite", description="Print the link that lets the bot in."
    )
    platforms = parser.add_subparsers(metavar="PLATFORM", required=True)
    for setup in setups:
        if setup.invite:
            of = platforms.add_parser(setup.name, help=setup.title)
            of.set_defaults(make=setup.invite)
            of.add_argument(
                "--app", default="", metavar="ID", help="Of this application, without asking the platform."
            )
    options = parser.parse_args(words)
    sys.stdout.write(f"{await options.make(options)}\n")
    return 0
