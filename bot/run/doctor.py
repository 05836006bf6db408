"""`rivulet doctor`: look at every credential and right, and say what to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from rich.console import Console

from bot.config import Settings
from bot.model.claude import Claude
from bot.platform import Finding, Platform, Unavailable
from bot.run import logs
from bot.run.model import claude_of
from bot.run.secrets import exposed
from bot.store.examine import findings
from bot.tools.box import offered


async def doctor(settings: Settings, makes: Sequence[Callable[[], Platform]]) -> bool:
    """Look at all that *settings* say; True if the bot can run."""
    platforms = [make() for make in makes]
    secrets = [secret for platform in platforms for secret in platform.secrets]
    logs.configure(settings.log, [settings.anthropic_api_key.get_secret_value(), *secrets])
    async with claude_of(settings) as claude:
        kept = [Finding(ok=False, text=line) for line in filter(None, (exposed(), *findings(settings.data)))]
        kept += _tools(settings)
        return await examine(claude, platforms, kept)


async def examine(claude: Claude, platforms: Collection[Platform], kept: Sequence[Finding] = ()) -> bool:
    """Print a line per finding, *kept* among them; True if the bot can run."""
    found = [await _model(claude), *kept]
    for platform in platforms:
        found += await platform.check()
    if not platforms:
        found.append(Finding(ok=False, text="No platform has credentials; see .env.example.", fatal=True))
    console = Console(highlight=False, soft_wrap=True)
    for finding in found:
        mark = "[green]ok [/]" if finding.ok else "[red]bad[/]" if finding.fatal else "[yellow]hm [/]"
        console.print(mark, finding.text, markup=True)
    return not any(finding.fatal for finding in found)


def _tools(settings: Settings) -> list[Finding]:
    """Say which tools the model may use, or why it can't; nothing where none are named."""
    try:
        tools = offered(settings.tools)
    except Unavailable as error:
        return [Finding(ok=False, text=str(error), fatal=True)]
    return [Finding(ok=True, text=f"Tools: {', '.join(tool.name for tool in tools)}")] if tools else []


async def _model(claude: Claude) -> Finding:
    try:
        trouble = await claude.check()
    except Unavailable as error:
        return Finding(ok=False, text=str(error), fatal=True)
    return Finding(ok=not trouble, text=trouble or f"Claude: {claude.model}")
