-- Keeps people for longer whom a node holds. Says whom nobody knows, who has another name, and whose name is another's.
--
-- KEYS: the nodes that hold the first of them, for the slot
local whos, holders, names, node, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
-- The rest is the number and the name of each.
local unknown, kept, lost = {}, {}, {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 6, #ARGV, 2 do
  local person, name = ARGV[at], ARGV[at + 1]
  local found = redis.call('HMGET', whos .. person, 'p', 'name', 'k1', 'k2', 'k3')
  if not found[1] then
    unknown[#unknown + 1] = person
  else
    redis.call('PEXPIRE', whos .. person, ttl)
    redis.call('ZADD', holders .. person, now + ttl, node)
    redis.call('PEXPIRE', holders .. person, ttl)
    for field = 3, 5 do
      local key = found[field]
      local owner = key and redis.call('GET', names .. key)
      if owner and owner ~= person then
        lost[#lost + 1] = {person, key}
      elseif key then
        redis.call('SET', names .. key, person, 'PX', ttl)
      end
    end
    if found[2] ~= name then kept[#kept + 1] = found[1] end
  end
end
return {unknown, kept, lost}
