-- All bans, if they have changed since a node has heard of them.
--
-- KEYS: the bans by their ids, and how often they have changed as 'version'
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version == ARGV[1] then return {'same'} end
return {version, redis.call('HGETALL', KEYS[1])}
