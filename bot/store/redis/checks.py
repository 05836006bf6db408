"""Whether a Redis is fit to have the ledger, and has it already: refused before anything is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bot.platform import Finding, Unavailable
from bot.store.peers import LEASE
from bot.store.redis import rights, scripts
from bot.store.redis.keys import Names
from bot.store.redis.wire import Away, Refusal, Wire

SETTING = "RIVULET_STORE"
#: What is in Redis, as this version writes it.
VERSION = 1
#: The oldest Redis, by its first number, that knows the flags of our scripts.
OLDEST = 7
#: Keys that are looked at in one step.
LOOK = 10_000
#: Parts of Redis's memory from which on it is said that there is little left.
FULL = 0.8
#: What to do where it can't be reached.
REACH = "start it, or mend the address"


async def expect_safe(wire: Wire, names: Names) -> None:
    """Connect, and look whether this Redis keeps what it is given, and allows what the bot does.

    Raises:
        Unavailable: It can't be reached, lets nobody in like this, is too old, forbids its user what the bot
            needs, or deletes keys when it is full.
    """
    try:
        barred = await let_in(wire, names)
        server, memory = ({}, {}) if barred else (await info(wire, "server"), await info(wire, "memory"))
    except Away as error:
        raise Unavailable(f"{SETTING}: Redis can't be reached ({error}); {REACH}.") from None
    except Refusal as error:
        raise Unavailable(f"{SETTING}: {rights.refusal(error, names)}.") from None
    if barred:
        raise Unavailable(f"{SETTING}: {'; '.join(barred)}.")
    if why := _old(server) or _evicts(memory):
        raise Unavailable(f"{SETTING}: {why}")


async def let_in(wire: Wire, names: Names) -> tuple[str, str] | None:
    """Connect; return why its user can't work here, and what to do; None if it can.

    Raises:
        Away: Redis can't be reached.
        Refusal: It refuses more than that.
    """
    try:
        await wire.open()
    except Refusal as error:
        return rights.forbids(str(error), names) or lets_nobody_in(error)
    return await rights.trouble(wire, names)


def lets_nobody_in(error: Refusal) -> tuple[str, str]:
    """Return what it means that Redis lets nobody in, and what to do."""
    said = str(error)
    if "HELLO must be called" in said or "Authentication required" in said:
        return "Redis wants a password, and there is none", "write it as in redis://:password@host:6379/0"
    if "'SENTINEL'" in said:
        return "that is a Redis, and no Sentinel", "write redis:// for it"
    if "DB index" in said:
        return f"Redis has no such database ({said})", "take another number at the end, as in redis://host/0"
    return f"Redis lets nobody in like this ({said.rstrip('.')})", "look at the user and the password"


async def expect_ours(wire: Wire, names: Names) -> None:
    """Look whether what is under the prefix is the ledger's, or nothing; it is the ledger's then.

    Raises:
        Unavailable: It is another program's, or of another version.
    """
    try:
        schema = names.of("schema")
        if await wire.ask("GET", schema) is None:
            # What is there may be of a replica that has come meanwhile: it says so before it writes anything.
            if await _taken(wire, names) and await wire.ask("GET", schema) is None:
                raise Unavailable(f"{SETTING}: {_foreign(names)}")
            await claim(wire, names, ())
        version = await wire.ask("GET", schema)
    except Refusal as error:
        if "WRONGTYPE" in str(error):
            raise Unavailable(f"{SETTING}: {_foreign(names)}") from None
        raise Unavailable(f"{SETTING}: {rights.refusal(error, names)}.") from None
    except Away as error:
        raise Unavailable(f"{SETTING}: Redis can't be reached ({error}).") from None
    if why := _schema(version):
        raise Unavailable(f"{SETTING}: {why}")


async def claim(wire: Wire, names: Names, identities: Collection[str]) -> None:
    """Say under the prefix whose it is, unless that is said; raises `Away` or `Refusal`."""
    await wire.ask("SET", names.of("schema"), VERSION, "NX")
    for identity in identities:
        await _known(wire, names, identity)


async def expect_bot(wire: Wire, names: Names, identity: str) -> None:
    """Look whether the prefix is of the bot with *identity*, or of none yet on its platform; it is then.

    Args:
        wire: The connection.
        names: What keys are called.
        identity: What only this bot has, such as "discord/" and the application's id; a bot has one on each
            platform that it serves.

    Raises:
        Away: Redis can't be reached now.
        Unavailable: It is another bot's; the message says what to do.
    """
    try:
        known = await _known(wire, names, identity)
    except Refusal as error:
        raise Unavailable(f"{SETTING}: whose ledger this is can't be read ({error}).") from None
    if known != identity:
        raise Unavailable(
            f"{SETTING}: another bot ({known}; this one is {identity}) has the prefix {names.prefix}: "
            "set one of this bot's own, as in ?prefix=team."
        )


async def _known(wire: Wire, names: Names, identity: str) -> str:
    """Return which bot has the prefix on the platform of *identity*; that one, if there was none."""
    platform, _, own = identity.partition("/")
    known: bytes = await wire.call(scripts.BOT, [names.of("bot")], [platform, own])
    return f"{platform}/{known.decode(errors='replace')}"


async def findings(wire: Wire, names: Names) -> list[Finding]:
    """Return what `rivulet doctor` says of this Redis; nothing in it is changed.

    Raises:
        Away: It can't be reached.
        Refusal: It refuses to be looked at.
    """
    if barred := await let_in(wire, names):
        text, fix = barred
        return [Finding(ok=False, text=text, fatal=True, fix=fix)]
    server, memory = await info(wire, "server"), await info(wire, "memory")
    name = "Valkey" if "valkey_version" in server else "Redis"
    version = server.get("valkey_version") or server.get("redis_version", "of unknown version")
    members = await wire.call(scripts.LIVING, [names.of("members")], [LEASE])
    found = [
        Finding(
            ok=True, text=f"{name} {version}, prefix {names.prefix}, {members} replica{'s' * (members != 1)}"
        )
    ]
    if why := _old(server):
        found.append(Finding(ok=False, text=why, fatal=True))
    if (await info(wire, "replication")).get("role") == "slave":
        text = "it is a copy, which can't be written to"
        found.append(
            Finding(ok=False, text=text, fatal=True, fix="write where its master is, or its sentinels")
        )
    about = [*await _kept(wire), *_memory(memory), *await _pushing(wire, names)]
    return [*found, *about, *await _owner(wire, names)]


async def info(wire: Wire, about: str) -> dict[str, str]:
    """Return what Redis tells of itself; nothing where that is forbidden."""
    try:
        said: dict[str, Any] = await wire.ask("INFO", about)
    except Refusal as error:
        if "NOPERM" in str(error) or "unknown command" in str(error):
            return {}
        raise
    return {name: str(value) for name, value in said.items()}


async def setting(wire: Wire, name: str) -> str | None:
    """Return one of Redis's own settings; None where asking is forbidden, as managed ones do."""
    try:
        said = await wire.ask("CONFIG", "GET", name)
    except Refusal:
        return None
    texts = [
        word.decode() if isinstance(word, bytes) else str(word) for pair in said.items() for word in pair
    ]
    return dict(zip(texts[::2], texts[1::2], strict=True)).get(name)


