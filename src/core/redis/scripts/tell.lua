-- Keeps who is in a room at a node, and tells the other nodes.
--
-- KEYS: the nodes of the room, what this one has told
local nodes, own = KEYS[1], KEYS[2]
local publish, channel, node, said = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
-- The number of what is told, that of what it changes, 0 for the whole, and how many are there without a name.
local sequence, after, unlisted, ttl = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
-- How many have come; then the id and the name of each, and then the ids of those who have gone.
local count = tonumber(ARGV[9])

if after ~= '0' and redis.call('HGET', own, 's') ~= after then return {'whole'} end
if after == '0' then redis.call('DEL', own) end
redis.call('HSET', own, 's', sequence, 'u', unlisted)
local at = 10
for _ = 1, count do
  redis.call('HSET', own, ARGV[at], ARGV[at + 1])
  at = at + 2
end
for gone = at, #ARGV do redis.call('HDEL', own, ARGV[gone]) end
if unlisted == '0' and redis.call('HLEN', own) == 2 then
  redis.call('DEL', own)
  redis.call('ZREM', nodes, node)
else
  local time = redis.call('TIME')
  redis.call('PEXPIRE', own, ttl)
  redis.call('ZADD', nodes, time[1] * 1000 + math.floor(time[2] / 1000) + ttl, node)
  redis.call('PEXPIRE', nodes, ttl)
end
redis.call(publish, channel, said)
return {'ok'}
