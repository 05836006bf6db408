"""`rivulet doctor`: look at every credential and right, and say what to do."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console

from bot.model.claude import Claude
from bot.platform import Finding, Platform, Unavailable


async def examine(claude: Claude, platforms: Collection[Platform]) -> bool:
    """Print a line per finding; True if the bot can run."""
    findings = [await _model(claude)]
    for platform in platforms:
        findings += await platform.check()
    if not platforms:
        findings.append(Finding(ok=False, text="No platform has credentials; see .env.example.", fatal=True))
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        mark = "[green]ok [/]" if finding.ok else "[red]bad[/]" if finding.fatal else "[yellow]hm [/]"
        console.print(mark, finding.text, markup=True)
    return not any(finding.fatal for finding in findings)


async def _model(claude: Claude) -> Finding:
    try:
        trouble = await claude.check()
    except Unavailable as error:
        return Finding(ok=False, text=str(error), fatal=True)
    return Finding(ok=not trouble, text=trouble or f"Claude: {claude.model}")
