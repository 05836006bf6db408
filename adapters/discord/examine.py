"""What the doctor finds in what Discord says about the bot's servers and starts.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from adapters.discord.rights import ADMINISTRATOR, missing
from bot.platform import Finding

#: Servers that Discord tells of at once (resources/user.mdx, Get Current User Guilds).
MANY = 200
#: Starts that should be left of the day's thousand; at none, Discord resets the token.
FEW = 50


def within(guilds: Sequence[Mapping[str, Any]], admits: Collection[str], link: str) -> list[Finding]:
    """Return where the bot is not, or may do too little or too much, of the servers whose members may use it.

    Args:
        guilds: The partial guilds that the bot is in, with its permissions.
        admits: Ids of the servers that the settings name; "*" means all.
        link: What invites the bot.
    """
    known = {str(guild["id"]): guild for guild in guilds}
    named = known if "*" in admits else dict.fromkeys(admits)
    found: list[Finding] = []
    for id_ in named:
        if id_ in known:
            found += _rights(known[id_], link)
        elif len(guilds) < MANY:
            text = f"the bot is not in the server {id_} that RIVULET_DISCORD_GUILDS names"
            found.append(Finding(ok=False, text=text, fix=f"invite it with {link}"))
    return found


def _rights(guild: Mapping[str, Any], link: str) -> Iterable[Finding]:
    granted = int(guild.get("permissions") or 0)
    if lacking := missing(granted):
        names = ", ".join(f"{right.name} ({right.why})" for right in lacking)
        fix = f"give its role these (Server Settings > Roles), or invite it again with {link}"
        yield Finding(ok=False, text=f"in {guild['name']} the bot lacks {names}", fix=fix)
    if granted & ADMINISTRATOR:
        text = f"in {guild['name']} the bot is an administrator, which it need not be"
        yield Finding(
            ok=False, text=text, fix="switch Administrator off in its role (Server Settings > Roles)"
        )


def begun(starts: Mapping[str, Any]) -> list[Finding]:
    """Return a finding where few starts of the day are left, by Discord's `session_start_limit`."""
    left, hours = int(starts.get("remaining", FEW)), int(starts.get("reset_after", 0)) / 3_600_000
    if left >= FEW:
        return []
    text = f"{left} of the day's {starts.get('total')} starts are left"
    return [
        Finding(
            ok=False, text=text, fix=f"don't restart it again and again; there are more in {hours:.1f} hours"
        )
    ]
