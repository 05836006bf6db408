"""How the service behaves: its parts put together, and the controls for limits, faults and sockets.

Controls change how Discord answers, never what a bot does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from adapters.emulators.budget import Budget
from adapters.emulators.control import Emulator, control
from adapters.emulators.discord import shapes
from adapters.emulators.discord.attachments import Files
from adapters.emulators.discord.chaos import FAULTS, JSON_TYPE, REFUSED, SILENT, Chaos, Fault, named
from adapters.emulators.discord.commands import Commands
from adapters.emulators.discord.gateway import Gateway
from adapters.emulators.discord.interactions import Interactions
from adapters.emulators.discord.limits import Limits
from adapters.emulators.discord.messages import Messages
from adapters.emulators.discord.rest import PREFIX, Rest
from adapters.emulators.discord.routes import Routes
from adapters.emulators.discord.shapes import Json
from adapters.emulators.discord.world import World


class Knobs(Emulator):
    """Discord without its people; see `Discord`."""

    def __init__(self) -> None:
        super().__init__()
        self._tokens: Sequence[str] | None = None
        self._shards = 1
        self._gateway = gateway = Gateway(self.record, self._valid)
        self._world = gateway.world = World(gateway.publish)
        self._messages = Messages(self._world, self.record, gateway.publish)
        self._commands = Commands(self._world.new_id)
        self._interactions = Interactions(
            self._world, self._messages, self._commands, self.record, gateway.publish
        )
        self._limits = Limits()
        self._files = Files()
        routes = Routes(
            self._world,
            self._messages,
            self._interactions,
            self._commands,
            gateway,
            self._limits,
            lambda: self._shards,
        )
        self._rest = Rest(routes, self._limits, self._files, self.record, self.spawn, self._valid)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """See Emulator.routes."""
        return [
            web.route("*", PREFIX + "{path:.+}", self._rest.serve),
            web.get("/gw/", self._gateway.serve),
            web.get("/attachments/{id}/{name}", self._rest.download),
        ]

    async def start(self, port: int = 0) -> None:
        """See Emulator.start."""
        await super().start(port)
        self._files.url = self.url
        self._gateway.url = self.url.replace("http", "ws", 1) + "/gw/"

    async def stop(self) -> None:
        """See Emulator.stop."""
        self._gateway.abort()
        await super().stop()

    def _valid(self, token: str) -> bool:
        return not token.startswith("bad") if self._tokens is None else token in self._tokens

    @control
    async def tokens(self, valid: Sequence[str] | None = None) -> None:
        """Accept only the *valid* tokens; None: any that does not start with "bad"."""
        self._tokens = valid

    @control
    async def limit(self, route: str, calls: int, seconds: float) -> None:
        """Let *route* ("PATCH messages", "POST threads", "global") have *calls* per *seconds*."""
        self._limits.resize(route, calls, seconds)

    def budgets(self) -> list[Budget]:
        """Return what is left of all limits."""
        return self._limits.budgets()

    @control
    async def limits(self, on: bool) -> None:
        """Switch all limits on or off; without limits there are no X-RateLimit headers either."""
        self._limits.on = on

    @control
    async def shared(self, route: str, retry_after: float) -> None:
        """Answer the next request of *route* with a 429 in scope "shared"."""
        self._limits.shared[route].append(retry_after)

    @control
    async def latency(self, route: str, seconds: float) -> None:
        """Let *route* ("*": all without a latency of their own) take *seconds*.

        The first half passes before a request is applied, the second after.
        """
        self._rest.latencies[route] = seconds

    @control
    async def fault(
        self,
        route: str,
        times: int = 1,
        status: int = 500,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        drop: bool = False,
        apply: bool = False,
        delay: float = 0.0,
        via: bool = True,
        content_type: str = JSON_TYPE,
        having: str = "",
    ) -> None:
        """Answer the next *times* requests of *route* in another way.

        Args:
            route: A route name; * matches any part of it.  "GET attachments" is where files are.
            times: For how many requests.
            status: The status; 0 keeps the real answer, so that only the delay remains.
            body: JSON, or text sent as it is.
            headers: More headers.
            drop: Cut the connection instead of answering.
            apply: Do what was asked for all the same, before the *delay*.
            delay: Seconds before the answer.
            via: Whether the Via header is there, which discord.py wants to see on a 429.
            content_type: The media type.
            having: Only requests in whose JSON this field is there and not empty; "files": with files.
        """
        fault = Fault(route, times, status, body, headers or {}, drop, apply, delay, via, content_type)
        self._rest.faults.append(replace(fault, having=having))

    @control
    async def strike(self, name: str, route: str, after: int = 0, times: int = 1) -> None:
        """Let the fault *name* of `chaos.FAULTS` hit *times* requests of *route*, after *after* others."""
        self._rest.faults.append(named(name, route, times, after))

    @control
    async def chaos(self, seed: int, rate: float, names: Sequence[str] = (), route: str = "*") -> list[str]:
        """Let a *rate* of the requests of *route* from now on fail by chance; return the faults' names.

        Every one is logged as "chaos" with the arguments that let `strike` do it again.

        Args:
            seed: The same seed does the same to the same requests.
            rate: The share that fails; 0 ends it.
            names: Which faults there are; all, if none are named.
            route: A route name; * matches any part of it.
        """
        self._rest.chaos = Chaos(seed, rate, names, route)
        return list(names or sorted(FAULTS))

    @control
    async def clear_faults(self) -> None:
        """Forget the faults still to come, and those that chance would bring."""
        self._rest.faults.clear()
        self._rest.chaos = Chaos()

    @control
    async def end_addresses(self) -> None:
        """Let the signatures of all files' addresses end; who asks for a message anew gets new ones."""
        self._files.renew()
        for post in self._messages:
            post.shape["attachments"] = self._files.fresh(post.shape["attachments"])

    @control
    async def lose_file(self, name: str) -> None:
        """Delete the files of this *name*, of which messages still tell."""
        self._files.lose(name)

    @control
    async def nonces(self, seconds: float) -> None:
        """Remember enforced nonces for so many *seconds*."""
        self._messages.nonce_memory = seconds

    @control
    async def harm(self, name: str) -> None:
        """Do to all gateway connections what *name*, one of `chaos.HARMS`, says."""
        match name.split():
            case ["closed", code]:
                await self._gateway.close(int(code))
            case ["op", "7"]:
                self._gateway.tell(7)
            case ["op", "9", *rest]:
                self._gateway.invalidate(resumable=bool(rest))
            case ["replayed"]:
                self._gateway.replay(10)
            case ["half-open"]:
                self._gateway.silence(on=True)
                asyncio.get_running_loop().call_later(SILENT, partial(self._gateway.silence, on=False))
            case ["cut" | "refused" | "forgotten"]:
                if name == "refused":
                    self._gateway.refusals += [503, 0] * REFUSED
                if name == "forgotten":
                    self._gateway.forget()
                self._gateway.abort()
            case _:
                raise LookupError(name)

    @control
    async def allow_content(self, on: bool) -> None:
        """Allow or disallow the message content intent, as its switch in the developer portal."""
        self._gateway.content = on

    @control
    async def heartbeats(self, interval: int) -> None:
        """Ask for a heartbeat every *interval* ms on connections still to come."""
        self._gateway.interval = interval

    @control
    async def acknowledge(self, on: bool) -> None:
        """Answer heartbeats, or be a zombie connection."""
        self._gateway.answering = on

    @control
    async def beat(self) -> None:
        """Ask every bot for a heartbeat at once (op 1)."""
        self._gateway.tell(1)

    @control
    async def shards(self, count: int) -> None:
        """Recommend *count* shards from now on."""
        self._shards = count

    @control
    async def reconnect(self) -> None:
        """Ask every bot to reconnect and resume (op 7)."""
        self._gateway.tell(7)

    @control
    async def drop(self) -> None:
        """Cut every gateway connection; the sessions can be resumed."""
        self._gateway.abort()

    @control
    async def invalidate(self, resumable: bool = False) -> None:
        """Declare every session invalid (op 9)."""
        self._gateway.invalidate(resumable=resumable)

    @control
    async def refuse(self, times: int = 1, status: int = 503) -> None:
        """Refuse the next *times* connections to the gateway with *status*; 0 cuts them."""
        self._gateway.refusals += [status] * times

    @control
    async def close(self, code: int) -> None:
        """Close every gateway connection with *code*; 4007 and 4009 end the sessions."""
        await self._gateway.close(code)

    @control
    async def turn_away(self, code: int, times: int = 1) -> None:
        """Close the next *times* connections with *code* when they identify or resume."""
        self._gateway.codes += [code] * times

    @control
    async def silence(self, on: bool) -> None:
        """Let the gateway hear and say nothing, on connections still open and new ones; off cuts those."""
        self._gateway.silence(on=on)

    @control
    async def forget(self) -> None:
        """Forget every session without a word, so that none can be resumed."""
        self._gateway.forget()

    @control
    async def starts(self, remaining: int = 1000, reset_after: int = 0) -> None:
        """Let `GET /gateway/bot` say that so many sessions may be started, until *reset_after* ms."""
        self._gateway.starts = (remaining, reset_after)

    @control
    async def pace(self, concurrency: int = 1, seconds: float = 5.0) -> None:
        """Refuse IDENTIFYs of shards with one key (shard % *concurrency*) within *seconds* of each other.

        They are answered with op 9.  0 seconds let all pass, as before this is called.
        """
        self._gateway.concurrency, self._gateway.pace = concurrency, seconds

    @control
    async def linger(self, seconds: float) -> None:
        """Let a session outlive its connection by so many *seconds*."""
        self._gateway.linger = seconds

    @control
    async def replay(self, n: int = 1) -> None:
        """Send each session's last *n* dispatches again."""
        self._gateway.replay(n)

    @control
    async def guild(
        self,
        id: str,  # noqa: A002 -- Discord's word
        permissions: str = shapes.BOTS,
        everyone: str = shapes.EVERYONE,
    ) -> str:
        """Let the bot join the guild *id*; return the id of its one text channel.

        Args:
            id: The guild's.
            permissions: What the bot's role may do, as its invite link had it.
            everyone: What all may do there.
        """
        channel, role = self._world.new_id(), self._world.new_id()
        self._world.add_guild(id, channel, role, permissions, everyone)
        return channel

    @control
    async def guilds(self, count: int, channels: int = 40, roles: int = 25, threads: int = 0) -> None:
        """Let the bot join *count* more guilds of a plausible size, each with so much in it.

        Of the channels some are categories and some for voices, all with overwrites; the threads are open,
        and the bot is in them.
        """
        self._world.add_guilds(count, channels, roles, threads)

    @control
    async def channel(
        self,
        id: str,  # noqa: A002 -- Discord's word
        guild: str = shapes.GUILD,
        kind: int = shapes.TEXT,
        name: str = "",
    ) -> str:
        """Make the channel *id* in *guild*, if it is not there: a text channel, or one of type *kind*."""
        if name and id not in self._world.channels:
            self._world.channels[id] = shapes.text_channel(id, guild, name, kind)
        return str(self._world.channel(id, guild, kind)["id"])

    @control
    async def places(self) -> list[Json]:
        """Return all channels, threads and direct messages, as REST does."""
        return [dict(each) for each in self._world.channels.values()]

    @control
    async def people(self) -> list[Json]:
        """Return all users, as REST does."""
        return [dict(each) for each in self._world.users.values()]

    @control
    async def topic(self, channel: str, text: str) -> None:
        """Let somebody write what *channel* is for."""
        self._world.set_topic(channel, text)

    @control
    async def remove_channel(self, id: str) -> None:  # noqa: A002 -- Discord's word
        """Delete a guild's channel or a thread; there is no message in it any more."""
        self._messages.forget(id)
        self._world.remove(id)

    @control
    async def user(self, id: str, name: str, bot: bool = False) -> None:  # noqa: A002 -- Discord's word
        """Let somebody join, or rename them."""
        self._world.person(id, name, bot=bot)

    @control
    async def hold(self, user: str, roles: Sequence[str], guild: str = shapes.GUILD) -> None:
        """Let *user* hold exactly these *roles* in a guild."""
        self._world.held[guild, user] = roles

    @control
    async def dm(self, user: str) -> str:
        """Return the id of the bot's direct-message channel with *user*."""
        self._world.person(user)
        return str(self._world.open_dm(user)["id"])

    @control
    async def close_dms(self, user: str, on: bool = True) -> None:
        """Let *user* take no direct messages from the bot, or take them again."""
        (self._world.closed.add if on else self._world.closed.discard)(user)

    @control
    async def interactions(self, first_response: float = 3.0, rights: str = shapes.EVERYONE) -> None:
        """Give the bot so many seconds for its first answer, and tell it that it has these *rights*."""
        self._interactions.first_response, self._interactions.rights = first_response, rights

    @control
    async def commands(self) -> list[Json]:
        """Return the application's global commands, as REST does."""
        return self._commands.all()
