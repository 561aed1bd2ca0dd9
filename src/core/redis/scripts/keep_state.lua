-- Keeps the state of a key as its message has left it, unless it was set again.
--
-- KEYS: the state of the room
local key, offset, value = ARGV[1], ARGV[2], ARGV[3]
local found = redis.call('HGET', KEYS[1], key)
if not found or string.match(found, '^(%d+) ') ~= offset then return {'other'} end
redis.call('HSET', KEYS[1], key, value)
return {'ok'}
