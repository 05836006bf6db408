"""What replicas do in Redis, each in one step.  All times are Redis's own.

The members are a hash, name -> JSON of `since`, `live`, `leaving` and `beat`, the time of its last beat.
Nothing here is refused for lack of memory: it is little, and a replica that can't renew its lease can't end
its answers.
"""

from __future__ import annotations

from bot.store.redis.wire import Script

_BEGIN = """#!lua flags=allow-oom
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local function everyone(key, ...)
  local all, said = {}, redis.call('HGETALL', key)
  for i = 1, #said, 2 do
    local good, word = pcall(cjson.decode, said[i + 1])
    good = good and type(word) == 'table'
    for _, number in ipairs({...}) do good = good and type(word[number]) == 'number' end
    if good then all[said[i]] = word end
  end
  return all
end
"""

#: KEYS members, stream; ARGV name, since or "", live, leaving "1" or "", seconds after which a dead member is
#: deleted, seconds that the stream is kept, id up to which it was read or "".
#: Returns the time, then names and JSON of all members.
BEAT = Script(
    _BEGIN
    + """
local me = {since = tonumber(ARGV[2]) or now, live = tonumber(ARGV[3]), leaving = ARGV[4] == '1', beat = now}
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(me))
if ARGV[7] ~= '' then redis.call('XTRIM', KEYS[2], 'MINID', '~', ARGV[7]) end
redis.call('EXPIRE', KEYS[2], ARGV[6])
local said = {string.format('%.6f', now)}
for name, member in pairs(everyone(KEYS[1], 'beat', 'live', 'since')) do
  if now - member.beat > tonumber(ARGV[5]) then
    redis.call('HDEL', KEYS[1], name)
  else
    said[#said + 1] = name
    said[#said + 1] = cjson.encode(member)
  end
end
return said
"""
)

#: KEYS home, members; ARGV name, leaving "1" or "", lease, "1" if it is believed, seconds that it is kept.
HOME = Script(
    _BEGIN
    + """
local all = everyone(KEYS[2], 'beat', 'live', 'since')
local function serves(name, strict)
  if name == ARGV[1] then return ARGV[2] ~= '1' end
  local member = all[name]
  return member and not member.leaving and (not strict or now - member.beat <= tonumber(ARGV[3]))
end
local home = redis.call('GET', KEYS[1])
if not (home and serves(home, ARGV[4] == '1')) then
  home = ARGV[1]
  local least = nil
  if not serves(home, true) then
    for name, member in pairs(all) do
      if serves(name, true) and (not least or member.live < least) then home, least = name, member.live end
    end
  end
end
redis.call('SET', KEYS[1], home, 'EX', ARGV[5])
return home
"""
)

#: KEYS members, news, streams of replicas; ARGV lease or "" if it is not believed, seconds that a letter is
#: kept, how many are, the names of those replicas, then pairs of a name, or "" for all, and a letter.
#: Returns the numbers, from 1, of letters to the dead.
#: What was added to a stream is pushed to who listens: the ids of what was the last there before and of what
#: is now, then the letters, a line each.
SEND = Script(
    _BEGIN
    + """
local all = #KEYS > 2 and everyone(KEYS[1], 'beat', 'live', 'since')
local streams, added, dead = {[''] = KEYS[2]}, {}, {}
for i = 3, #KEYS do streams[ARGV[1 + i]] = KEYS[i] end
local function hears(name)
  return all[name] and (ARGV[1] == '' or now - all[name].beat <= tonumber(ARGV[1]))
end
local function add(stream, letter)
  if not added[stream] then
    local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    added[stream] = {before = newest and newest[1] or '0-0', letters = {}}
    added[#added + 1] = stream
  end
  local put = added[stream]
  put.last = redis.call('XADD', stream, 'MAXLEN', '~', ARGV[3], '*', 'm', letter)
  put.letters[#put.letters + 1] = letter
end
for i = 2 + #KEYS, #ARGV, 2 do
  local to, letter = ARGV[i], ARGV[i + 1]
  if to == '' or hears(to) then add(streams[to], letter) else dead[#dead + 1] = (i - #KEYS) / 2 end
end
for _, stream in ipairs(added) do
  local put = added[stream]
  redis.call('XTRIM', stream, 'MINID', string.format('%.0f', (now - ARGV[2]) * 1000))
  redis.call('EXPIRE', stream, ARGV[2])
  redis.pcall('PUBLISH', stream, put.before .. ' ' .. put.last .. '\\n' .. table.concat(put.letters, '\\n'))
end
return dead
"""
)

