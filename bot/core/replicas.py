"""An inbox in front of the core, where several processes answer as one bot: each event goes to the right one.

All that happens in a channel is the business of one replica, its home, so that questions stay in order and
limits are kept; what is about an answer goes to the replica that writes it.  An event that the other one
can't take is taken here: the ledger lets no question be answered twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import structlog

from bot.core.core import Core
from bot.core.letters import Late, Letter, Passed, Shown, Took, passed, read, written
from bot.platform import (
    Actor,
    Asked,
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
    Remains,
    Shelf,
    Stop,
    Unavailable,
    Vault,
)
from bot.store.once import Once
from bot.store.peers import BEAT, Unreached

log = structlog.get_logger(__name__)

Event = TypeVar("Event", Stop, Press)

#: Stands before what a replica replies that has taken an event.
TAKEN = "="
#: Seconds for which a replica that has not replied is asked nothing more: each event waits for a reply.
SILENT = 2.0
#: Messages of answers elsewhere that are known; of more, the oldest are not.
KNOWN = 20_000
FAILED = "what replicas do for each other failed"
#: Seconds without a fault after which the same one is said again.
CALM = 60.0


class Replicas:
    """One replica's inbox; see `Inbox`.  Letters go to the others over `Store.peers`.

    Args:
        core: Answers here.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._peers = core.means.store.peers
        self._elsewhere: dict[str, str] = {}  # messages, and the replicas that write to them
        self._silent: dict[str, float] = {}  # until when replicas that have not replied are not asked
        self._passing: set[str] = set()  # messages whose events are being passed on by `_here`
        self._members: frozenset[str] = frozenset()
        core.means.stops.told = self._told
        core.running.took = self._took
        core.running.overtaken = self._overtaken

    async def run(self) -> None:
        """Serve the other replicas, until cancelled; returns at once in a process that can have none."""
        if not self._peers.members:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_again(partial(self._peers.listen, self._heard)))
            tasks.create_task(_again(self._adopt))
            tasks.create_task(_again(self._beat))

    # What platforms tell.

    @property
    def shelf(self) -> Shelf:
        """See `Inbox.shelf`."""
        return self._core.shelf

    @property
    def vault(self) -> Vault:
        """See `Inbox.vault`."""
        return self._core.vault

    @property
    def leases(self) -> Leases:
        """See `Inbox.leases`."""
        return self._core.leases

    @property
    def named(self) -> Collection[str]:
        """See `Inbox.named`."""
        return self._core.named

    def knows(self, key: str) -> bool:
        """See `Inbox.knows`."""
        return key in self._elsewhere or self._core.knows(key)

    def asked_in(self, conversation: str) -> str:
        """See `Inbox.asked_in`."""
        return self._core.asked_in(conversation)

    async def mention(self, mention: Mention) -> None:
        """See `Inbox.mention`."""
        home = await self._home(mention.place)
        if await self._pass(home, passed(mention, time.time())) is None:
            await self._core.mention(mention)

    async def stop(self, stop: Stop) -> Outcome:
        """See `Inbox.stop`."""
        at = self._elsewhere.get(stop.message) or await self._unless_here(stop.message, stop.place)
        return await self._outcome(at, stop, self._core.stop)

    async def press(self, press: Press) -> Outcome:
        """See `Inbox.press`."""
        at = self._elsewhere.get(press.message) or await self._unless_here(press.message, press.place)
        return await self._outcome(at, press, self._core.press)

    async def command(self, command: Command) -> str:
        """See `Inbox.command`."""
        said = await self._pass(await self._home(command.place), command)
        return await self._core.command(command) if said is None else said

    async def barred(self, actor: Actor, place: Place) -> str | None:
        """See `Inbox.barred`."""
        return await self._core.barred(actor, place)

    async def owns(self, message: str, actor: str) -> bool:
        """See `Inbox.owns`."""
        return await self._core.owns(message, actor)

    async def rated(self, rating: Rating) -> None:
        """See `Inbox.rated`."""
        if await self._pass(self._elsewhere.get(rating.message, ""), rating) is None:
            await self._core.rated(rating)

    async def edited(self, edited: Edited) -> None:
        """See `Inbox.edited`."""
        if await self._pass(self._elsewhere.get(edited.key, ""), edited) is None:
            await self._core.edited(edited)

    async def deleted(self, deleted: Deleted) -> None:
        """See `Inbox.deleted`."""
        if await self._pass(self._elsewhere.get(deleted.key, ""), deleted) is None:
            await self._core.deleted(deleted)

    def removed(self, platform: str, workspace: str) -> None:
        """See `Inbox.removed`; the platform in each replica finds it out by itself."""
        self._core.removed(platform, workspace)

    async def repair(self, platform: Platform) -> None:
        """See `Inbox.repair`."""
        await self._core.repair(platform)

    def back(self, platform: Platform) -> None:
        """See `Inbox.back`."""
        self._core.back(platform)

    def released(self, platform: Platform) -> None:
        """See `Inbox.released`."""
        self._core.released(platform)

    def busy(self, platform: str) -> bool:
        """See `Inbox.busy`."""
        return self._core.busy(platform)

    async def _home(self, place: Place) -> str:
        platform = self._core.repairs.platforms.get(place.platform)
        if platform and platform.single:
            return self._peers.name
        return await self._peers.home(f"{place.platform}/{place.channel}")

    async def _unless_here(self, message: str, place: Place) -> str:
        """Return the home of *place*, unless *message* belongs to an answer here."""
        return "" if self._core.knows(message) else await self._home(place)

    async def _outcome(self, name: str, event: Event, here: Callable[[Event], Awaitable[Outcome]]) -> Outcome:
        said = await self._pass(name, event)
        return await self._here(event, here) if said is None else Outcome[said]

    async def _here(
        self, event: Event, here: Callable[[Event], Awaitable[Outcome]], sender: str = ""
    ) -> Outcome:
        """Take an event here; if no answer here is meant, pass it on to the replica that writes the answer.

        That replica may have become known meanwhile, or may be unknown to *sender*, which has just joined.
        """
        outcome, message = await here(event), event.message
        at = self._elsewhere.get(message, "")
        if outcome is not Outcome.UNKNOWN or at in {"", sender} or message in self._passing:
            return outcome
        self._passing.add(message)  # so that two replicas that are mistaken do not pass it back and forth
        try:
            said = await self._pass(at, event)
        finally:
            self._passing.discard(message)
        return outcome if said is None else Outcome[said]

    async def _pass(self, name: str, letter: Letter) -> str | None:
        """Let the replica *name* take *letter*; return its reply, None if it is to be taken here."""
        if name in {"", self._peers.name} or _now() < self._silent.get(name, 0.0):
            return None
        try:
            reply = await self._peers.ask(name, written(letter))
        except Unreached as error:
            log.warning("a replica does not take events", replica=name, reason=str(error))
            self._silent[name] = _now() + SILENT
            return None
        except ValueError:
            return None
        if not reply.startswith(TAKEN):
            return None
        self._core.means.tally.handed.add("event")
        return reply.removeprefix(TAKEN)

    # What other replicas write.

    async def _heard(self, sender: str, text: str) -> str:
        """Take the letter *text* of another replica; reply `TAKEN`, and what came of it, if that was done."""
        match letter := read(text):
            case Passed():
                return await self._take(letter)
            case Stop():
                return TAKEN + (await self._here(letter, self._core.stop, sender)).name
            case Press():
                return TAKEN + (await self._here(letter, self._core.press, sender)).name
            case Command():
                return TAKEN + await self._core.command(letter)
            case Rating() | Edited() | Deleted():
                await self._follow(letter)
            case Shown() | Took() | Late():
                await self._learn(sender, letter)
            case None:
                return ""
        return TAKEN

    async def _follow(self, event: Rating | Edited | Deleted) -> None:
        """Take an event about an answer that is written here."""
        match event:
            case Rating():
                await self._core.rated(event)
            case Edited():
                await self._core.edited(event)
            case Deleted():
                await self._core.deleted(event)

    async def _take(self, letter: Passed) -> str:
        asked = letter.asked
        platform = self._core.repairs.platforms.get(asked.key.partition("/")[0])
        if platform is None or (surface := platform.reopen(asked, Remains())) is None:
            return ""
        place = asked.key, asked.conversation, asked.actor, asked.place, asked.text
        try:
            await self._core.mention(Mention(*place, surface, letter.files, letter.follow_up))
        except Unavailable:
            return ""
        return TAKEN

    async def _learn(self, sender: str, news: Shown | Took | Late) -> None:
        match news:
            case Shown(messages, True):
                await self._know(sender, messages)
            case Shown(messages, _):
                for message in messages:
                    if self._elsewhere.get(message) == sender:
                        del self._elsewhere[message]
            case Took(asked):
                self._core.talks.add(asked.conversation, asked.key)
                self._core.running.latest.note(asked)
            case Late(key, place):
                if await self._home(place) == self._peers.name:
                    await self._core.repairs.redraw(key)

    async def _know(self, sender: str, messages: Sequence[str]) -> None:
        """Remember that *messages* belong to answers of *sender*; pass on what came for them before."""
        stops = self._core.means.stops
        for message in messages:
            self._elsewhere.pop(message, None)
            self._elsewhere[message] = sender
            if early := stops.came(message, _now()):
                await self._pass(sender, early)
            if changed := stops.changed(message, _now()):
                await self._pass(sender, changed)
        while len(self._elsewhere) > KNOWN:
            del self._elsewhere[next(iter(self._elsewhere))]

    # What this one tells and does.

    def _told(self, messages: Sequence[str], on: bool) -> None:
        if self._peers.members:
            self._peers.tell(written(Shown(tuple(messages), on)))
        for message in messages if on else ():
            self._elsewhere.pop(message, None)

    def _took(self, mention: Mention) -> None:
        with suppress(ValueError):
            self._peers.tell(written(Took(_bare(mention))))

    def _overtaken(self, mention: Mention) -> None:
        """Let its home write an answer once more: a write from here may have landed late."""
        self._peers.tell(written(Late(mention.key, mention.place)))

    async def _adopt(self) -> None:
        """Take over the questions of replicas that die or leave."""
        while True:
            await self._peers.orphans()
            await self._core.repairs.take_over()

    async def _beat(self) -> None:
        """Share budgets with the others, and keep track of who they are."""
        while True:
            await self._core.means.pace.exchange()
            names = frozenset(member.name for member in self._peers.members)
            watched = tuple(message for message, _ in self._core.means.stops.watched())
            if names - self._members and watched:  # a new one knows nothing of answers that run
                self._peers.tell(written(Shown(watched)))
            if self._members - names:
                self._silent.clear()
                self._elsewhere = {key: at for key, at in self._elsewhere.items() if at in names}
            self._members = names
            await asyncio.sleep(BEAT)


def _bare(mention: Mention) -> Asked:
    """Return *mention* without its text, which other replicas need not know."""
    return Asked(mention.key, mention.conversation, mention.actor, mention.place, "", time.time())


async def _again(work: Callable[[], Awaitable[None]]) -> None:
    """Do *work*, which has no end, until cancelled; what fails is begun anew.

    A fault is said once for as long as it comes again and again.
    """
    once = Once()
    while True:
        began = _now()
        try:
            await work()
        except Exception as error:
            if _now() - began > CALM:
                once.over(FAILED)
            if once.new(FAILED, repr(error)):
                log.exception(FAILED)
        await asyncio.sleep(BEAT)


def _now() -> float:
    return asyncio.get_running_loop().time()