async def _kept(wire: Wire) -> list[Finding]:
    """Say what of Redis survives a loss of power."""
    known = await info(wire, "persistence")
    appends = known.get("aof_enabled") == "1" if known else await setting(wire, "appendonly") == "yes"
    if appends:
        fsync = await setting(wire, "appendfsync")
        if fsync == "no":
            fix = "redis-cli config set appendfsync everysec, and write it into redis.conf"
            return [Finding(ok=False, text="appendfsync is no: a loss of power costs up to 30 s", fix=fix)]
        lost = "nothing" if fsync == "always" else "a second at most"
        return [Finding(ok=True, text=f"writes to its append-only file; a loss of power costs {lost}")]
    save = await setting(wire, "save")
    if save is None:
        text = "whether it keeps anything on disk can't be told: CONFIG is forbidden here"
        return [Finding(ok=False, text=text, fix="see that your provider has persistence (AOF) switched on")]
    fix = "redis-cli config set appendonly yes, and write it into redis.conf"
    lost = f"all since the last snapshot (save {save})" if save else "everything: it keeps nothing on disk"
    return [Finding(ok=False, text=f"a restart of Redis loses {lost}", fix=fix)]


def _memory(memory: Mapping[str, str]) -> list[Finding]:
    if not memory:
        fix = "see that maxmemory-policy is noeviction"
        return [Finding(ok=False, text="whether it deletes keys when it is full can't be told", fix=fix)]
    if why := _evicts(memory):
        return [Finding(ok=False, text=why, fatal=True)]
    used, most = (int(memory.get(name, "0")) for name in ("used_memory", "maxmemory"))
    if most and used > most * FULL:
        text = f"{used / 2**20:,.0f} of {most / 2**20:,.0f} MB of memory are used"
        return [Finding(ok=False, text=text, fix="give it more: raise maxmemory")]
    return [Finding(ok=True, text=f"{used / 2**20:,.0f} MB of memory used, nothing is evicted")]


