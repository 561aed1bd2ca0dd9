-- Where a room is, its newest messages, newest first, the state of its keys, and what the clock says.
--
-- KEYS: the room, its log, its state
local room, log, state = KEYS[1], KEYS[2], KEYS[3]
-- Where the room is as far as the node knows, and the epoch that begins if less of it is here.
local known_epoch, known_offset, fresh_epoch = ARGV[1], tonumber(ARGV[2]), ARGV[3]
-- How long the epoch of a room in which nothing was published is kept: milliseconds.
local empty_ms, count = ARGV[4], ARGV[5]

local found = redis.call('HMGET', room, 'epoch', 'offset')
local epoch, offset = found[1], found[2] or '0'
if not epoch or (epoch == known_epoch and tonumber(offset) < known_offset) then
  redis.call('DEL', room, log, state)
  epoch, offset = fresh_epoch, '0'
  redis.call('HSET', room, 'epoch', epoch, 'offset', offset)
end
if offset == '0' then redis.call('PEXPIRE', room, empty_ms) end
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', count)
return {epoch, offset, newest, redis.call('HGETALL', state), redis.call('TIME')}
