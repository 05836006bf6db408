"""What the ledger does in Redis in one step each.  Pure.

A question is two hashes, so that each goes at its own time.  `turn` has who asked what it is about (`asked`),
whose it is (`by`: a replica's name; "" for nobody's), whether a post was intended (`begun`), `runs`, and when
it was `done`.  `said` has what was said: `question`, `text`, `note`, `controls`, `calling`, for each message
`p:` and its nonce with the rest of its `Part` in JSON, and `m:` and its nonce with its key.

`open` has the keys of all questions that are not done, by when they were asked.

Scripts that write to a question look first whose it is, and tell: `FINE`; `GONE`, that it is not there, or
done; `OTHERS`, that it is another replica's.
"""

from __future__ import annotations

from bot.store.redis.wire import Script

FINE, GONE, OTHERS = 1, 0, -1
#: What NOTE tells where there is no room.
FULL_HERE, FULL = 1, 2
#: What ACCEPT tells of a question that this replica has claimed before.
AGAIN = 2
#: Questions that are claimed or forgotten in one step.
AT_ONCE = 200

#: KEYS 1 turn; ARGV 1 this replica.
_MINE = """
local held = redis.call('HMGET', KEYS[1], 'by', 'done')
if held[1] and held[1] ~= ARGV[1] then return -1 end
if not held[1] or held[2] then return 0 end
"""

#: KEYS 1 turn, 2 said, 3 open, 4 talks, 5 the asker's questions, from 6 on what finds it by a message.
#: ARGV 1 this replica, 2 key, 3 when it was asked, 4 its name among the talks, 5 how many talks are kept,
#: 6 up to when the asker's questions are let go, 7 how long they are kept, 8 how many words `turn` takes,
#: then those, then those of `said`.
_PUT = """
local words = tonumber(ARGV[8])
redis.call('HSET', KEYS[1], unpack(ARGV, 9, 8 + words))
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], unpack(ARGV, 9 + words))
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[2])
if ARGV[4] ~= '' then
  redis.call('ZADD', KEYS[4], ARGV[3], ARGV[4])
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -1 - ARGV[5])
end
redis.call('ZADD', KEYS[5], ARGV[3], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ARGV[6])
redis.call('EXPIRE', KEYS[5], ARGV[7])
for at = 6, #KEYS do
  redis.call('ZADD', KEYS[at], ARGV[3], ARGV[2])
  redis.call('EXPIRE', KEYS[at], ARGV[7])
end
return 1
"""

ACCEPT = Script(
    """
local held = redis.call('HMGET', KEYS[1], 'by', 'done')
if held[1] == ARGV[1] and not held[2] then return 2 end
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
"""
    + _PUT
)

#: Writes a question that memory has, whatever Redis has of it.
RESTORE = Script(
    """
local held = redis.call('HMGET', KEYS[1], 'by', 'done')
if held[1] and held[1] ~= ARGV[1] then return -1 end
if held[2] then return 0 end
"""
    + _PUT
)

#: ARGV from 2 on: fields of `said` and their values.  KEYS 2 said.
SAY = Script(_MINE + "redis.call('HSET', KEYS[2], unpack(ARGV, 2)) return 1")

#: The same; a part that is intended.
INTEND = Script(
    _MINE
    + """
redis.call('HSET', KEYS[1], 'begun', '1')
redis.call('HSET', KEYS[2], 'text', ARGV[2])
redis.call('HSETNX', KEYS[2], ARGV[3], ARGV[4])
return 1
"""
)

#: KEYS 3 what finds a question by the message.  ARGV 2 field, 3 message, 4 when it was asked, 5 key, 6 how
#: long it is kept if nothing is heard of the answer's end.
POSTED = Script(
    _MINE
    + """
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[5])
redis.call('EXPIRE', KEYS[3], ARGV[6])
return 1
"""
)

RUN = Script(_MINE + "redis.call('HSET', KEYS[1], 'runs', ARGV[2]) return 1")