#: KEYS streams; ARGV how many letters of each at most, then for each the id up to which it was read.
#: Returns for each what came later: all that is there, if Redis has forgotten so much that ids are older.
READ = Script(
    _BEGIN
    + """
local function older(one, other)
  local at, rank = string.match(one, '^(%d+)-(%d+)$')
  local other_at, other_rank = string.match(other, '^(%d+)-(%d+)$')
  at, other_at = tonumber(at), tonumber(other_at)
  return at < other_at or (at == other_at and tonumber(rank) < tonumber(other_rank))
end
local said = {}
for i, stream in ipairs(KEYS) do
  local read, newest = ARGV[1 + i], redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if not newest or newest[1] == read then
    said[i] = {}
  else
    local from = older(newest[1], read) and '-' or '(' .. read
    said[i] = redis.call('XRANGE', stream, from, '+', 'COUNT', ARGV[1])
  end
end
return said
"""
)

#: KEYS members, then for each bucket its uses and its calls, claims by when they count as answered.
#: ARGV name, seconds after which the word of a replica is too old, seconds after which a call counts as
#: answered, then JSON for each bucket: `burst`, `seconds`, `live`, `blocked`, `claim`, `kept` and, pairs of a
#: claim and how many seconds ago, `answered`.
#: Returns JSON for each bucket: `granted`, `live`, `blocked`, `calls`.
#: A claim of several buckets is counted in all of them, or in none.
SHARE = Script(
    _BEGIN
    + """
local all, said, granted = everyone(KEYS[1], 'beat', 'live', 'since'), {}, {}
local function keep(key, seconds) redis.call('EXPIRE', key, math.ceil(seconds + ARGV[3])) end
local function tell(uses, calls, mine)
  for _, pair in ipairs(mine.answered) do redis.call('ZADD', calls, now - pair[2], pair[1]) end
  redis.call('ZREMRANGEBYSCORE', calls, '-inf', now - mine.seconds)
  redis.call('HSET', uses, ARGV[1], cjson.encode({live = mine.live, blocked = now + mine.blocked, at = now}))
  keep(uses, mine.seconds)
  return redis.call('ZCARD', calls) + mine.kept < mine.burst
end
local function hear(uses, calls)
  local told = {live = 0, blocked = 0, calls = {}}
  for name, word in pairs(everyone(uses, 'at', 'live', 'blocked')) do
    local fresh = all[name] and now - word.at <= tonumber(ARGV[2])
    if name ~= ARGV[1] then
      told.blocked = math.max(told.blocked, word.blocked - now)
      if fresh then told.live = told.live + word.live end
    end
    if not fresh and word.blocked < now then redis.call('HDEL', uses, name) end
  end
  local found, own = redis.call('ZRANGE', calls, 0, -1, 'WITHSCORES'), ARGV[1] .. '/'
  for i = 1, #found, 2 do
    if string.sub(found[i], 1, #own) ~= own then told.calls[#told.calls + 1] = now - found[i + 1] end
  end
  return told
end
for i = 2, #KEYS, 2 do
  local mine = cjson.decode(ARGV[3 + i / 2])
  said[i / 2] = {mine = mine, free = tell(KEYS[i], KEYS[i + 1], mine)}
  if mine.claim ~= '' and not said[i / 2].free then granted[mine.claim] = false end
end
for i = 2, #KEYS, 2 do
  local mine, told = said[i / 2].mine, hear(KEYS[i], KEYS[i + 1])
  told.granted = mine.claim == '' or said[i / 2].free
  if mine.claim ~= '' and granted[mine.claim] == nil then
    redis.call('ZADD', KEYS[i + 1], now + ARGV[3], mine.claim)
    keep(KEYS[i + 1], mine.seconds)
  elseif redis.call('EXISTS', KEYS[i + 1]) == 1 then
    keep(KEYS[i + 1], mine.seconds)
  end
  said[i / 2] = cjson.encode(told)
end
return said
"""
)

