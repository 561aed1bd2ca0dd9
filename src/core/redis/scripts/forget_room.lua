-- Forgets a room with all that is in it, and tells all nodes.
--
-- KEYS: the room, its log, its state, the names of the rooms in use, until when each is
local publish, channel, name, epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('HGET', KEYS[1], 'epoch') ~= epoch then return {'other'} end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
for list = 4, 5 do redis.call('ZREM', KEYS[list], name) end
redis.call(publish, channel, table.concat({'x', epoch, name}, ' ') .. '\n')
return {'ok'}
