"""What is sealed with the app's client secret: states, links, and what the vault keeps.  Pure.

Who has the secret could ask Slack for tokens in the bot's name anyway.  So nothing more has to be kept
secret, all replicas agree, and a copy of the ledger or of Redis shows no token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken

#: Seconds that a state, and a link, are good for.
STATE, LINK = 600, 3 * 86_400
#: Characters of what is opened at all.
LONGEST = 1_000


class Seal:
    """Seals texts, so that nobody else can read or make one.

    Args:
        secret: The app's client secret.
        purpose: What is sealed for one purpose is of no use for another.
    """

    def __init__(self, secret: str, purpose: str) -> None:
        key = hmac.new(secret.encode(), f"rivulet/slack/{purpose}".encode(), hashlib.sha256).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, text: str, now: float) -> str:
        """Return *text*, sealed at *now*, in characters that need no escape in a cookie or an address."""
        return self._fernet.encrypt_at_time(text.encode(), int(now)).decode().rstrip("=")

    def opened(self, sealed: str, now: float = 0.0, life: int = 0) -> str | None:
        """Return what was sealed; None if it was not, or over *life* seconds before *now* (0: whenever)."""
        whole = sealed.encode(errors="replace") + b"=" * (-len(sealed) % 4)
        try:
            found = (
                self._fernet.decrypt_at_time(whole, life, int(now)) if life else self._fernet.decrypt(whole)
            )
        except (InvalidToken, ValueError):
            return None
        return found.decode()


@dataclass(frozen=True, slots=True)
class Ticket:
    """A state or a link that was opened.

    Attributes:
        name: What the vault knows it by once it is used; it says when it may be forgotten.
        carries: What it was issued with.
    """

    name: str
    carries: str = ""

    @property
    def until(self) -> int:
        """When it ends, in seconds since 1970."""
        return int(self.name.split("/")[2])


#: What the names of used tickets begin with.
USED = "slack/used/"


class Tickets:
    """States, or links.

    Args:
        seal: Seals them.
        life: Seconds that each is good for.
    """

    def __init__(self, seal: Seal, life: int) -> None:
        self._seal = seal
        self._life = life

    def issue(self, nonce: str, now: float, carries: str = "") -> str:
        """Return a new one; *nonce* is 32 hexadecimal digits of chance."""
        return self._seal.seal(f"{int(now) + self._life}/{nonce}|{carries}", now)

    def read(self, sealed: str, now: float) -> Ticket | None:
        """Return what *sealed* is; None if it is none, or none any more."""
        text = self._seal.opened(sealed, now, self._life) if len(sealed) <= LONGEST else None
        if text is None:
            return None
        number, _, carries = text.partition("|")
        return Ticket(f"{USED}{number}", carries)
