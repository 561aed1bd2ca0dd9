-- Puts rooms on the list of those that are in use. They stay there until they are not put there again in time.
--
-- KEYS: the names of the rooms, until when each is in use
local names, untils = KEYS[1], KEYS[2]
local ttl = ARGV[1]
-- The rest are rooms.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 2, #ARGV do
  redis.call('ZADD', names, 0, ARGV[at])
  redis.call('ZADD', untils, now + ttl, ARGV[at])
end
-- Two go for each that comes, so that the list does not grow beyond what is in use.
local most = 2 * (#ARGV - 1)
for _, room in ipairs(redis.call('ZRANGEBYSCORE', untils, '-inf', string.format('%.0f', now), 'LIMIT', 0, most)) do
  redis.call('ZREM', names, room)
  redis.call('ZREM', untils, room)
end
redis.call('PEXPIRE', names, ttl)
redis.call('PEXPIRE', untils, ttl)
return {'ok'}
