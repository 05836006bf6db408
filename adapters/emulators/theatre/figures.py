"""What makes the bot different, in figures: from what arrived at the emulators, and when.  No I/O.

The staleness of an answer is the age of the oldest character that the model has sent and no message shows.
Only letters and digits count, since each platform draws the rest with marks of its own.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from adapters.emulators.claude.plays import Play, part, words_of

Json = dict[str, Any]

#: Answers that are remembered; more than a crowd asks for on all platforms.
KEPT = 400
#: Seconds over which edits are averaged.
SPAN = 10.0
#: Letters that may be missing: what is drawn of a link or a table is not what the model wrote.
SLACK, SHARE = 4, 0.02
#: What puts text before readers.
WRITES = frozenset(
    {"chat.postMessage", "chat.update", "chat.startStream", "chat.appendStream", "chat.stopStream"}
    | {"POST messages", "PATCH messages", "POST threads"}
)
#: What ends an answer, as people press or react it.
STOPS = frozenset({"🛑", "octagonal_sign", "stop_sign", "x", "❌"})
#: Which bot asks the model, by the last characters of its key; ours is known by its instructions.
KEYS = {"aive": "naive"}

_TOKEN = re.compile(r"<[@#!&][^<>]*>")


@dataclass
class Answer:
    """A question, and what became of it.

    Attributes:
        platform: Where it was asked.
        channel: There.
        question: The message that asks.
        thread: Slack's thread, "" where it is none.
        text: What was asked, without mentions.
        plays: The model's requests for it.
        marks: (when, letters that the model had sent in all), those that are not shown.
        pages: The letters of the messages that answer it.
        live: Those of them that are not final.
        stopped: When somebody stopped it.
        socket: Seconds from there until the model's connection was closed.
        final: Seconds from there until its last edit.
    """

    platform: str
    channel: str
    question: str
    thread: str
    text: str
    plays: list[Play] = field(default_factory=list)
    marks: deque[tuple[float, int]] = field(default_factory=deque)
    pages: dict[str, int] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    stopped: float | None = None
    socket: float | None = None
    final: float | None = None
    _counted: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def going(self) -> bool:
        """Whether the model is at it, or a message looks as if."""
        return bool(self.live) or any(play.state == "open" for play in self.plays)

    @property
    def cut(self) -> bool:
        """Whether the model has said all, nothing is on its way any more, and letters are missing."""
        over = bool(self.plays) and self.plays[-1].state == "finished"
        return over and not self.going and not self.stopped and bool(self.marks)

    def look(self, now: float) -> None:
        """Take note of what the model has sent by *now*, and forget what is shown."""
        for play in self.plays[-1:]:
            seen, letters = self._counted.get(play.id, (0, 0))
            letters += sum(map(lettered, play.pieces[seen:]))
            self._counted[play.id] = (len(play.pieces), letters)
        sent, shown = sum(letters for _, letters in self._counted.values()), sum(self.pages.values())
        if sent > (self.marks[-1][1] if self.marks else 0):
            self.marks.append((now, sent))
        while self.marks and self.marks[0][1] <= shown + SLACK + shown * SHARE:
            self.marks.popleft()

    def stale(self, now: float) -> float:
        """Return the age of the oldest letter that is missing, 0 where none is."""
        return now - self.marks[0][0] if self.marks else 0.0


@dataclass
class Count:
    """What a platform has seen.

    Attributes:
        posts: Messages of the bot.
        edits: Changes of them.
        refused: 429s that answered a post or an edit.
        others: Other 429s, by what was called.
        recent: When the last edits were.
    """

    posts: int = 0
    edits: int = 0
    refused: int = 0
    others: Counter[str] = field(default_factory=Counter)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=1_000))


class Figures:
    """All of it, for all platforms."""

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}
        self._answers: deque[Answer] = deque(maxlen=KEPT)
        self._by_play: dict[str, Answer] = {}

    def asked(self, platform: str, message: Json) -> None:
        """Take note of what a person wrote: it may be a question."""
        text = " ".join(_TOKEN.sub(" ", said_in(message)).split())
        if text:
            place = platform, message["channel"], message["id"], message.get("thread", "")
            self._answers.append(Answer(*place, text))

    def wrote(self, platform: str, entry: Json, message: Json) -> None:
        """Take note of what the bot wrote: *entry* of the log, and the *message* as it is now."""
        count = self._counts.setdefault(platform, Count())
        if entry["kind"] in {"post", "start"}:
            count.posts += 1
        else:
            count.edits += 1
            count.recent.append(entry["t"])
        if not (answer := self._answered(platform, message)):
            return
        answer.pages[message["id"]] = lettered(message["text"])
        (answer.live.add if message["live"] else answer.live.discard)(message["id"])
        if answer.stopped and answer.final is None and not answer.live:
            answer.final = entry["t"] - answer.stopped

    def heard(self, platform: str, entry: Json) -> None:
        """Take note of any other *entry* of a platform's log."""
        count = self._counts.setdefault(platform, Count())
        match entry:
            case {"kind": "429"}:
                called = str(entry.get("method") or entry.get("route"))
                if called in WRITES:
                    count.refused += 1
                else:
                    count.others[called] += 1
            case {"kind": "delete"}:
                self._deleted(platform, entry)
            case {"kind": "react", "t": at} if {entry.get("emoji"), entry.get("reaction")} & STOPS:
                self._stopped(platform, entry, at)
            case {"kind": "press", "label": label, "t": at} if "Stop" in label or label == "Slack's own":
                self._stopped(platform, entry, at)

    def modelled(self, entry: Json, play: Play) -> None:
        """Take note of an *entry* of the model's log that is about *play*."""
        if entry["kind"] == "request":
            platform = KEYS.get(entry["key"]) or _platform(play.body)
            if answer := self._asked_for(platform, play):
                if not part(play.body["messages"]) and answer.plays:  # it is tried again
                    answer.plays.clear()
                    answer.marks.clear()
                    answer.pages.clear()
                answer.plays.append(play)
                self._by_play[play.id] = answer
        elif answer := self._by_play.get(play.id):
            answer.look(entry["t"])
            if entry["kind"] == "closed" and answer.stopped and answer.socket is None:
                answer.socket = entry["t"] - answer.stopped
            if entry["kind"] in {"closed", "finished", "broken"}:
                del self._by_play[play.id]

    def look(self, now: float) -> None:
        """Take note of how far all answers are."""
        for answer in self._answers:
            if answer.marks or answer.going:
                answer.look(now)  # of what is over, nothing is left to look at once all of it is shown

    def told(self, now: float) -> Json:
        """Return what the page shows."""
        return {
            "platforms": {name: self._told(name, count, now) for name, count in self._counts.items()},
            "models": [_model(answer, now) for answer in reversed(self._answers) if answer.plays][:8],
            "open": sum(play.state == "open" for answer in self._answers for play in answer.plays),
        }

    def _told(self, name: str, count: Count, now: float) -> Json:
        ours = [answer for answer in self._answers if answer.platform == name]
        going = [answer.stale(now) for answer in ours if answer.going]
        stopped = [answer for answer in ours if answer.stopped]
        return {
            "posts": count.posts,
            "edits": count.edits,
            "rate": sum(at > now - SPAN for at in count.recent) / SPAN,
            "refused": count.refused,
            "others": dict(count.others),
            "live": len(going),
            "cut": sum(answer.cut for answer in ours),
            "stale": max(going, default=0.0),
            "socket": _last(answer.socket for answer in stopped),
            "final": _last(answer.final for answer in stopped),
        }

    def _deleted(self, platform: str, entry: Json) -> None:
        id_ = entry.get("ts") or entry.get("message")
        for answer in self._answers:
            if answer.platform == platform and id_ in answer.pages:
                del answer.pages[id_]
                answer.live.discard(id_)

    def _stopped(self, platform: str, entry: Json, at: float) -> None:
        id_ = entry.get("ts") or entry.get("message")
        for answer in reversed(self._answers):
            if answer.platform == platform and answer.going and id_ in {answer.question, *answer.pages}:
                answer.stopped = at
                return

    def _answered(self, platform: str, message: Json) -> Answer | None:
        """Return the question that the bot's *message* answers, as a reader would say."""
        for answer in reversed(self._answers):
            if answer.platform != platform:
                continue
            if message["id"] in answer.pages:
                return answer
            if "thread" in message:
                same = message["thread"] == (answer.thread or answer.question)
                if same and message["channel"] == answer.channel and message["id"] > answer.question:
                    return answer
            elif message["channel"] == answer.question or message["reply_to"] in {
                answer.question,
                *answer.pages,
            }:
                return answer
        return None

    def _asked_for(self, platform: str, play: Play) -> Answer | None:
        """Return the newest question whose text is in the request, one without any rather than one with."""
        asked = " ".join(play.question.split())
        found = [one for one in self._answers if one.platform == platform and one.text in asked]
        longest = max((len(one.text) for one in found), default=0)
        found = [one for one in found if len(one.text) == longest]
        fresh = [one for one in found if not one.plays]
        return next(iter([*fresh, *found[-1:]]), None)


def said_in(message: Json) -> str:
    """Return the text of a person's message, as it was written."""
    return str(message.get("content") or message["text"])


def lettered(text: str) -> int:
    """Return how many letters and digits are in *text*."""
    return sum(map(str.isalnum, text))


def _platform(body: Json) -> str:
    """Return the platform that the instructions name."""
    system = body.get("system") or ""
    text = system if isinstance(system, str) else words_of({"content": system})
    return "discord" if "Platform: Discord" in text else "slack"


def _last(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return known[-1] if known else None


def _model(answer: Answer, now: float) -> Json:
    play = answer.plays[-1]
    since = (play.end or now) - play.start
    return {
        "platform": answer.platform,
        "question": answer.text[:80],
        "state": play.state,
        "rate": play.characters / since if since > 0 else 0.0,
        "stopped": answer.socket,
    }
