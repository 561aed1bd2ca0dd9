-- Keeps what a node has told of a room for longer, and says what it has not heard of others.
--
-- KEYS: the nodes of the room, what this one has told
local nodes, own = KEYS[1], KEYS[2]
-- What the keys of the others begin with; the node, the number of what it has told last, and then of each other node that it
-- knows of the name, and the number of what it has heard last.
local prefix, ttl, node, sequence = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', nodes, '-inf', string.format('%.0f', now))
local kept = redis.call('HGET', own, 's')
if kept then
  redis.call('PEXPIRE', own, ttl)
  redis.call('ZADD', nodes, now + ttl, node)
  redis.call('PEXPIRE', nodes, ttl)
end
local heard = {}
for at = 5, #ARGV, 2 do heard[ARGV[at]] = ARGV[at + 1] end
local found = {(kept or '0') == sequence and 'same' or 'whole'}
for _, other in ipairs(redis.call('ZRANGE', nodes, 0, -1)) do
  local told = other ~= node and redis.call('HGET', prefix .. other, 's')
  if told and told ~= heard[other] then
    found[#found + 1] = {other, redis.call('HGETALL', prefix .. other)}
  end
  if told or other == node then heard[other] = nil end
end
for other, _ in pairs(heard) do found[#found + 1] = {other, {}} end
return found
