"""What can fail at Claude: the sentence that people read about it, and what kind of failure it is.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.model import Kind, ModelError

UNREACHABLE = "Claude can't be reached right now. Please try again in a minute."
SILENT = "Claude went silent, so this answer is incomplete. Please ask again."
GARBLED = "Claude's answer arrived garbled, so it is incomplete. Please ask again."
BUSY = "Claude is overloaded right now. Please try again in a minute."
FAILED = "Claude had an internal error. Please try again in a minute."
NO_STREAM = "Something else than Claude answered. The bot's operator should check the network and its proxy."
RESTLESS = "Claude kept pausing and didn't get to an end. Please ask for less at once."
SPENT = "The bot has used up its budget at Anthropic. Its operator has to raise the limit."

#: What people read where the room of an answer ended within a call of a tool.
UNCALLED = "It was about to use {name}, which was not done."

#: What people read where files that the model's code has made could not be had.
LOST = "{count} of the files that were made could not be fetched."

#: What people read below an answer that Claude declined; the category is the API's, where it gives one.
DECLINED = "A new thread may help."
CATEGORIES = {
    "cyber": "cyber security",
    "bio": "life sciences",
    "frontier_llm": "building AI models",
    "reasoning_extraction": "its own reasoning",
    "general_harms": "possible harm",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to fail.

    Attributes:
        sentence: What people read: what happened, and what to do.
        kind: Whether another try makes sense.
    """

    sentence: str
    kind: Kind


#: What has no name that is known here: it may pass by itself.
INTERNAL = Failure(FAILED, Kind.ILL)

#: By the API's error code or type (anthropic 2.12, types/shared/error_type.py), not by the HTTP status: an
#: error in the middle of a stream has status 200.
FAILURES: Mapping[str, Failure] = {
    "enforced_spend_limit_reached": Failure(SPENT, Kind.BARRED),
    "contract_spend_limit_reached": Failure(SPENT, Kind.BARRED),
    "organization_on_hold": Failure(
        "Anthropic has put the bot's account on hold. Its operator has to contact them.", Kind.BARRED
    ),
    "invalid_request_error": Failure(
        "Claude didn't accept this request. Please ask differently, or in a new thread.", Kind.OTHER
    ),
    "request_too_large": Failure(
        "This conversation is too long for Claude. Please start a new thread.", Kind.LONG
    ),
    "authentication_error": Failure(
        "Claude didn't accept the bot's API key. Its operator has to set a new one.",
        Kind.KEY,
    ),
    "permission_error": Failure(
        "The bot's API key may not use this model. Its operator has to allow that, or choose another.",
        Kind.BARRED,
    ),
    "billing_error": Failure(
        "The bot's account at Anthropic can't be billed. Its operator has to look after it.", Kind.BARRED
    ),
    "not_found_error": Failure(
        "The configured model doesn't exist. The bot's operator has to choose another.", Kind.MISSING
    ),
    "rate_limit_error": Failure(
        "The bot has reached its rate limit at Claude. Please try again in a minute.", Kind.LIMITED
    ),
    "timeout_error": Failure("Claude took too long to answer. Please ask again, for less at once.", Kind.ILL),
    "overloaded_error": Failure(BUSY, Kind.ILL),
    "api_error": INTERNAL,
}

#: What people read while another try waits.
NOTES: Mapping[Kind, str] = {
    Kind.LIMITED: "waiting for Claude to have capacity …",
    Kind.ILL: "Claude has trouble inside; trying again …",
    Kind.AWAY: "Claude can't be reached; trying again …",
    Kind.SILENT: "Claude went silent; trying again …",
    Kind.CUT: "the connection broke off; trying again …",
    Kind.LONG: "leaving out the oldest messages …",
    Kind.MISSING: "trying another model …",
}
OVERLOADED = "Claude is overloaded; trying again …"

#: How a 400 says that the conversation is too long: it has no code of its own (docs, "Errors").
TOO_LONG = re.compile(r"prompt is too long|exceed(s|ed)? (the )?context (limit|window)")

#: For error responses that are not the API's own, like a proxy's (docs, "Errors").
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def named(*names: str) -> Failure:
    """Return the failure that the first known of *names* stands for."""
    return next((FAILURES[name] for name in names if name in FAILURES), INTERNAL)


def told(error: Any) -> ModelError:
    """Return the error that came as an event: by its code or its type, since its HTTP status is 200."""
    said = error if isinstance(error, dict) else {}
    details = said.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    failure = named(str(code), str(said.get("type")))
    return ModelError(failure.sentence, failure.kind)


def note_of(error: ModelError) -> str:
    """Return what people read while another try after *error* waits."""
    return OVERLOADED if str(error) == BUSY else NOTES[error.kind]


def declined(details: Any) -> str:
    """Return what people read about a refusal with these *details*; see `stop_details` in the API."""
    category = details.get("category") if isinstance(details, dict) else None
    if not isinstance(category, str):
        return DECLINED
    about = CATEGORIES.get(category, "another of its rules")
    return f"It touches a topic that Claude is careful with: {about}. {DECLINED}"


def seconds(header: str | None) -> float | None:
    """Read a Retry-After header; None if it is not a number of seconds, which the API always sends."""
    try:
        found = float(header or "")
    except ValueError:
        return None
    return found if 0 <= found < float("inf") else None


#: What an operator reads, by error type.
CHECKS = {
    "authentication_error": "Anthropic refuses ANTHROPIC_API_KEY; make a new one at https://platform.claude.com/settings/keys.",
    "permission_error": "ANTHROPIC_API_KEY may not use model {model}; set another in RIVULET_MODEL.",
    "not_found_error": "Anthropic knows no model {model}; set one of its list in RIVULET_MODEL.",
}
NO_KEY = "ANTHROPIC_API_KEY is not set: make a key at https://platform.claude.com/settings/keys."
EMPTY_KEY = "ANTHROPIC_API_KEY has characters that no key has; copy it again."
#: For the operator, who can look at more than the people who ask.
AWAY = "{host} can't be reached ({why}): see whether the network is up, and HTTPS_PROXY right, if it is set."
RETIRED = "Model {model} is retired; set a newer one in RIVULET_MODEL."
#: Statuses with which a gateway says that it can't be asked about models.
UNTOLD = frozenset({400, 401, 403, 404, 405, 501})
UNKNOWN = "{host} does not say whether there is a model {model}; the first question will show."


def is_own(host: str) -> bool:
    """Return whether *host* is Anthropic's, which knows all its models."""
    return host == "anthropic.com" or host.endswith(".anthropic.com")


def is_sound(api_key: str) -> bool:
    """Return whether *api_key* can be sent at all."""
    return bool(api_key) and api_key.isascii() and api_key.isprintable()
