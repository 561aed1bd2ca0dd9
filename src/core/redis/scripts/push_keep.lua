-- Keeps something of push under a name, or forgets it, and tells all nodes.
--
-- KEYS: where all of it is, what is kept of this kind, when each was kept, that this was forgotten a while ago
local place, kept, order, gone = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local publish, channel = ARGV[1], ARGV[2]
-- The epoch that begins if nothing is here.
local fresh_epoch = ARGV[3]
-- What it is, which is nothing if it is to be forgotten. 'back': it was lost here, and what is there already stays.
local kind, name, text, back = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
-- How many there may be, and 'oldest' if the oldest goes for one more.
local most, goes = tonumber(ARGV[8]), ARGV[9]
-- Milliseconds for which what is forgotten is not taken back.
local gone_ms = ARGV[10]

local before = redis.call('HGET', kept, name)
if back == 'back' then
  if before then return {'there'} end
  if redis.call('EXISTS', gone) == 1 then return {'gone'} end
end
if text == '' then
  redis.call('SET', gone, '1', 'PX', gone_ms)
  if not before then return {'there'} end
else
  redis.call('DEL', gone)
end
if not before and redis.call('HLEN', kept) >= most then
  local oldest = goes == 'oldest' and redis.call('ZRANGE', order, 0, 0)[1]
  if not oldest then return {'full'} end
  redis.call('HDEL', kept, oldest)
  redis.call('ZREM', order, oldest)
end
local found = redis.call('HMGET', place, 'epoch', 'version')
local epoch = found[1] or fresh_epoch
local version = string.format('%.0f', tonumber(found[2] or '0') + 1)
redis.call('HSET', place, 'epoch', epoch, 'version', version)
if text == '' then
  redis.call('HDEL', kept, name)
  redis.call('ZREM', order, name)
else
  redis.call('HSET', kept, name, text)
  redis.call('ZADD', order, version, name)
end
redis.call(publish, channel, table.concat({'u', epoch, version, kind, #name}, ' ') .. '\n' .. name .. text)
return {'ok'}
