-- How many people are in rooms at all nodes. Who is at two nodes counts once.
--
-- KEYS: the nodes of each room; ARGV: what the keys begin with by which those have told who is there
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local counts = {}
for at, nodes in ipairs(KEYS) do
  local people, seen = 0, {}
  local there = redis.call('ZRANGEBYSCORE', nodes, now, '+inf')
  for _, node in ipairs(there) do
    local told = ARGV[at] .. node
    people = people + tonumber(redis.call('HGET', told, 'u') or '0')
    if #there == 1 then
      people = people + math.max(redis.call('HLEN', told) - 2, 0)
    else
      local fields = redis.call('HGETALL', told)
      for field = 1, #fields, 2 do
        local person = fields[field]
        if person ~= 's' and person ~= 'u' and not seen[person] then
          seen[person] = true
          people = people + 1
        end
      end
    end
  end
  counts[at] = people
end
return counts
