"""What can go wrong on the wire, as scripts: a fault, a moment and a seed make one, always the same.

A fault that is a response of its own (a status, a web page, no headers) hits the request after one that broke
off at the moment in question; all others happen in the stream itself.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Step = Any
Made = Callable[[random.Random], Sequence[Step]]

#: When it happens.  "before headers" is instead of the first byte of a stream, or of all there would be.
MOMENTS = ("before headers", "first event", "middle", "last event")

#: The keys of steps that can stand where a stream would begin.
BARE = frozenset({"error", "end", "cut", "reset", "stall", "raw"})

#: How often a fault happens before it passes: mostly once, sometimes for as long as anybody asks.
TIMES = (1, 1, 1, 1, 1, 2, 3, 1_000)


def _always(*steps: Step) -> Made:
    return lambda _rng: steps


def _status(status: int, **more: Any) -> Made:
    return _always({"status": status, **more})


def _limited(rng: random.Random) -> Sequence[Step]:
    return [{"status": 429, "headers": {"retry-after": str(rng.choice([0, 1, 3, 20, 45, 3600]))}}]


def _spent(rng: random.Random) -> Sequence[Step]:
    codes = ("enforced_spend_limit_reached", "contract_spend_limit_reached", "organization_on_hold")
    return [{"status": 400, "code": rng.choice(codes), "message": "You have reached your spend limit."}]


def _error(rng: random.Random) -> Sequence[Step]:
    return [{"error": rng.choice(["overloaded_error", "api_error", "rate_limit_error", "timeout_error"])}]


def _raw(*shapes: str) -> Made:
    """Return a maker of one of these pieces of a body, after which the body ends."""
    return lambda rng: [{"raw": rng.choice(shapes)}, {"end": True}]


def _event(value: Any) -> str:
    return f"event: content_block_delta\ndata: {json.dumps(value)}\n\n"


def _unknown(rng: random.Random) -> Sequence[Step]:
    block = {"type": "future_block", "value": rng.random()}
    events = [
        {"type": "future_event", "value": rng.random()},
        {"type": "content_block_start", "index": 90, "content_block": block},
        {"type": "content_block_delta", "index": 90, "delta": {"type": "future_delta", "value": 1}},
        {"type": "content_block_stop", "index": 90},
    ]
    return [{"event": event} for event in rng.sample(events[:1] * 3, 2) + events[1:]]


def _split(rng: random.Random) -> Sequence[Step]:
    """Split a surrogate pair over two deltas, as escapes in JSON."""
    high, low = json.loads('["\\ud83d", "\\ude00"]')
    return [f"split {rng.randrange(1000)} {high}", f"{low} joined "]


#: Responses that are no stream.
ANSWERS: Mapping[str, Made] = {
    "429 with retry-after": _limited,
    "429": _status(429),
    "400 spend limit": _spent,
    "400 too long": _status(400, message="prompt is too long: 1000500 tokens > 1000000 maximum"),
    "400": _status(400),
    "401": _status(401),
    "402": _status(402),
    "403": _status(403),
    "404": _status(404),
    "413": _status(413),
    "500": _status(500),
    "502": _status(502),
    "503": _status(503),
    "504": _status(504),
    "529": _status(529),
    "html": _always({"html": True}),
    "empty": _always({"empty": True}),
    "no headers": _always({"hang": True}),
    "closed before headers": _always({"hangup": "cut"}),
    "reset before headers": _always({"hangup": "reset"}),
}

#: What happens in a stream.
STREAMS: Mapping[str, Made] = {
    "error event": _error,
    "no message_stop": _always({"end": True}),
    "closed": _always({"cut": True}),
    "reset": _always({"reset": True}),
    "stall": _always({"stall": True}),
    "pings only": _always({"stall": True, "pings": True}),
    "garbage json": _raw("event: content_block_delta\ndata: {oops\n\n", "event: error\ndata: <html>\n\n"),
    "wrong shape": _raw(
        _event([]),
        _event({"type": "content_block_delta"}),
        _event({"type": 7}),
        _event(None),
        "data: [[[\n\n",
    ),
    "bad utf-8": _raw("event: content_block_delta\ndata: \udcff\udcfe\n\n", "\udcc3\n\n"),
    "huge event": lambda rng: [{"huge": rng.choice([1_100_000, 3_000_000])}, {"end": True}],
    "drip": lambda rng: [{"drip": "drip ", "every": rng.choice([0.01, 0.5, 5.0])}],
    "unknown events": _unknown,
    "split surrogates": _split,
    "refusal": _always({"finish": "refusal", "details": {"type": "refusal", "category": "cyber"}}),
    "max_tokens": _always({"finish": "max_tokens"}),
    "context window": _always({"finish": "model_context_window_exceeded"}),
    "pause_turn": _always("Let me see. ", {"finish": "pause_turn"}),
    "unknown reason": _always({"finish": "future_reason"}),
    "no text": lambda rng: [{"thinking": "Hm."}, {"finish": rng.choice(["end_turn", "max_tokens"])}],
}

FAULTS: Sequence[str] = (*ANSWERS, *STREAMS)


def chaotic(fault: str, moment: str, seed: int, text: str) -> Sequence[Step]:
    """Return the script that says *text*, with *fault* at *moment*; *seed* decides what these leave open."""
    rng = random.Random(f"{fault}/{moment}/{seed}")  # noqa: S311 - no secret
    pieces = chopped(rng, text)
    resumes = {"resumes": rng.choice([0, 0, 20, 60])}
    at = {"middle": rng.randint(1, max(len(pieces) - 1, 1)), "last event": len(pieces)}.get(moment, 0)
    times = rng.choice(TIMES)
    if fault in ANSWERS:
        [made] = ANSWERS[fault](rng)
        if moment == "before headers":
            return [resumes, {**made, "times": times}, *pieces]
        first = {**made, "after": 1, "times": times}
        return [resumes, first, *pieces[:at], {"cut": True, "times": 1}, *pieces[at:]]
    made = STREAMS[fault](rng)
    if fault == "no text":
        return [resumes, *made]
    steps = [_so_often(step, times) for step in made]
    if isinstance(steps[0], Mapping) and BARE & steps[0].keys():
        steps[0] = {**steps[0], "bare": moment == "before headers"}
    return [resumes, *pieces[:at], *steps, *(pieces[at:] or [""])]  # "": what follows a pause


def _so_often(step: Step, times: int) -> Step:
    """Return *step* so that it happens that often, if it is a fault: an end always is one."""
    return {**step, "times": times} if isinstance(step, Mapping) and "finish" not in step else step


def chopped(rng: random.Random, text: str) -> list[Step]:
    """Return *text* in deltas of a few characters."""
    pieces, at = [], 0
    while at < len(text):
        size = rng.randint(1, 60)
        pieces.append(text[at : at + size])
        at += size
    return pieces
