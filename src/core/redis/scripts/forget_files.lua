-- Forgets links of files. Says which, and how many others there are, and their bytes.
--
-- KEYS: the links, when each came, the bytes that they take
local links, times, space = KEYS[1], KEYS[2], KEYS[3]
-- What the keys of rooms and of owners begin with, and how many links are forgotten at once.
local rooms, owners, count = ARGV[1], ARGV[2], tonumber(ARGV[3])
-- 'one' and its id, 'room' and its name and epoch, 'owner' and who it is, or 'old' and an age in milliseconds.
local which, what, epoch = ARGV[4], ARGV[5], ARGV[6]

local ids = {}
if which == 'one' then
  ids[1] = what
elseif which == 'old' then
  local time = redis.call('TIME')
  local before = time[1] * 1000 + math.floor(time[2] / 1000) - what
  ids = redis.call('ZRANGEBYSCORE', times, '-inf', string.format('%.0f', before), 'LIMIT', 0, count)
else
  local fields = redis.call('HGETALL', (which == 'room' and rooms or owners) .. what)
  for at = 1, #fields, 2 do ids[#ids + 1] = fields[at] end
end

local function free(by, bytes)
  local left = tonumber(redis.call('HGET', space, by) or '0') - bytes
  if left > 0 then
    redis.call('HSET', space, by, string.format('%.0f', left))
  else
    redis.call('HDEL', space, by)
  end
end

local forgotten = {}
for _, id in ipairs(ids) do
  local link = #forgotten < count and redis.call('HGET', links, id) or ''
  local its_epoch, bytes, room, owner = string.match(link, '^(%x+) (%d+) (%S+) (%S+)\n')
  if its_epoch and (which ~= 'room' or its_epoch == epoch) then
    redis.call('HDEL', links, id)
    redis.call('ZREM', times, id)
    for _, by in ipairs({rooms .. room, owners .. owner}) do
      redis.call('HDEL', by, id)
      free(by, bytes)
    end
    free('all', bytes)
    forgotten[#forgotten + 1] = id
  end
end
return {forgotten, redis.call('HLEN', links), redis.call('HGET', space, 'all') or '0'}