#: KEYS members, then for each work a hash: "w:<member>" wants parts of it, "p:<number>" is who has a part or
#: "", "n:<number>" its note.  ARGV name, lease or "" if it is not believed, "1" if what nobody has is free,
#: seconds that a work is kept, then JSON for each work: `wanted`, `total`, the parts that are `held` and that
#: were `left`, and `notes`, pairs of number and text.
#: Returns JSON for each work: `quota`, and as `parts` pairs of number and note.
#: Who has more than others has what a fair share leaves over: so the fewest parts change hands.
PARTS = Script(
    _BEGIN
    + """
local all, said = everyone(KEYS[1], 'beat', 'live', 'since'), {}
local function dead(name)
  return all[name] and ARGV[2] ~= '' and now - all[name].beat > tonumber(ARGV[2])
end
local function record(key, mine)
  for _, pair in ipairs(mine.notes) do
    if redis.call('HGET', key, 'p:' .. pair[1]) == ARGV[1] then
      redis.call('HSET', key, 'n:' .. pair[1], pair[2])
    end
  end
  for _, number in ipairs(mine.left) do
    if redis.call('HGET', key, 'p:' .. number) == ARGV[1] then redis.call('HSET', key, 'p:' .. number, '') end
  end
  for _, number in ipairs(mine.held) do
    local has = redis.call('HGET', key, 'p:' .. number)
    if not has or has == '' then redis.call('HSET', key, 'p:' .. number, ARGV[1]) end
  end
  if mine.wanted then
    redis.call('HSET', key, 'w:' .. ARGV[1], '1')
  else
    redis.call('HDEL', key, 'w:' .. ARGV[1])
  end
  redis.call('EXPIRE', key, ARGV[4])
end
local function count(key, total)
  local has, fields, who = {}, redis.call('HGETALL', key), {}
  for i = 1, #fields, 2 do
    local name = string.match(fields[i], '^w:(.*)')
    if name and name ~= ARGV[1] and not all[name] then
      redis.call('HDEL', key, fields[i])
    elseif name and (name == ARGV[1] or not (all[name].leaving or dead(name))) then
      has[name] = 0
    end
  end
  for number = 0, total - 1 do
    local name = redis.call('HGET', key, 'p:' .. number)
    who[number] = name or ''
    if has[name] then has[name] = has[name] + 1 end
  end
  return has, who
end
local function quota(has, total)
  local all, before, mine = 0, 0, has[ARGV[1]]
  for name, parts in pairs(has) do
    all = all + 1
    if parts > mine or (parts == mine and name < ARGV[1]) then before = before + 1 end
  end
  return math.floor(total / all) + (before < total % all and 1 or 0)
end
for i = 2, #KEYS do
  local key, mine = KEYS[i], cjson.decode(ARGV[3 + i])
  record(key, mine)
  local has, who = count(key, mine.total)
  local most, parts = mine.wanted and quota(has, mine.total) or 0, {}
  for number = 0, mine.total - 1 do
    local name = who[number]
    local free = not all[name] and ARGV[3] == '1' or dead(name)
    if name ~= ARGV[1] and free and (has[ARGV[1]] or 0) < most then
      redis.call('HSET', key, 'p:' .. number, ARGV[1])
      has[ARGV[1]], name = has[ARGV[1]] + 1, ARGV[1]
    end
    if name == ARGV[1] then
      parts[#parts + 1] = {number, redis.call('HGET', key, 'n:' .. number) or ''}
    end
  end
  said[#said + 1] = cjson.encode({quota = most, parts = parts})
end
return said
"""
)

#: KEYS when the next turn is; ARGV seconds between turns, seconds until the first that may be given, and how
#: long to wait where Redis has no word of a turn.  Returns seconds to wait.
TURN = Script(
    _BEGIN
    + """
local at = math.max(now + ARGV[2], redis.call('GET', KEYS[1]) or now + ARGV[3])
local after = at + ARGV[1]
redis.call('SET', KEYS[1], string.format('%.6f', after), 'PX', math.ceil((after - now) * 1000) + 1)
return string.format('%.6f', at - now)
"""
)

#: KEYS members, stream; ARGV name.
GO = Script(
    _BEGIN
    + """
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
"""
)
