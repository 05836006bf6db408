"""How often one person may ask all replicas together; see `bot.store.limits`."""

from __future__ import annotations

from bot.store.accounts import pseudonym
from bot.store.limits import MemoryRateLimits
from bot.store.redis.keys import Names
from bot.store.redis.wire import Script, Wire

#: KEYS: when somebody asked, in microseconds of Redis's clock.  ARGV: most in a minute, and in an hour, and 1
#: to count it.
ADMIT = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local minute, hour = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 3600000000)
if hour > 0 and redis.call('ZCARD', KEYS[1]) >= hour then return 0 end
local since = string.format('(%.0f', now - 60000000)
if minute > 0 and redis.call('ZCOUNT', KEYS[1], since, '+inf') >= minute then return 0 end
if ARGV[3] ~= '1' then return 1 end
redis.call('ZADD', KEYS[1], now, string.format('%.0f-%d', now, redis.call('ZCARD', KEYS[1])))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - math.max(minute, hour))
redis.call('EXPIRE', KEYS[1], 3600)
return 1
""")


class RedisRateLimits:
    """Counts in Redis, in one round trip; while it is away, each replica counts alone; see `RateLimits`.

    Redis knows nobody's name, only what it would be after they are forgotten, and that for an hour.
    """

    def __init__(self, wire: Wire, names: Names) -> None:
        self._wire = wire
        self._names = names
        self._here = MemoryRateLimits()

    async def admit(self, user: str, per_minute: int, per_hour: int, *, count: bool = True) -> bool:
        """See `RateLimits.admit`."""
        if not (per_minute or per_hour):
            return True
        try:
            said = await self._wire.call(
                ADMIT, [self._names.of("asked", pseudonym(user))], [per_minute, per_hour, int(count)]
            )
        except OSError:
            return await self._here.admit(user, per_minute, per_hour, count=count)
        if said and count:
            await self._here.admit(user, per_minute, per_hour)
        return bool(said)
