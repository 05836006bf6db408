"""Who may do what: one question in front of every inbound event.

Rights hang on ids only, never on names.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import Literal

from bot.platform import Actor, Place

REFUSED = "You may not use me here. Ask whoever runs this bot to let you in."


class Action(Enum):
    """What somebody wants to do."""

    ASK = "ask"
    STOP = "stop"
    PRESS = "press"
    EDIT = "edit"
    RATE = "rate"
    COMMAND = "command"


class Access:
    """The first policy: people of the home workspace, of named workspaces, and the application's owner.

    Args:
        admits: Workspaces whose members may use the bot; "*" means all, and every direct message.  Where a
            platform has a home workspace, only that counts.
        stop: Who may stop an answer: "anyone" who may use the bot there, or only its "asker" (and the owner).
    """

    def __init__(self, admits: Collection[str] = (), stop: Literal["anyone", "asker"] = "anyone") -> None:
        self._admits = frozenset(admits)
        self._stop = stop

    async def authorize(self, actor: Actor, place: Place, action: Action) -> bool:
        """Return whether *actor* may do *action* in *place*."""
        if actor.bot:
            return False
        if actor.owner:
            return True
        if place.home:
            return actor.workspace == place.home == place.workspace and not actor.guest
        return "*" in self._admits or (place.workspace != "" and place.workspace in self._admits)

    def refusal(self, _place: Place) -> str:
        """Return what somebody reads who may not use the bot in a place: short, and whom to ask."""
        return REFUSED

    def admins(self, _place: Place) -> Collection[str]:
        """Return the ids of those who run the bot in a place."""
        return ()

    def is_admin(self, actor: Actor, _place: Place) -> bool:
        """Return whether *actor* runs the bot, and may know what others have spent."""
        return actor.owner

    def may_stop(self, actor: Actor, asker: Actor) -> bool:
        """Return whether *actor*, who may use the bot, may stop the answer to *asker*'s question."""
        return self._stop == "anyone" or actor.owner or actor.id == asker.id

    def may_allow(self, actor: Actor, asker: Actor) -> bool:
        """Return whether *actor*, who may use the bot, may allow a tool call in the answer to *asker*."""
        return actor.owner or actor.id == asker.id
