"""What only the operator can mend about the gateway, and how."""

from __future__ import annotations

import discord

REFUSED_STEP = (
    "Discord refuses DISCORD_BOT_TOKEN: make a new one "
    "(Developer Portal > your application > Bot > Reset Token)."
)
CONTENT_STEP = (
    "Discord: switch on Message Content Intent (Developer Portal > your application > Bot > Privileged "
    "Gateway Intents), or set RIVULET_DISCORD_CONTENT=false to hear direct mentions only."
)
INTENTS_STEP = (
    "Discord does not know an intent that this version asks for (4013): update Rivulet, or set "
    "RIVULET_DISCORD_CONTENT=false."
)
#: The gateway's close codes that only the operator can do something about.
STEPS = {4004: REFUSED_STEP, 4013: INTENTS_STEP, 4014: CONTENT_STEP}


def step(error: BaseException) -> str:
    """Return what the operator has to do about *error*, "" if nothing."""
    match error:
        case discord.LoginFailure():
            return REFUSED_STEP
        case discord.PrivilegedIntentsRequired():
            return CONTENT_STEP
        case discord.ConnectionClosed():
            return STEPS.get(error.code, "")
    return ""