#: KEYS 3 open, from 4 on what finds it by a message.
#: ARGV 2 key, 3 when it was done, 4 whether its text is kept, 5 how long; 6 how long the rest is.
DONE = Script(
    _MINE
    + """
redis.call('HSET', KEYS[1], 'done', ARGV[3])
redis.call('HDEL', KEYS[1], 'begun')
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('ZREM', KEYS[3], ARGV[2])
if ARGV[4] == '1' then redis.call('EXPIRE', KEYS[2], ARGV[5]) else redis.call('DEL', KEYS[2]) end
for at = 4, #KEYS do
  if ARGV[4] == '1' then redis.call('EXPIRE', KEYS[at], ARGV[5])
  else redis.call('ZREM', KEYS[at], ARGV[2]) end
end
return 1
"""
)

#: Lets go of questions (ARGV from 2 on: their turns, all in KEYS), as far as they are this replica's.
RELEASE = Script(
    """
for _, turn in ipairs(KEYS) do
  if redis.call('HGET', turn, 'by') == ARGV[1] and redis.call('HEXISTS', turn, 'done') == 0 then
    redis.call('HSET', turn, 'by', '')
  end
end
return 1
"""
)

#: KEYS 1 turn, 2 said.
FIND = Script("return {redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}")

#: KEYS 1 what finds questions by a message; ARGV 1, 2 what `turn` and `said` begin with, 3 whether the first.
SHOWN = Script(
    """
for _, key in ipairs(redis.call(ARGV[3] == '1' and 'ZRANGE' or 'ZREVRANGE', KEYS[1], 0, -1)) do
  local said = redis.call('HGETALL', ARGV[2] .. key)
  if #said > 0 then return {key, redis.call('HGETALL', ARGV[1] .. key), said} end
end
return false
"""
)

#: KEYS 1 open, 2 members.  ARGV 1 this replica, 2 and 3 what `turn` and `said` begin with, 4 what the keys
#: begin with, 5 the seconds of a lease, 6 whether the end of one may be believed, 7 how many at most.
CLAIM = Script(
    """
local time = redis.call('TIME')
local now, alive, found = time[1] + time[2] / 1000000, {}, {}
local function lives(name)
  if alive[name] == nil then
    local good, told = pcall(cjson.decode, redis.call('HGET', KEYS[2], name) or '')
    alive[name] = good and now - told.beat <= tonumber(ARGV[5])
  end
  return alive[name]
end
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(key, 1, #ARGV[4]) == ARGV[4] then
    local by = redis.call('HGET', ARGV[2] .. key, 'by')
    if not by then
      redis.call('ZREM', KEYS[1], key)
    elseif by == '' or by ~= ARGV[1] and ARGV[6] == '1' and not lives(by) then
      redis.call('HSET', ARGV[2] .. key, 'by', ARGV[1])
      found[#found + 1] = {key, redis.call('HGETALL', ARGV[2] .. key), redis.call('HGETALL', ARGV[3] .. key)}
      if #found == tonumber(ARGV[7]) then break end
    end
  end
end
return found
"""
)

#: KEYS 1 talks.  ARGV 1 and 2 what `turn` and `said` begin with, 3 since when, 4 how many at most.
RECENT = Script(
    """
local seen, found = {}, {}
for _, talk in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', ARGV[3])) do
  local key, name = string.match(talk, '^([^\\n]*)\\n(.*)$')
  if not seen[name] then
    seen[name] = true
    local asked = redis.call('HGET', ARGV[1] .. key, 'asked')
    local question = redis.call('HGET', ARGV[2] .. key, 'question') or ''
    if asked then found[#found + 1] = {key, asked, question} end
    if #found == tonumber(ARGV[4]) then break end
  end
end
return found
"""
)

