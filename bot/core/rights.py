"""Whose words and files in a conversation are more than data: those who may do a thing themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bot.guard.access import Access, Action
from bot.platform import Actor, Mention, Said

#: People whose rights are looked up at once.
AT_ONCE = 16


async def who_may(
    access: Access, action: Action, said: Sequence[Said], mention: Mention
) -> Callable[[Actor], bool]:
    """Return what tells who of those in *said* may do *action* where *mention* was asked; its asker may."""
    lanes = asyncio.Semaphore(AT_ONCE)

    async def may(actor: Actor) -> bool:
        async with lanes:
            return await access.authorize(actor, mention.place, action)

    actors = list({each.actor for each in said if each.actor and each.actor.id != mention.actor.id})
    answers = await asyncio.gather(*map(may, actors))
    those = {actor for actor, allowed in zip(actors, answers, strict=True) if allowed}
    return lambda actor: actor.id == mention.actor.id or actor in those
