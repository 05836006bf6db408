"""What may be spent, as `config.toml` says: prices, caps and whom to ask."""

from __future__ import annotations

from bot.config import Settings
from bot.config.rules import Rulebook
from bot.guard.prices import Prices, prices
from bot.guard.spend import Spend
from bot.store.accounts import Accounts
from bot.tally import Tally


def spend_of(settings: Settings, book: Rulebook, accounts: Accounts, tally: Tally) -> Spend:
    """Return what says how much may be spent where, by *book* as it is whenever it is asked."""
    return Spend(
        accounts,
        prices_of(book),
        lambda place: book.at(place).caps,
        settings.model,
        lambda place: book.at(place).who.contact,
        tally=tally,
    )


def prices_of(book: Rulebook) -> Prices:
    """Return what models cost, by the table and by what the file says instead."""
    return prices({model: price.given for model, price in book.written.prices.items()})
