"""`rivulet doctor`: look at every credential and right, side by side, and say what to do.

What takes long to import is not: Claude is asked without its SDK, MCP's is imported if there are servers.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform as machine
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace

import aiohttp
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import __version__
from bot.config import Settings, explain
from bot.config.rules import Written
from bot.config.strays import strays
from bot.guard.prices import Prices
from bot.model.listed import Listed, listed, models_of
from bot.platform import Finding, Gone, Platform, SlowDown, Unavailable
from bot.run import logs
from bot.run.configured import ConfigFile
from bot.run.disk import kept
from bot.run.look import Adapters, misnamed
from bot.run.money import prices_of
from bot.run.named import admins
from bot.run.secrets import exposed, known
from bot.run.start import mcp_of

Findings = Sequence[Finding]

#: Seconds that one look may take; what is not there by then is said to be missing.
PATIENCE = 15.0
#: Seconds that our clock may be wrong: Slack takes signatures that are five minutes old.
SKEW = 60.0
#: What mends an id.
COPY = "copy the id again from where the platform shows it"
#: Its servers have times of their own.
MCP = "MCP"
#: What the image says of itself.
IMAGE = "IMAGE_VERSION"
VERDICTS = {
    "bad": "The bot can't run like this.",
    "hm": "The bot can run; look at what is marked hm first.",
    "ok": "The bot can run.",
}
STYLES = {"ok": "green", "hm": "yellow", "bad": "red"}


async def doctor(settings: Settings, adapters: Adapters, *, as_json: bool = False) -> bool:
    """Look at all that *settings* say, print what was found, and return whether the bot can run.

    Args:
        settings: The operator's.
        adapters: What is known of the platforms.
        as_json: Print one JSON object instead of a table.
    """
    began = time.monotonic()
    found = await _all(settings, adapters)
    fine = not any(finding.fatal for finding in found)
    if as_json:
        told = {"ok": fine, "version": __version__, "took_s": round(time.monotonic() - began, 2)}
        sys.stdout.write(json.dumps({**told, "findings": [_plain(finding) for finding in found]}) + "\n")
    else:
        _show(found, Console(highlight=False, soft_wrap=True))
    return fine


async def _all(settings: Settings, adapters: Adapters) -> list[Finding]:
    """Return what all looks find, in a fixed order."""
    logs.configure(settings.log, [settings.anthropic_api_key.get_secret_value()])
    config = ConfigFile(settings, adapters.tables)
    written, faults = _written(config)
    models = {
        model: None for _, rules in config.book(written).each() for model in (rules.model, *rules.models)
    }
    models[settings.fallback_model] = None
    looks: list[tuple[str, Awaitable[Findings]]] = [
        ("Rivulet", _told(*_itself())),
        ("Settings", _told(*faults, *_strays(adapters))),
        ("Claude", _claude(settings, list(filter(None, models)))),
        ("Prices", _prices(settings, prices_of(config.book(written)))),
        *_platforms(adapters, written),
        ("Ledger", kept(settings)),
        ("Secrets", asyncio.to_thread(_secrets)),
        ("Tools", asyncio.to_thread(_tools, config, written)),
        (MCP, _mcp(settings)),
    ]
    found = await asyncio.gather(*(_within(about, look) for about, look in looks))
    return [finding for each in found for finding in each]


async def _within(about: str, look: Awaitable[Findings]) -> list[Finding]:
    """Return what *look* finds, each under the name *about*."""
    try:
        async with asyncio.timeout(None if about == MCP else PATIENCE):
            found = await look
    except TimeoutError:
        found = [
            Finding(ok=False, text=f"nothing came in {PATIENCE:g} s", fix="see whether the network is up")
        ]
    return [
        finding
        if finding.about
        else replace(finding, about=about, text=finding.text.removeprefix(f"{about}: "))
        for finding in dict.fromkeys(found)
    ]


def _platforms(adapters: Adapters, written: Written) -> list[tuple[str, Awaitable[Findings]]]:
    """Return what looks at each platform that has credentials, and at the ids that are none of theirs."""
    looks: list[tuple[str, Awaitable[Findings]]] = []
    served = []
    for name, find in zip(adapters.names, adapters.finds, strict=True):
        try:
            if make := find():
                served.append(name)
                looks.append(
                    (name.capitalize(), _platform(make, admins(written, name, adapters.people()[name])))
                )
        except (Unavailable, ValidationError) as error:
            text = explain(error) if isinstance(error, ValidationError) else str(error)
            looks.append((name.capitalize(), _told(Finding(ok=False, text=text, fatal=True))))
    if not looks:
        text = f"no platform has credentials ({', '.join(adapters.names)})"
        looks.append(("Platforms", _told(Finding(ok=False, text=text, fatal=True, fix="run `rivulet init`"))))
    wrong = [Finding(ok=False, text=line, fix=COPY) for line in misnamed(written, served, adapters)]
    return [*looks, ("Settings", _told(*wrong))]


async def _told(*findings_: Finding) -> Findings:
    return findings_


async def _platform(make: Callable[[], Platform], named: Sequence[str]) -> Findings:
    """Look at a platform, and whether it knows the admins that are *named*."""
    try:
        platform = await asyncio.to_thread(make)  # it may import an SDK
        logs.hide(platform.secrets)
        found = await platform.check()
    except Unavailable as error:
        return [Finding(ok=False, text=str(error), fatal=True)]
    if not named or not any(finding.ok for finding in found):
        return found
    with suppress(SlowDown, Gone, OSError):
        lost = ", ".join(await platform.strangers(named))
        text = f"nobody is {lost}, whom the settings name as admin"
        return [*found, *([Finding(ok=False, text=text, fix=COPY)] if lost else [])]
    return found


def _itself() -> Findings:
    """Say what runs: its version, that of the image that it runs in, and Python's."""
    image = os.environ.get(IMAGE, "")
    text = f"{__version__}{f', in the image {image}' if image else ''}, on Python {machine.python_version()}"
    if image and image != __version__:
        fix = "docker compose build --pull && docker compose up -d"
        return [Finding(ok=False, text=f"{text}: the image is of another version", fix=fix)]
    return [Finding(ok=True, text=text)]


