"""How the chat page is set up: what `rivulet init` asks."""

from __future__ import annotations

import secrets

from bot.setup import Question, Setup, Shape

#: Bytes of chance in a token that is made for a person.
STRENGTH = 24
NAMES = Shape("names with commas between, as in ann, bob", r"[\w.@-]{1,40}(, *[\w.@-]{1,40})*")
ADDRESS = Shape("an address as in https://chat.example.com", r"https?://[\w.:-]+/?")


def tokens(names: str) -> str:
    """Return a new token for each of *names*, as `RIVULET_WEB_TOKENS` takes them."""
    people = [name.strip() for name in names.split(",") if name.strip()]
    return ",".join(f"{name}={secrets.token_urlsafe(STRENGTH)}" for name in people)


QUESTIONS = (
    Question("RIVULET_WEB_URL", "Address that people open; empty for this machine alone", ADDRESS),
    Question(
        "RIVULET_WEB_TOKENS",
        "Names of those who may use it; empty for whoever uses this machine",
        NAMES,
        made=tokens,
    ),
)


def setup() -> Setup:
    """Return how the chat page is set up."""
    steps = ("Each person signs in with a token, which is made for them and stands in .env.",)
    return Setup("web", "Chat page", QUESTIONS, steps, fixed={"RIVULET_WEB": "true"})
