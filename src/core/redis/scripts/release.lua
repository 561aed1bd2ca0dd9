-- Frees names of somebody. Another's are left alone.
--
-- KEYS: what the names are compared by
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return {'ok'}
