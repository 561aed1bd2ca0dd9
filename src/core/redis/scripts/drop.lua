-- A node holds somebody no longer. Who is held by none is forgotten, and their name is free.
--
-- KEYS: the person, the nodes that hold them
local who, holders = KEYS[1], KEYS[2]
local names, person, node = ARGV[1], ARGV[2], ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREM', holders, node)
redis.call('ZREMRANGEBYSCORE', holders, '-inf', string.format('%.0f', now))
if redis.call('ZCARD', holders) > 0 then return {'held'} end
for _, key in pairs(redis.call('HMGET', who, 'k1', 'k2', 'k3')) do
  if key and redis.call('GET', names .. key) == person then redis.call('DEL', names .. key) end
end
redis.call('DEL', who)
return {'ok'}
