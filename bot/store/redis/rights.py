"""What Redis's user must be allowed, whether this one is, and the rule that allows it.

`NEEDED` and `HELPFUL` are all commands that this package gives Redis, by itself and in scripts; a test
compares them with its text, and with what Redis has counted.  Keys and channels are all under the prefix.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from bot.store.redis.keys import Names
from bot.store.redis.wire import Refusal, Script, Wire

#: Stands in a command for a key, or a channel, under the prefix.
KEY = "KEY"
#: Words of commands, as many as say which keys they touch: those without which some of the bot does not work.
NEEDED: Sequence[Sequence[str]] = (
    *((name, KEY) for name in ("DEL", "EXISTS", "EXPIRE", "EXPIREAT", "GET", "SET", "UNLINK")),
    *((name, KEY) for name in ("HDEL", "HEXISTS", "HGET", "HGETALL", "HINCRBY", "HKEYS", "HLEN", "HMGET")),
    *((name, KEY) for name in ("HSET", "HSETNX", "HVALS", "XADD", "XRANGE", "XREVRANGE", "XTRIM")),
    *((name, KEY) for name in ("ZADD", "ZCARD", "ZCOUNT", "ZRANGE", "ZRANGEBYSCORE", "ZREM", "ZREVRANGE")),
    *((name, KEY) for name in ("ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREVRANGEBYSCORE", "ZSCORE")),
    ("RENAME", KEY, KEY),
    ("XREAD", "STREAMS", KEY, "0"),
    ("EVAL", "", "1", KEY),
    ("EVALSHA", "", "1", KEY),
    *(("PING",), ("SCAN", "0"), ("TIME",)),
)
#: The same: those that it does without.  SCRIPT spares sending a script twice; CONFIG tells the doctor more,
#: but all of Redis's passwords too, so that the rule leaves it out.
PUSHING: Sequence[Sequence[str]] = (("PUBLISH", KEY, ""), ("SUBSCRIBE", KEY))
HELPFUL: Sequence[Sequence[str]] = (*PUSHING, ("INFO",), ("SCRIPT", "LOAD", ""), ("CONFIG", "GET", ""))
#: What a refusal has in it where the user's rights are the reason: of a command, and of one in a script.
FORBIDDEN = ("NOPERM", "The user executing the script can't", "ACL failure in script")
#: Commands that are named where many are forbidden.
NAMED = 8
_LACKS = "Redis forbids its user what the bot needs"

#: ARGV 1 commands as JSON.  Tells which of them the user may not; none where Redis can't tell.
ALLOWED = Script(
    """
local lacks = {}
for at, words in ipairs(redis.acl_check_cmd and cjson.decode(ARGV[1]) or {}) do
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if known and not allowed then lacks[#lacks + 1] = at end
end
return lacks
"""
)


def rule(names: Names) -> list[str]:
    """Return the words that follow `ACL SETUSER` and the user's name."""
    under = f"{names.of()}:*"
    return f"resetkeys ~{under} resetchannels &{under} +@all -@admin -@dangerous +info".split()


def fix(names: Names) -> str:
    """Return what to do where a right is missing."""
    words = (f"'{word}'" if "*" in word else word for word in rule(names))
    return f"redis-cli acl setuser NAME {' '.join(words)} (docs/scale.md#the-user)"


async def lacking(wire: Wire, names: Names, commands: Sequence[Sequence[str]]) -> list[str]:
    """Return which of *commands* the user may not, each by its name; raises as `Wire.ask`."""
    key = names.of("rights")
    asked = [[key if word == KEY else word for word in words] for words in commands]
    return [commands[at - 1][0].lower() for at in await wire.call(ALLOWED, [], [json.dumps(asked)])]


async def trouble(wire: Wire, names: Names) -> tuple[str, str] | None:
    """Return what the user may not that the bot needs, and what to do; None if that is nothing.

    Raises:
        Away: Redis can't be reached.
        Refusal: It refuses for another reason.
    """
    try:
        lacks = await lacking(wire, names, NEEDED)
    except Refusal as error:
        if (why := forbids(str(error), names)) is None:
            raise
        return why
    if not lacks:
        return None
    more = f" and {len(lacks) - NAMED} more" if len(lacks) > NAMED else ""
    return f"{_LACKS} ({', '.join(lacks[:NAMED])}{more}, on keys {names.of()}:*)", fix(names)


def forbids(said: str, names: Names) -> tuple[str, str] | None:
    """Return what is missing and what to do, if Redis has *said* that a right is; else None."""
    return (f"{_LACKS} ({said.rstrip('.')})", fix(names)) if any(each in said for each in FORBIDDEN) else None


def refusal(error: Refusal, names: Names) -> str:
    """Return what it means that Redis refuses something at the start, and what to do about it."""
    return "; ".join(forbids(str(error), names) or (f"Redis refuses to work ({error})",))