async def _pushing(wire: Wire, names: Names) -> list[Finding]:
    """Say where replicas can't push what they tell each other."""
    if not (lacks := await rights.lacking(wire, names, rights.PUSHING)):
        return []
    text = f"its user may not {' and '.join(lacks)} on {names.of()}:*, so replicas ask Redis more often"
    return [Finding(ok=False, text=text, fix=rights.fix(names))]


async def _owner(wire: Wire, names: Names) -> list[Finding]:
    """Say whose the prefix is, where that is in the way."""
    try:
        version = await wire.ask("GET", names.of("schema"))
    except Refusal:
        return [Finding(ok=False, text=_foreign(names), fatal=True)]
    if version is None:
        taken = await _taken(wire, names)
        return [Finding(ok=False, text=_foreign(names), fatal=True)] if taken else []
    why = _schema(version)
    return [Finding(ok=False, text=why, fatal=True)] if why else []


def _old(server: Mapping[str, str]) -> str:
    """Return why a Redis can't run our scripts; "" if it can, or does not say which one it is."""
    version = server.get("redis_version", "")  # of Valkey the Redis that it is as good as
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) >= OLDEST:
        return ""
    return f"Redis {version} is too old: the bot needs Redis {OLDEST}, or Valkey."


def _evicts(memory: Mapping[str, str]) -> str:
    """Return why a Redis that is full would lose what it has; "" if it would not."""
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy == "noeviction" or memory.get("maxmemory", "0") == "0":
        return ""
    return (
        f"this Redis deletes keys when it is full (maxmemory-policy {policy}), and questions would be "
        "answered twice or never: say redis-cli config set maxmemory-policy noeviction, and write it into "
        "redis.conf."
    )


def _schema(version: Any) -> str:
    """Return why what is there can't be used; "" if it can."""
    try:
        known = int(version)
    except ValueError:
        return "what is under the prefix says of no version of itself; set another one, as in ?prefix=team."
    if known == VERSION:
        return ""
    if known > VERSION:
        return f"a newer Rivulet has written there (schema {known}, this one has {VERSION}): update this one."
    return (
        f"what is there is of an older schema ({known}, this one has {VERSION}) that can't be read: "
        "set another prefix, as in ?prefix=team, or run `rivulet purge` with the version that wrote it."
    )


def _foreign(names: Names) -> str:
    return f"another program has keys under the prefix {names.prefix}: set another one, as in ?prefix=team."


async def _taken(wire: Wire, names: Names) -> bool:
    """Tell whether there are keys under the prefix; a first start alone looks at all that there are."""
    at = 0
    while True:
        at, found = await wire.ask("SCAN", at, "MATCH", f"{names.of()}:*", "COUNT", LOOK)
        if found or not at:
            return bool(found)
