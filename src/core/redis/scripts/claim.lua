-- Keeps a name for somebody, if it is nobody else's.
--
-- KEYS: what the name is compared by
local person, ttl, prefix = ARGV[1], ARGV[2], ARGV[3]
for _, key in ipairs(KEYS) do
  local owner = redis.call('GET', key)
  if owner and owner ~= person then return {'taken', redis.call('HGET', prefix .. owner, 'p') or ''} end
end
for _, key in ipairs(KEYS) do redis.call('SET', key, person, 'PX', ttl) end
return {'claimed'}
