"""What people think of answers: a reaction on one, kept in the ledger by the question's key.

Must never keep text: a rating is ids, a time, and the model's name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import structlog

from bot.platform import Rating
from bot.store import Rated, Store

log = structlog.get_logger(__name__)

#: Answers of which it is remembered who gave them.
REMEMBERED = 2_000


class Models:
    """Which model answered which question in this run; of too many, the newest."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, str] = OrderedDict()

    def keep(self, key: str, model: str) -> None:
        """Remember that *model* has answered the question *key*; "" is nothing to remember."""
        if model:
            self._names[key] = model
        if len(self._names) > REMEMBERED:
            self._names.popitem(last=False)

    def of(self, key: str) -> str:
        """Return which model has answered the question *key*; "" if that is not known."""
        return self._names.get(key, "")


async def owned(store: Store, message: str) -> bool:
    """Tell whether *message* is a page of an answer whose text is kept; False if that can't be read now."""
    try:
        return await store.find_shown(message) is not None
    except OSError as error:
        log.warning("a reaction counts for nothing", message=message, error=str(error))
        return False


async def rate(store: Store, rating: Rating, at: float, model_of: Callable[[str], str]) -> None:
    """Keep *rating* in the ledger, or take it back there; of a message that is none of ours, nothing.

    Args:
        store: The ledger.
        rating: What somebody thinks.
        at: When it came, in seconds of the wall clock.
        model_of: Says which model has answered a question; see `Models.of`.
    """
    try:
        entry = await store.find_shown(rating.message)
    except OSError as error:
        log.warning("a rating was not kept", message=rating.message, error=str(error))
        return
    if entry is None:
        return
    asked, rater = entry.asked, rating.actor.id
    if rating.on:
        where, model = asked.place.channel, model_of(asked.key)
        rated = Rated(asked.key, rater, rating.good, at, asked.actor.id, where, model)
        await store.rate(rated)
    else:
        await store.unrate(asked.key, rater, good=rating.good)
