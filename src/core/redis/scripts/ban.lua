-- Keeps a ban, or forgets one, and tells all nodes.
--
-- KEYS: the bans by their ids, and how often they have changed as 'version', which is no id
local bans = KEYS[1]
-- The text of the ban, or nothing to forget it; if it is only to be forgotten as long as it is this one, that one's text.
local publish, channel, most, id, text, only, said = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local found = redis.call('HGET', bans, id)
if text == '' then
  if not found or (only ~= '' and found ~= only) then return {'other'} end
  redis.call('HDEL', bans, id)
else
  if not found and redis.call('HLEN', bans) > tonumber(most) then return {'full'} end
  redis.call('HSET', bans, id, text)
end
local version = (redis.call('HGET', bans, 'version') or 0) + 1
redis.call('HSET', bans, 'version', string.format('%.0f', version))
redis.call(publish, channel, said)
return {'ok'}