#: KEYS 1 the asker's questions, 2 open.
#: ARGV 1 to 4 what `turn`, `said`, `talks` and `shown` begin with, 5 how many at most, 6 how long the rest
#: is kept.
#: Tells how many there were, and how many of them were not forgotten before.
FORGET = Script(
    """
local keys, count = redis.call('ZRANGE', KEYS[1], 0, ARGV[5] - 1), 0
for _, key in ipairs(keys) do
  local turn, said = ARGV[1] .. key, redis.call('HGETALL', ARGV[2] .. key)
  local asked = redis.call('HGET', turn, 'asked')
  if asked then
    local good, told = pcall(cjson.decode, asked)
    if not good or type(told) ~= 'table' then told = {'', '', 0} end
    redis.call('HSET', turn, 'asked', cjson.encode({'', '', told[3]}), 'done', told[3])
    redis.call('HDEL', turn, 'by', 'begun', 'runs')
    redis.call('EXPIRE', turn, ARGV[6])
    redis.call('ZREM', ARGV[3] .. string.match(key, '^[^/]*'), key .. '\\n' .. told[1])
    count = count + 1
  end
  for at = 1, #said, 2 do
    if string.sub(said[at], 1, 2) == 'm:' then redis.call('ZREM', ARGV[4] .. said[at + 1], key) end
  end
  redis.call('DEL', ARGV[2] .. key)
  redis.call('ZREM', KEYS[2], key)
  redis.call('ZREM', KEYS[1], key)
end
return {#keys, count}
"""
)

#: KEYS 1 all notes, by when they were written, 2 those of the channel.
#: ARGV 1 the note's name among all, 2 its name, 3 when, 4 its row, 5 and 6 how many there may be here and
#: in all.
NOTE = Script(
    """
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 then
  if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[5]) then return 1 end
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[6]) then return 2 end
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
return 0
"""
)

#: KEYS as NOTE; ARGV 1 and 2 as there.
ERASE = Script("redis.call('ZREM', KEYS[1], ARGV[1]) return redis.call('HDEL', KEYS[2], ARGV[2])")

#: KEYS 1 all notes; ARGV 1 what the notes of a channel begin with.
NOTES = Script(
    """
local found = {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local platform, channel, called = string.match(name, '^([^\\n]*)\\n([^\\n]*)\\n(.*)$')
  found[#found + 1] = redis.call('HGET', ARGV[1] .. platform .. ':' .. channel, called)
end
return found
"""
)

#: KEYS 1 ratings, 2 when each was told.  ARGV 1 its name, 2 when, 3 its row, 4 how many there may be.
RATE = Script(
    """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
local old = redis.call('ZRANGE', KEYS[2], 0, -1 - ARGV[4])
for _, name in ipairs(old) do redis.call('HDEL', KEYS[1], name) redis.call('ZREM', KEYS[2], name) end
return 1
"""
)

#: KEYS as RATE; ARGV 1 its name, 2 whether it is good.
UNRATE = Script(
    """
local row = redis.call('HGET', KEYS[1], ARGV[1])
local good, told = pcall(cjson.decode, row or '')
if good and told[3] == tonumber(ARGV[2]) then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return 1
"""
)

#: KEYS as RATE; ARGV 1 up to when they go, 2 how many at most in one step.
OLD_RATINGS = Script(
    """
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, name in ipairs(old) do redis.call('HDEL', KEYS[1], name) redis.call('ZREM', KEYS[2], name) end
return #old
"""
)

#: KEYS 1 choices.  ARGV 1 who, 2 what.
CHOOSE = Script("return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])")
UNCHOOSE = Script("return redis.call('HDEL', KEYS[1], ARGV[1])")

#: KEYS 1 which bot it is, by platform.  ARGV 1 a platform, 2 who the bot is there.  Tells who it was before.
BOT = Script("redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) return redis.call('HGET', KEYS[1], ARGV[1])")

LEDGER = (  # all of this module
    *(ACCEPT, RESTORE, SAY, INTEND, POSTED, RUN, DONE, RELEASE, FIND, SHOWN, CLAIM, RECENT, FORGET),
    *(NOTE, ERASE, NOTES, RATE, UNRATE, OLD_RATINGS, CHOOSE, UNCHOOSE, BOT),
)
