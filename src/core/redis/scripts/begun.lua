-- The rooms of a partition that have begun after a number, and the last number there is.
--
-- KEYS: the log of beginnings
local begun = KEYS[1]
local after, count = ARGV[1], ARGV[2]
local newest = redis.call('XREVRANGE', begun, '+', '-', 'COUNT', 1)[1]
local last = newest and string.match(newest[1], '^%d+') or '0'
return {last, redis.call('XRANGE', begun, '(' .. after .. '-0', '+', 'COUNT', count)}
