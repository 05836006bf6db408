"""What holds for one question: how the model is asked, how the answer is shown, and what may be used.

Terms depend on the place and on who asks.  An answer keeps those that it began with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.model import Asking
from bot.platform import Actor, Place
from bot.show.writes import Showing
from bot.store import Store
from bot.tools import More, Offered


async def no_more() -> Sequence[Offered]:
    """Offer no tools besides."""
    return ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one question.

    Attributes:
        asking: What every request to the model has in common.
        showing: How the answer is shown.
        tools: What the model may use.
        more: What it may use besides, asked for when an answer begins.
        follow_ups: Whether a question in a thread that the bot was asked in needs no mention.
        footer: Whether the answer ends with the model's name, tokens and price.
        models: The models that people may choose from; () for none but the one in `asking`.
    """

    asking: Asking = field(default_factory=Asking)
    showing: Showing = field(default_factory=Showing)
    tools: Sequence[Offered] = ()
    more: More = no_more
    follow_ups: bool = True
    footer: bool = False
    models: tuple[str, ...] = ()


#: Says what holds for a question of somebody in a place.
TermsOf = Callable[[Place, Actor], Terms]


def chosen(store: Store, terms: TermsOf) -> TermsOf:
    """Return *terms* with the model that the asker has chosen, where they may choose it."""

    def of(place: Place, actor: Actor) -> Terms:
        found = terms(place, actor)
        model = store.chosen(whose(place, actor)) if found.models else ""
        if model not in found.models:
            return found
        return replace(found, asking=replace(found.asking, model=model))

    return of


def whose(place: Place, actor: Actor) -> str:
    """Return one name for *actor* over all platforms."""
    return f"{place.platform}/{actor.id}"
