-- Says who is in a room at all other nodes.
--
-- KEYS: the nodes of the room
local nodes = KEYS[1]
-- What the keys of the others begin with, and the node.
local prefix, node = ARGV[1], ARGV[2]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', nodes, '-inf', string.format('%.0f', now))
local found = {}
for _, other in ipairs(redis.call('ZRANGE', nodes, 0, -1)) do
  local told = redis.call('HGETALL', prefix .. other)
  if other ~= node and #told > 0 then found[#found + 1] = {other, told} end
end
return found
