"""Who may do what: one question in front of everything that somebody does, and of what is done for them.

Rights hang on ids only, never on names.  Rule by rule, the first that says no or yes decides:

1. A bot may nothing.  One that the operator has named comes as a person.
2. Where the bot answers nobody, nothing begins, for admins neither; what still runs can be stopped.
3. The application's owner and admins may everything else.
4. Who is denied may nothing.
5. Where some are allowed, others may nothing.
6. The platform's own rule: full members of the home workspace, guests and people of other workspaces where
   they are let in; or whoever is in a workspace that the settings name.  Somebody whom `Who.allow` names by
   their own id needs no membership, but never brings the bot into a workspace that is not admitted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum
from typing import Literal

from bot.config.rules import Who
from bot.platform import Actor, Place

OPERATOR = "whoever runs this bot"
STRANGER = "You may not use me here. Ask {0} to let you in."
SHUT = "I don't answer in this channel. Ask {0} where I do."
UNDIRECT = "I don't answer direct messages. Ask {0} where I answer."
#: What those read who may use the bot, and may not stop an answer, by what `Who.stop` says.
NOT_YOURS = {
    "asker": "Only whoever asked may stop this answer.",
    "asker_and_admins": "Only whoever asked may stop this answer, and the bot's admins.",
}
#: What strangers read where the operator names nobody to ask.
REFUSED = STRANGER.format(OPERATOR)


class Action(Enum):
    """What somebody wants to do, or what is to be done for them."""

    ASK = "ask"
    STOP = "stop"
    PRESS = "press"
    EDIT = "edit"
    RATE = "rate"
    COMMAND = "command"
    #: Have the model read a file that they attached before somebody's question.
    FILE = "file"
    #: Decide whether a tool may be called.
    APPROVE = "approve"
    #: Have a tool called while their question is answered.
    TOOL = "tool"


def _no_ids() -> Collection[str]:
    return ()


class Access:
    """The policy; see the top of this file.

    Args:
        admits: Workspaces whose members may use the bot; "*" means all, and every direct message.  Where a
            platform has a home workspace, only that counts.
        stop: Who may stop an answer, where *who* is not given.
        who: Says what the operator wants in a place; asked anew each time.
        named: Says which ids the operator's rules name anywhere; see `Inbox.named`.
    """

    def __init__(
        self,
        admits: Collection[str] = (),
        stop: Literal["anyone", "asker", "asker_and_admins"] = "anyone",
        who: Callable[[Place], Who] | None = None,
        named: Callable[[], Collection[str]] = _no_ids,
    ) -> None:
        same = Who(stop=stop)
        self._admits = frozenset(admits)
        self._who = who or (lambda _place: same)
        self.named = named

    async def authorize(self, actor: Actor, place: Place, action: Action) -> bool:
        """Return whether *actor* may do *action* in *place*."""
        who = self._who(place)
        if actor.bot or (action is not Action.STOP and not _answers(who, place)):
            return False
        if actor.owner or _among(actor, who.admins):
            return True
        if _among(actor, who.deny) or (who.allow and not _among(actor, who.allow)):
            return False
        return self._admitted(actor, place, who)

    def refusal(self, place: Place) -> str:
        """Return what somebody reads who may not use the bot in *place*: short, and whom to ask."""
        who = self._who(place)
        why = STRANGER if _answers(who, place) else UNDIRECT if who.open else SHUT
        return why.format(who.contact or OPERATOR)

    def admins(self, place: Place) -> Collection[str]:
        """Return the ids of those who run the bot in *place*, of people and of groups."""
        return self._who(place).admins

    def is_admin(self, actor: Actor, place: Place) -> bool:
        """Return whether *actor* runs the bot in *place*, and may know what others have spent."""
        return not actor.bot and (actor.owner or _among(actor, self._who(place).admins))

    def may_stop(self, actor: Actor, asker: Actor, place: Place) -> bool:
        """Return whether *actor*, who may use the bot, may stop the answer to *asker* in *place*."""
        stop = self._who(place).stop
        admin = actor.owner or (stop == "asker_and_admins" and self.is_admin(actor, place))
        return stop == "anyone" or admin or actor.id == asker.id

    def not_yours(self, place: Place) -> str:
        """Return what somebody reads who may use the bot in *place*, but not stop this answer."""
        return NOT_YOURS.get(self._who(place).stop, "")

    def may_allow(self, actor: Actor, asker: Actor, place: Place) -> bool:
        """Return whether *actor*, who may use the bot, may allow a tool's call in the answer to *asker*."""
        return actor.id == asker.id or self.is_admin(actor, place)

    def _admitted(self, actor: Actor, place: Place, who: Who) -> bool:
        """Tell whether the platform's own rule lets *actor* in, who is not denied."""
        if place.home:
            return place.workspace == place.home and _belongs(actor, place.home, who)
        if "*" in self._admits:
            return True
        return place.workspace in self._admits if place.workspace else actor.id in who.allow


def _belongs(actor: Actor, home: str, who: Who) -> bool:
    """Tell whether *actor* is of the workspace *home*, or is let in though they are not, or not fully.

    Somebody of whom no workspace is told is nobody that is known.
    """
    if actor.id in who.allow:
        return True
    if actor.workspace == home:
        return who.guests or not actor.guest
    return who.outsiders and actor.workspace != ""


def _answers(who: Who, place: Place) -> bool:
    """Tell whether the bot answers anybody in *place*."""
    direct = place.direct or not (place.home or place.workspace)
    return who.open and (who.direct or not direct)


def _among(actor: Actor, ids: Collection[str]) -> bool:
    return bool(ids) and (actor.id in ids or any(role in ids for role in actor.roles))