def _written(config: ConfigFile) -> tuple[Written, Findings]:
    """Return what `config.toml` says, nothing where it is wrong, and what there is to say about it."""
    path = config.path
    try:
        written = config.read()
    except Unavailable as error:
        return Written(), [Finding(ok=False, text=line, fatal=True) for line in str(error).splitlines()]
    there = f"{path} is good" if path.exists() else f"there is no {path}: all places are alike"
    return written, [Finding(ok=True, text=there)]


def _strays(adapters: Adapters) -> Findings:
    """Say which variables look like settings and are none."""
    return [Finding(ok=False, text=line) for line in strays(known(), [Settings, *adapters.kinds])]


async def _claude(settings: Settings, models: Sequence[str]) -> Findings:
    """Say whether the key may use *models*, and whether our clock is right."""
    key, url = settings.anthropic_api_key.get_secret_value(), settings.anthropic_base_url
    async with aiohttp.ClientSession(trust_env=True) as session:
        told = await asyncio.gather(*(listed(session, key, url, model) for model in models))
    found = [_model(model, each) for model, each in zip(models, told, strict=True)]
    dates = [each.date for each in told if each.date is not None]
    return [*dict.fromkeys(found), *_clock(dates[:1])]


async def _prices(settings: Settings, known: Prices) -> Findings:
    """Say of when the prices are, and which of the API's models have none: that one can't be asked."""
    key, url = settings.anthropic_api_key.get_secret_value(), settings.anthropic_base_url
    async with aiohttp.ClientSession(trust_env=True) as session:
        unpriced = known.unpriced(await models_of(session, key, url))
    missing = f"; none is known of {', '.join(unpriced)}, which the API has too" if unpriced else ""
    return [Finding(ok=True, text=f"of {known.date}{missing}")]


def _model(model: str, told: Listed) -> Finding:
    return Finding(ok=not told.trouble, text=told.trouble or model, fatal=told.final)


def _clock(dates: Iterable[float]) -> Findings:
    """Compare our clock with the far side's, which was asked just now."""
    found = []
    for date in dates:
        wrong = time.time() - date
        text = (
            f"{abs(wrong):.0f} s {'ahead of' if wrong > 0 else 'behind'} the API's"
            if abs(wrong) > 1
            else "right"
        )
        fix = "" if abs(wrong) < SKEW else "set it by NTP, as with `timedatectl set-ntp true` on the host"
        found.append(Finding(ok=not fix, text=text, fix=fix, about="Clock"))
    return found


def _secrets() -> Findings:
    """Say which files with secrets others can read."""
    return [Finding(ok=False, text=line) for line in filter(None, [exposed()])]


def _tools(config: ConfigFile, written: Written) -> Findings:
    """Say which tools the model may use somewhere, or why it can't; nothing where none are named."""
    try:
        found = config.toolsets(written).values()
    except Unavailable as error:
        return [Finding(ok=False, text=line, fatal=True) for line in str(error).splitlines()]
    tools = {tool.name: None for tools in found for tool in tools}
    return [Finding(ok=True, text=", ".join(tools))] if tools else []


async def _mcp(settings: Settings) -> Findings:
    """Start the MCP servers of *settings*, and say what became of each; the bot runs without them, too."""
    try:
        servers = mcp_of(settings)
    except Unavailable as error:
        return [Finding(ok=False, text=str(error), fatal=True)]
    try:
        told = [(ok, *text.partition(": ")) for ok, text in await servers.examine()]
        return [Finding(ok=ok, text=text, about=about) for ok, about, _, text in told]
    finally:
        await servers.close()


def _plain(finding: Finding) -> dict[str, object]:
    """Return *finding* as JSON has it; where the text says what to do, so does `fix`."""
    return asdict(finding) | {"fix": "" if finding.ok else finding.fix or finding.text}


def _mark(finding: Finding) -> str:
    return "ok" if finding.ok else "bad" if finding.fatal else "hm"


def _show(found: Findings, console: Console) -> None:
    """Print a table where somebody looks at it, and elsewhere a line for each finding."""
    if not console.is_terminal:
        for finding in found:
            fix = f"; {finding.fix}" if finding.fix else ""
            console.print(f"{_mark(finding):<3} {finding.about}: {finding.text}{fix}", markup=False)
        return
    table = Table(box=None, show_header=False, padding=(0, 1))
    for wraps in (False, False, True):
        table.add_column(no_wrap=not wraps, overflow="fold")
    for finding in found:
        mark = _mark(finding)
        said = Text(finding.text)
        if finding.fix:
            said.append(f"\n→ {finding.fix}", style="bold")
        table.add_row(Text(mark, style=STYLES[mark]), Text(finding.about), _linked(said))
    console.print(table, soft_wrap=False)
    marks = {_mark(finding) for finding in found}
    console.print(next(said for mark, said in VERDICTS.items() if mark in marks))


def _linked(text: Text) -> Text:
    """Let links be followed by a click, since one that is cut at the edge can't be copied."""
    text.highlight_regex(r"https?://\S*[^\s.,;)]", lambda match: f"link {match}")
    return text
