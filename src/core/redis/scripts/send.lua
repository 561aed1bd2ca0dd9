-- Sends something to the other nodes that hold somebody. Says to how many.
--
-- KEYS: what the name of the addressee is compared by; none if the addressee is known
local publish, channels, holders, node, said, person = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
for _, key in ipairs(KEYS) do
  if person == '' then person = redis.call('GET', key) or '' end
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local count = 0
for _, other in ipairs(redis.call('ZRANGEBYSCORE', holders .. person, now, '+inf')) do
  if other ~= node then
    redis.call(publish, channels .. other, said)
    count = count + 1
  end
end
return count
