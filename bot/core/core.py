"""The streaming core: takes what adapters hear, and decides what is done about it.

Every method of `Core` that an adapter calls asks its `Gate` and returns once the event is claimed, so an
adapter can neither forget the check nor acknowledge what was not taken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import structlog

from bot.core.approvals import CONTROLS
from bot.core.changes import Changes
from bot.core.commands import Commands, called
from bot.core.files import readable
from bot.core.gate import Gate
from bot.core.gathering import Desk
from bot.core.intake import ANYBODY, Caps
from bot.core.live import Live, Means
from bot.core.presses import Presses
from bot.core.ratings import owned, rate
from bot.core.refusals import Refusals
from bot.core.repair import Repairs
from bot.core.running import Running
from bot.core.sayings import HINT, interrupted, means_stop
from bot.core.stopping import Stopping
from bot.core.stops import Stops
from bot.core.talks import Talks
from bot.core.terms import Terms, TermsOf, chosen, no_more
from bot.events import STOP
from bot.files import Bounds
from bot.guard.access import Access, Action
from bot.guard.spend import Spend
from bot.model import Asking, Model
from bot.platform import (
    Actor,
    Command,
    Deleted,
    Edited,
    Leases,
    Mention,
    Outcome,
    Place,
    Platform,
    Press,
    Rating,
    Shelf,
    Stop,
    Unavailable,
    Vault,
)
from bot.show.pace import Pace
from bot.show.writes import Ending, Showing
from bot.store import Store
from bot.store.peers import Peers
from bot.tally import Tally
from bot.text.safe import mended
from bot.text.words import wordy
from bot.tools import More, Offered

log = structlog.get_logger(__name__)

#: Seconds before the start in which questions were asked that commands may be about.
RECENT = 86_400.0
#: Seconds for which a shutdown waits until other replicas know of it, before it ends answers.
LEAVING = 0.5


class Core:
    """Turns mentions into streamed answers, and stops them; an `Inbox`.

    Attributes:
        means: What all answers share.
        running: The answers.
        repairs: Takes up questions that others have left.
        talks: Where the bot was asked.
    """

    def __init__(
        self,
        model: Model,
        store: Store,
        access: Access,
        asking: Asking | None = None,
        showing: Showing | None = None,
        clock: Callable[[], float] = time.time,
        caps: Caps = ANYBODY,
        tools: Sequence[Offered] = (),
        *,
        more: More | None = None,
        follow_ups: Callable[[], bool] = lambda: True,
        bounds: Bounds | None = None,
        terms: TermsOf | None = None,
        tally: Tally | None = None,
        spend: Spend | None = None,
    ) -> None:
        self._access = access
        self._store = store
        self._stops: Stops[Live] = Stops()
        same = Terms(asking or Asking(), showing or Showing(), tools, more or no_more)
        self.means = Means(
            model,
            access,
            self._stops,
            Pace(store.peers),
            chosen(store, terms or (lambda _place, _actor: same)),
            store,
            clock,
            desk=Desk(bounds),
            tally=tally or Tally(),
            spend=spend,
        )
        self.running = Running(self.means, caps)
        self._lives = self.running.lives
        self.repairs = Repairs(self.means, self.running, self.mention, self.stop, self.rated)
        self.talks = Talks()
        self._follow_ups = follow_ups
        self._refusals = Refusals(self.repairs.platforms, self.running.errand, self._say)
        self._gate = Gate(access, self._refusals)
        self._stopping = Stopping(self._gate, access, self._refusals, self._stops, self.running)
        self._changes = Changes(self.means, self._gate, self.running)
        self._commands = Commands(self.means, self.running.latest, self._stopping.stop, self.press)
        self._presses = Presses(self.means, self.running, self.repairs.platforms)

    @property
    def shelf(self) -> Shelf:
        """See `Inbox.shelf`."""
        return self._store.shelf

    @property
    def vault(self) -> Vault:
        """See `Inbox.vault`."""
        return self._store.vault

    @property
    def leases(self) -> Leases:
        """See `Inbox.leases`."""
        return self._store.peers.leases

    @property
    def peers(self) -> Peers:
        """The other processes that serve the same bot."""
        return self._store.peers

    @property
    def named(self) -> Collection[str]:
        """See `Inbox.named`."""
        return self._access.named()

    def knows(self, key: str) -> bool:
        """See `Inbox.knows`."""
        return self._stops.find(key) is not None

    def asked_in(self, conversation: str) -> str:
        """See `Inbox.asked_in`."""
        return self.talks.first(conversation) if self._follow_ups() else ""

    async def mention(self, mention: Mention) -> None:
        """Take a question; returns once it is claimed, so that adapters can acknowledge.

        Raises:
            Unavailable: While shutting down; not acknowledged, the platform sends the question again.
        """
        mention = _mended(mention)
        if self.running.closing:
            raise Unavailable("shutting down")
        if mention.follow_up and not self.means.terms(mention.place, mention.actor).follow_ups:
            return
        if not await self._gate.allows(mention, Action.ASK):
            return
        if self.running.closing:  # since who asks was looked up
            raise Unavailable("shutting down")
        if not await self.running.accept(mention) or self.running.closing:
            return  # if it is new, it is in the ledger, and the next start answers it
        if not await self._take(mention):
            await self.running.drop(mention)

    async def stop(self, stop: Stop) -> Outcome:
        """Stop the answer that *stop* points at; who may not is told so."""
        return await self._stopping.react(stop)

    async def command(self, command: Command) -> str:
        """See `Inbox.command`."""
        if not self._gate.heeds(command, Action.COMMAND):
            return ""
        if not await self._gate.allows(command, Action.COMMAND):
            return self._access.refusal(command.place)
        return await self._commands.do(command)

    async def barred(self, actor: Actor, place: Place) -> str | None:
        """See `Inbox.barred`."""
        if self.running.closing:
            raise Unavailable("shutting down")
        command = Command("ask", "", actor, place)
        if not self._gate.heeds(command, Action.COMMAND):
            return ""
        if not await self._gate.allows(command, Action.ASK):
            return self._access.refusal(place)
        return await self.running.bars(actor, place) or None

    async def press(self, press: Press) -> Outcome:
        """Do what the button says; what it asks while shutting down is answered after the next start."""
        if press.control == STOP.name:
            outcome, _ = await self._stopping.stop(Stop(press.message, press.actor, press.place))
            return outcome
        decides = press.control in {control.name for control in CONTROLS}
        action = Action.APPROVE if decides else Action.PRESS
        if not self._gate.heeds(press, action):
            return Outcome.LATER
        if not await self._gate.allows(press, action):
            return Outcome.REFUSED
        if decides:
            return self._presses.decide(press)
        return await self._presses.follow(press)

    async def owns(self, message: str, actor: str) -> bool:
        """See `Inbox.owns`."""
        return self._gate.admits(actor, "react") and await owned(self._store, message)

    async def rated(self, rating: Rating) -> None:
        """Keep a rating; of a question to a person, there is none."""
        live = self._stops.find(rating.message)
        if (live and live.card) or not self._gate.heeds(rating, Action.RATE):
            return
        if await self._gate.allows(rating, Action.RATE):
            known = live.model if live else ""
            models = self.means.models
            await rate(self._store, rating, self.means.clock(), lambda key: known or models.of(key))

    async def edited(self, edited: Edited) -> None:
        """See `Inbox.edited`."""
        await self._changes.edit(edited)

    async def deleted(self, deleted: Deleted) -> None:
        """See `Inbox.deleted`."""
        self._changes.delete(deleted)

    def removed(self, platform: str, workspace: str) -> None:
        """See `Inbox.removed`."""
        for live in self._lives.values():
            if (live.mention.place.platform, live.mention.place.home) == (platform, workspace):
                live.cut(Ending.STOPPED, "Stopped: I was removed from the workspace.")

    async def repair(self, platform: Platform) -> None:
        """Take up the questions of *platform* that an earlier run left; see `Repairs`."""
        if platform.name not in self.repairs.platforms:
            if platform.identity:
                await self._store.expect_bot(platform.identity)
            for names in await self._store.talks(platform.name):
                self.talks.add(*names)
            for asked in reversed(await self._store.recent(platform.name, self.means.clock() - RECENT)):
                if asked.text:  # else nothing goes on from it; it may be a command, or a hint's
                    self.running.latest.note(asked)
        await self.repairs.repair(platform)

    def back(self, platform: Platform) -> None:
        """See `Inbox.back`."""
        self.repairs.back(platform)

    def released(self, platform: Platform) -> None:
        """See `Inbox.released`."""
        self.repairs.released(platform)

    def busy(self, platform: str) -> bool:
        """See `Inbox.busy`."""
        return any(key.startswith(f"{platform}/") for key in self.running.taken)

    def tell_admins(self, text: str, place: Place | None = None) -> None:
        """Send *text* to the admins of *place*, or of every platform; returns at once."""
        for platform in self.repairs.platforms.values():
            here = place or Place("", platform=platform.name)
            if here.platform == platform.name:
                for person in self._access.admins(here):
                    self.running.errand(_notify(platform, person, text))

    async def drain(self, grace: float = 8.0, going_on: float = 0.0) -> None:
        """End every answer with a last edit, within *grace* seconds; called on shutdown.

        Nothing new is taken from now on, but answers go on for *going_on* seconds before they are ended.
        What waits, and what comes, other replicas have.
        """
        self.running.closing = True
        self.repairs.close()
        await asyncio.wait({self.running.errand(self.peers.leave())}, timeout=LEAVING)
        if going_on:
            await self.running.all_done(within=going_on)
        for live in self._lives.values():
            live.cut(Ending.INTERRUPTED, *interrupted(begun=live.begun, calling=live.calling))
        await self.running.all_done(within=grace)

    @property
    def draining(self) -> bool:
        """Whether nothing new is taken any more."""
        return self.running.closing

    @property
    def state(self) -> Mapping[str, int]:
        """How many answers run and wait, and what was taken, refused and told since the start."""
        return self.running.state

    @property
    def model_health(self) -> str:
        """Why the model answers nobody; "ok" if nothing is known."""
        return str(getattr(self.means.model, "trouble", "") or "ok")

    async def _say(self, mention: Mention, text: str) -> None:
        """Answer *mention*, which nobody took, with *text*."""
        if await self.running.accept(mention) and not self.running.say(mention, text, "refused"):
            await self.running.drop(mention)

    async def _take(self, mention: Mention) -> bool:
        """Begin what answers *mention*; False if nothing is to be said to it."""
        text, running = mention.text.strip(), self.running
        if means_stop(text):
            why = self._stopping.newest(mention)
            return bool(why) and running.say(mention, why, "stop")
        if not text and not mention.files:
            return running.say(mention, HINT, "hint")
        if mention.follow_up and not (wordy(text) or readable(mention.files, self.means.desk.bounds)):
            return False  # a sound or a video in a thread is for the people there
        if command := called(mention):
            running.errand(self._reply(mention, command))
            return True
        self.talks.add(mention.conversation, mention.key)
        # Asked before an answer is made: in a storm most questions are refused.
        outdated = running.outdated(mention)
        if refusal := running.refusal(mention, outdated) or await running.rushed(mention):
            unpaid = mention.follow_up and refusal == running.unpaid(mention.actor, mention.place)
            return (unpaid and self._capped(mention, refusal)) or running.say(mention, refusal, "too much")
        running.give_way(outdated)
        taken = running.queue(Live(self.means, mention))
        # Once its stops are watched for, which the answer's task begins with.
        asyncio.get_running_loop().call_soon(self._changes.catch_up, mention.key)
        return taken

    def _capped(self, mention: Mention, text: str) -> bool:
        """Tell who goes on in a thread why they are not answered, once an hour there; False if not now."""
        if not self._refusals.first(mention, mention.conversation):
            return False
        self.running.errand(
            self._show(replace(mention, follow_up=False), text, f"cap {mention.conversation}")
        )
        return True

    async def _reply(self, mention: Mention, command: Command) -> None:
        """Do *command*, which *mention* is, and show the reply."""
        await self._show(mention, await self.command(command), command.name)

    async def _show(self, mention: Mention, text: str, about: str) -> None:
        """Answer *mention*, which is taken, with *text*; to its actor alone where that can be."""
        platform = self.repairs.platforms.get(mention.key.partition("/")[0])
        shown = not text or (
            platform is not None and await platform.whisper(mention.key, mention.actor, mention.place, text)
        )
        if shown or not self.running.say(mention, text, about):
            await self.running.drop(mention)


def _mended(mention: Mention) -> Mention:
    """Return *mention* without half characters, which a platform may send and no ledger holds."""
    text, name = mended(mention.text), mended(mention.actor.name)
    if text == mention.text and name == mention.actor.name:
        return mention
    return replace(mention, text=text, actor=replace(mention.actor, name=name))


async def _notify(platform: Platform, person: str, text: str) -> None:
    if not await platform.notify(person, text):
        log.warning("an admin could not be told", platform=platform.name, person=person)
