-- The next of what is kept of push, in the order in which it was, and where all of it is.
--
-- KEYS: where all of it is, what is kept of this kind, when each was kept
local place, kept, order = KEYS[1], KEYS[2], KEYS[3]
-- After which version, and how many.
local after, count = ARGV[1], ARGV[2]

local found = redis.call('HMGET', place, 'epoch', 'version')
local names = redis.call('ZRANGEBYSCORE', order, '(' .. after, '+inf', 'LIMIT', 0, count)
local page = {}
for _, name in ipairs(names) do
  page[#page + 1] = name
  page[#page + 1] = redis.call('HGET', kept, name) or ''
  after = redis.call('ZSCORE', order, name)
end
return {found[1] or '', found[2] or '0', after, page}
