"""The scripts about money; see `bot.store.redis.money`.

Redis has the rows of each day, in a few hashes, so that none grows too long for one look; sums of them for
caps and for what people are told; and the holds, with the sums that they make.  All of that changes in one
step.  What a request has been counted as is kept for an hour under its key: who tells it once more, because
a reply was lost, or after others took the request for dead, changes it by the difference alone.
"""

from __future__ import annotations

from bot.store.redis.wire import Script

#: ARGV: what is done, the key of the request, the replica, a row, what it holds, caps that must not be
#: reached (each: the place of its sum, and most).  "reserve" keeps a hold unless a cap is reached; "hold"
#: keeps one again; "note" changes one that is there; "settle" ends one and counts the row; "inherit" ends the
#: one of a replica that died, and counts it as noted; "count" counts a row.  Returns which cap was reached
#: from 1, or 0; the micro-dollars that were counted; the sums of the row's day and month; what is held.
MONEY = Script("""
local HOLDS, HELD, ROWS, DAY, MONTH, ALL, MODEL, ACTOR, CHANNEL, DAYS, MARKED, SETTLED, GONE = unpack(KEYS)
local verb, key, replica, row = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local held, age = ARGV[5], tonumber(ARGV[6])
local now = tonumber(redis.call('TIME')[1])
local half = #row.fields / 2

local function whole(number)
  return string.format('%.0f', number)
end

local function sum(place)
  local spent = redis.call('HGET', place <= half and DAY or MONTH, row.fields[place])
  return tonumber(spent or 0) + tonumber(redis.call('HGET', HELD, row.fields[place]) or 0)
end

local function hold(fields, by)
  for _, each in ipairs(fields) do
    if redis.call('HINCRBY', HELD, each, whole(by)) <= 0 then redis.call('HDEL', HELD, each) end
  end
end

local function kept()
  local good, found = pcall(cjson.decode, redis.call('HGET', HOLDS, key) or '')
  return good and type(found) == 'table' and type(found.row) == 'table' and tonumber(found.held) and found
end

local function release()
  local found = kept()
  if found then  -- a full Redis refuses a script whose first write takes room: so nothing else comes first
    redis.call('HDEL', HOLDS, key)
    hold(found.row.fields, -tonumber(found.held))
  end
  return found
end

local function keep(by)
  redis.call('HSET', HOLDS, key, cjson.encode({by = by, held = held, row = row}))
  hold(row.fields, tonumber(held))
end

local function add(where, field, numbers, sign)
  local known, sums, some = redis.call('HGET', where, field), {}, false
  for number in string.gmatch(known or '', '[^,]+') do sums[#sums + 1] = tonumber(number) or 0 end
  for at, number in ipairs(numbers) do
    sums[at] = whole(math.max(0, (sums[at] or 0) + sign * number))
    some = some or sums[at] ~= '0'
  end
  if some then redis.call('HSET', where, field, table.concat(sums, ','))
  elseif known then redis.call('HDEL', where, field) end
end

local function count(what, sign)
  local numbers, some = {}, false
  for number in string.gmatch(what.numbers, '[^,]+') do
    numbers[#numbers + 1] = tonumber(number)
    some = some or number ~= '0'
  end
  if not some then return end
  add(ROWS, '[' .. what.actor .. what.rest, numbers, sign)
  add(ALL, '""', numbers, sign)
  add(MODEL, what.model, numbers, sign)
  add(ACTOR, what.actor, numbers, sign)
  add(CHANNEL, what.channel, numbers, sign)
  for at, each in ipairs(what.fields) do
    redis.call('HINCRBY', at <= half and DAY or MONTH, each, whole(sign * what.cost))
  end
  redis.call('ZADD', DAYS, what.day, what.day)
  if what.actor == what.mark then redis.call('ZADD', MARKED, what.day, what.day) end
  redis.call('EXPIREAT', ROWS, what.ends[1])
  redis.call('EXPIREAT', DAY, what.ends[2])
  for _, each in ipairs({MONTH, ALL, MODEL, ACTOR, CHANNEL}) do redis.call('EXPIREAT', each, what.ends[3]) end
end

local function settle(actor)
  row.actor = actor
  local before, cost = redis.call('GET', SETTLED), tonumber(row.cost)
  before = before and cjson.decode(before)
  if before and before.day == row.day then
    before.actor, before.mark, before.fields, before.ends = actor, row.mark, row.fields, row.ends
    cost = cost - before.cost
    count(before, -1)
  end
  count(row, 1)
  local told = {}
  for _, each in ipairs({'day', 'cost', 'numbers', 'rest', 'model', 'channel'}) do told[each] = row[each] end
  redis.call('SET', SETTLED, cjson.encode(told), 'EX', 3600)
  return cost
end

local refused, cost = 0, 0
if verb == 'reserve' then
  for at = 7, #ARGV, 2 do
    if refused == 0 and sum(tonumber(ARGV[at])) >= tonumber(ARGV[at + 1]) then refused = (at - 5) / 2 end
  end
  if refused == 0 then
    release()
    keep(replica)
    redis.call('DEL', SETTLED)
  end
elseif verb == 'hold' then
  if redis.call('EXISTS', SETTLED) == 0 then
    local found = release()
    if found then row.actor = found.row.actor end
    keep(replica)
  end
elseif verb == 'note' then
  local found = release()
  if found then
    row.actor = found.row.actor
    keep(replica)
  end
elseif verb == 'inherit' then
  local found = kept()
  if found and found.by == replica then
    row = release().row
    row.numbers = string.gsub(row.numbers, '[^,]+$', row.cost)
    cost = settle(row.actor)
    refused = 1
  end
elseif verb == 'settle' then
  local found, actor = release(), row.actor
  if found then actor = found.row.actor
  elseif tonumber(redis.call('ZSCORE', GONE, row.mark) or -1) >= now - age then actor = row.mark end
  cost = settle(actor)
else
  count(row, 1)
  cost = tonumber(row.cost)
end
local days, months = {unpack(row.fields, 1, half)}, {unpack(row.fields, half + 1)}
return {
  refused, whole(cost), redis.call('HMGET', DAY, unpack(days)), redis.call('HMGET', MONTH, unpack(months)),
  redis.call('HMGET', HELD, unpack(row.fields)),
}
""")
#: Gives the rows in a hash another name: those that begin with one of ARGV[2..], ARGV[1] in its place.  Of a
#: person, such a beginning is all of their name; of all who were forgotten it is the mark's first part.
RENAME = Script("""
local function add(field, text)
  local known = redis.call('HGET', KEYS[1], field)
  if known then
    local sums = {}
    for number in string.gmatch(known, '[^,]+') do sums[#sums + 1] = tonumber(number) or 0 end
    local at = 0
    text = string.gsub(text, '[^,]+', function(number)
      at = at + 1
      return string.format('%.0f', (tonumber(number) or 0) + (sums[at] or 0))
    end)
  end
  redis.call('HSET', KEYS[1], field, text)
end
local found = redis.call('HGETALL', KEYS[1])
for at = 1, #found, 2 do
  local field = found[at]
  for number = 2, #ARGV do
    local start = ARGV[number]
    if string.sub(field, 1, #start) == start then
      local rest = string.sub(field, #start + 1)
      if string.sub(start, -1) ~= '"' then rest = string.gsub(rest, '^[^"]*"', '', 1) end
      redis.call('HDEL', KEYS[1], field)
      add(ARGV[1] .. rest, found[at + 1])
      break
    end
  end
end
return #found / 2
""")
#: Gives what was spent in a month by one person (ARGV[1]) another name (ARGV[2]); it has no rows but sums.
RENAME_SUMS = Script("""
local function sums(field)
  local found = {}
  for number in string.gmatch(redis.call('HGET', KEYS[1], field) or '', '[^,]+') do
    found[#found + 1] = tonumber(number) or 0
  end
  return found
end
if ARGV[1] == ARGV[2] or redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
local found, known = sums(ARGV[1]), sums(ARGV[2])
for at, number in ipairs(found) do found[at] = string.format('%.0f', number + (known[at] or 0)) end
redis.call('HSET', KEYS[1], ARGV[2], table.concat(found, ','))
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
""")
#: Gives the holds (KEYS[1]) of one person (ARGV[1]) another name (ARGV[2]), and keeps for a day when that was
#: (KEYS[2]): nothing that began before may bring the name back.
UNNAME = Script("""
local now = tonumber(redis.call('TIME')[1])
local found = redis.call('HGETALL', KEYS[1])
for at = 1, #found, 2 do
  local hold = cjson.decode(found[at + 1])
  if hold.row.actor == ARGV[1] then
    hold.row.actor = ARGV[2]
    redis.call('HSET', KEYS[1], found[at], cjson.encode(hold))
  end
end
redis.call('ZADD', KEYS[2], now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 86400)
redis.call('EXPIRE', KEYS[2], 86400)
return 1
""")
