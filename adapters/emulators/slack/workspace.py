"""The workspace's state: people, messages, reactions, and what is told about each change.

Every change is applied, logged and told here, whoever asked for it.  It knows no HTTP and no
limits, and never refuses anything: that is `web_api.py`'s.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from adapters.emulators import masks
from adapters.emulators.slack import content, judge, shapes
from adapters.emulators.slack.markdown import Code
from adapters.emulators.slack.shapes import Json, Message, Person

PEOPLE = (
    Person("U1", "ann"),
    Person("U2", "bob"),
    Person("UGUEST", "gus", {"is_restricted": True, "is_ultra_restricted": True}),
    Person("UEXT", "eve", {"team_id": "T2", "is_stranger": True}),
    Person("UROBOT", "robot", {"is_bot": True}),
)

#: Events the app is subscribed to unless a test says otherwise.
SUBSCRIPTIONS = (
    "app_mention",
    "message.channels",
    "message.groups",
    "message.im",
    "reaction_added",
    "reaction_removed",
    "agent_session_stopped",
)
#: The scopes without which events are not sent [docs, each event's page].
NEEDS = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "reaction_added": "reactions:read",
}


class Workspace:
    """What Slack knows.

    Args:
        record: Adds an entry to the emulator's log.
        send: Delivers an event's payload to the app.
        team: Which one it is.

    Attributes:
        team: As above; changed when the app is installed otherwise.
        groups: The handles of user groups, by id.
        grouped: Who is in them.
        topics: What channels are for, by id.
        names: What channels are called, by id; others by their id.
        scopes: Those that the app has; None for all.
        absent: Channels that the bot is no member of.
        code: How readers see code in markdown blocks; see `markdown`.
    """

    def __init__(
        self,
        record: Callable[..., None],
        send: Callable[[Json], None],
        team: shapes.Team = shapes.HOME,
    ) -> None:
        self.team = team
        bot = Person(team.bot_user, "rivulet", {"is_bot": True})
        self.people = {each.id: each for each in (*map(self.settled, PEOPLE), self.settled(bot))}
        self.groups: dict[str, str] = {}
        self.grouped: dict[str, Sequence[str]] = {}
        self.topics: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.subscriptions = set(SUBSCRIPTIONS)
        self.scopes: set[str] | None = None
        self.absent: set[str] = set()
        self.pings: list[Json] = []
        self.unfurls: list[Json] = []
        self.masks: list[Json] = []
        self.code: Code = "literal"
        self._channels: dict[str, dict[str, Message]] = defaultdict(dict)
        self._threads: dict[tuple[str, str], list[Message]] = defaultdict(list)
        self._shared: set[str] = set()
        self._record = record
        self._send = send
        self._last = 0

    def settled(self, person: Person) -> Person:
        """Return *person* as an account of this workspace, unless it is said to be of another one."""
        told: Json = {"team_id": self.team.id}
        if self.team.enterprise:
            told |= {"enterprise_user": {"enterprise_id": self.team.enterprise, "teams": [self.team.id]}}
        return Person(person.id, person.name, told | person.flags)

    def ts(self) -> str:
        """Return a new timestamp: wall time in microseconds, never twice the same."""
        self._last = max(self._last + 1, time.time_ns() // 1_000)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"

    def person(self, user: str) -> Person:
        """Return the account *user*, or raise LookupError."""
        if user not in self.people:
            raise LookupError(f"nobody is called {user}")
        return self.people[user]

    def find(self, channel: str, ts: str) -> Message | None:
        """Return a message that is there, if it is."""
        kept = self._channels[channel].get(ts)
        return None if kept is None or kept.deleted else kept

    def get(self, channel: str, ts: str) -> Message:
        """Return a message, deleted or not, or raise LookupError."""
        kept = self._channels[channel].get(ts)
        if kept is None:
            raise LookupError(f"no message {ts} in {channel}")
        return kept

    def messages(self, channel: str) -> list[Message]:
        """Return all messages of *channel*, replies and deleted ones too, oldest first."""
        return list(self._channels[channel].values())

    def everything(self) -> Iterator[Message]:
        """Yield all messages of all channels."""
        for kept in self._channels.values():
            yield from kept.values()

    def replies(self, channel: str, thread_ts: str) -> list[Message]:
        """Return the replies below *thread_ts*, without it, oldest first."""
        return list(self._threads[channel, thread_ts])

    def shape(self, kept: Message, *, metadata: bool = False) -> Json:
        """Return *kept* as the Web API carries it, with its thread's figures on a root."""
        parent = self._channels[kept.channel].get(kept.thread_ts)
        shape = shapes.tombstone(kept) if kept.deleted else shapes.message(kept, parent, metadata=metadata)
        below = [reply for reply in self._threads.get((kept.channel, kept.ts), ()) if not reply.deleted]
        if below:
            users = list(dict.fromkeys(reply.user for reply in below))
            shape |= {"thread_ts": kept.ts, "reply_count": len(below), "latest_reply": below[-1].ts}
            shape |= {"reply_users": users, "reply_users_count": len(users)}
        return shape

    def post(self, kept: Message, kind: str = "") -> None:
        """Keep a new message and tell of it; *kind* is the log's word for it."""
        kept.home, kept.team = self.team, kept.team or self.team.id
        self._channels[kept.channel][kept.ts] = kept
        if kept.thread_ts:
            self._threads[kept.channel, kept.thread_ts].append(kept)
        if kept.team != self.team.id:
            self._shared.add(kept.channel)
        self._log(kind or ("post" if kept.own else "say"), kept)
        parent = self._channels[kept.channel].get(kept.thread_ts)
        for event in shapes.posted(kept, parent):
            self.tell(event)

    def change(self, kept: Message, kind: str = "edit", **new: Any) -> None:
        """Replace the fields *new* of a message and tell of it; *kind* is the log's word for it."""
        before = self.shape(kept)
        vars(kept).update(new)
        kept.edits += kind == "edit"
        self._log(kind, kept)
        self.tell(shapes.changed(self.shape(kept), before, kept.channel, self.ts()))

    def remove(self, kept: Message) -> None:
        """Delete a message and tell of it.

        Of a root with replies a tombstone is left, and Slack tells of a message_changed
        instead of a message_deleted (slack-edge#10, matterbridge#600, openclaw#22035).
        """
        before, below = self.shape(kept), self.replies(kept.channel, kept.ts)
        kept.deleted = True
        self._record("delete", channel=kept.channel, ts=kept.ts, user=kept.user)
        if any(not reply.deleted for reply in below):
            self.tell(shapes.changed(self.shape(kept), before, kept.channel, self.ts()))
        else:
            self.tell(shapes.removed(before, kept.channel, self.ts()))

    def react(self, kept: Message, user: str, name: str) -> bool:
        """Add a reaction and tell of it; False if it is there already."""
        users = kept.reactions.setdefault(name, [])
        if user in users:
            return False
        users.append(user)
        self._record("react", channel=kept.channel, ts=kept.ts, user=user, reaction=name)
        self.tell(shapes.reaction("reaction_added", kept, user, name, self.ts()))
        return True

    def unreact(self, kept: Message, user: str, name: str) -> bool:
        """Take a reaction away and tell of it; False if there is none."""
        users = kept.reactions.get(name, [])
        if user not in users:
            return False
        users.remove(user)
        if not users:
            del kept.reactions[name]
        self._record("unreact", channel=kept.channel, ts=kept.ts, user=user, reaction=name)
        self.tell(shapes.reaction("reaction_removed", kept, user, name, self.ts()))
        return True

    def tell(self, event: Json) -> None:
        """Send *event* to the app if it is subscribed to it, and has the scope for it."""
        kind = event["type"]
        if kind == "message":
            kind = {"im": "message.im", "group": "message.groups"}.get(
                event["channel_type"], "message.channels"
            )
        allowed = self.scopes is None or NEEDS.get(kind, "") in {"", *self.scopes}
        channel = event.get("channel") or event.get("item", {}).get("channel")
        if kind in self.subscriptions and allowed and channel not in self.absent:
            self._send(shapes.callback(event, shared=channel in self._shared, team=self.team))

    def judge(self, kept: Message, *, linked: bool, unfurled: bool) -> None:
        """Remember whom the bot's message would ping, and which links it would unfurl or has disguised.

        Args:
            kept: The message as it is now.
            linked: Whether bare names become mentions (link_names, parse=full).
            unfurled: Whether its links may unfurl.
        """
        where = {"channel": kept.channel, "ts": kept.ts}
        found = judge.pings(kept.text, kept.blocks, linked=linked, code=self.code)
        self.pings += [where | {"token": token} for token in found]
        links = judge.links(kept.text, kept.blocks, self.code)
        self.masks += [where | mask for mask in masks.found(links)]
        if unfurled:
            self.unfurls += [where | {"url": url} for url in judge.urls(kept.text, kept.blocks)]

    def _log(self, kind: str, kept: Message) -> None:
        kept.was_live |= kept.live
        text = content.visible(kept.text, kept.blocks, self.code)
        self._record(
            kind,
            channel=kept.channel,
            ts=kept.ts,
            thread_ts=kept.thread_ts,
            user=kept.user,
            live=kept.live,
            length=len(text),
            empty=not any(character.isalnum() for character in text),
        )


def view(kept: Message, code: Code) -> Json:
    """Return what a reader sees of a message, as JSON; *code* as in `markdown`."""
    return {
        "ts": kept.ts,
        "thread_ts": kept.thread_ts,
        "user": kept.user,
        "text": content.visible(kept.text, kept.blocks, code),
        "note": content.note(kept.blocks),
        "live": kept.live,
        "edits": kept.edits,
        "deleted": kept.deleted,
        "blocks": kept.blocks,
        "controls": content.labels(kept.blocks),
        "reactions": kept.reactions,
        "files": [
            {"name": each.name, "size": len(each.data), "text": each.data.decode(errors="replace")}
            for each in kept.files
        ],
    }
