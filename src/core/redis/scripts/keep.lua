-- Keeps who somebody is whom a node holds, and tells the other nodes that do.
--
-- KEYS: the person, the nodes that hold them
local who, holders = KEYS[1], KEYS[2]
local publish, channels, names = ARGV[1], ARGV[2], ARGV[3]
local person, node, ttl, record, name, said = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
-- The rest is what the name is compared by.

local kept = {}
for at = 10, #ARGV do kept[ARGV[at]] = true end
for field, key in pairs(redis.call('HMGET', who, 'k1', 'k2', 'k3')) do
  if key and not kept[key] and redis.call('GET', names .. key) == person then redis.call('DEL', names .. key) end
end
redis.call('DEL', who)
redis.call('HSET', who, 'p', record, 'name', name)
local lost = {}
for at = 10, #ARGV do
  local key = names .. ARGV[at]
  local owner = redis.call('GET', key)
  redis.call('HSET', who, 'k' .. (at - 9), ARGV[at])
  if owner and owner ~= person then
    lost[#lost + 1] = ARGV[at]
  else
    redis.call('SET', key, person, 'PX', ttl)
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', holders, now + ttl, node)
redis.call('PEXPIRE', who, ttl)
redis.call('PEXPIRE', holders, ttl)
for _, other in ipairs(redis.call('ZRANGEBYSCORE', holders, string.format('%.0f', now), '+inf')) do
  if other ~= node then redis.call(publish, channels .. other, said) end
end
return lost
