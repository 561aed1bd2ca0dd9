-- The messages of a room after an offset, and the epoch in which they are: the log may have begun anew since it was known.
--
-- KEYS: the room, its log
local after, count = ARGV[1], ARGV[2]
return {redis.call('HGET', KEYS[1], 'epoch'), redis.call('XRANGE', KEYS[2], '(' .. after .. '-0', '+', 'COUNT', count)}
