"""What may be spent, as `config.toml` says: prices, caps and whom to ask."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache

import structlog

from bot.config import Settings
from bot.config.rules import Caps as Written
from bot.config.rules import Rulebook
from bot.guard.prices import Prices, prices
from bot.guard.spend import Caps, Spend
from bot.platform import Place
from bot.store.accounts import Accounts

log = structlog.get_logger(__name__)


def spend_of(settings: Settings, book: Rulebook, accounts: Accounts) -> Spend:
    """Return what says how much may be spent where, by *book* as it is whenever it is asked."""
    return Spend(
        accounts,
        prices_of(book),
        lambda place: _caps(book.at(place).caps),
        settings.model,
        lambda place: book.at(place).who.contact,
        _nearly,
    )


def prices_of(book: Rulebook) -> Prices:
    """Return what models cost, by the table and by what the file says instead."""
    return prices({model: price.given for model, price in book.written.prices.items()})


@lru_cache(maxsize=1024)
def _caps(written: Written) -> Caps:
    return Caps(**asdict(written))


def _nearly(text: str, place: Place) -> None:
    log.warning("most of a cap is used up", told=text, platform=place.platform)
