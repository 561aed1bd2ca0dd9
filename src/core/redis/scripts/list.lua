-- Puts rooms on the list of those that are in use. They stay there until they are not put there again in time. Those that
-- were not on it have begun: that is kept in the log of beginnings, and told to the nodes that want to know.
--
-- KEYS: the names of the rooms, until when each is in use, the log of beginnings
local names, untils, begun = KEYS[1], KEYS[2], KEYS[3]
-- What the key of a room begins with; how many beginnings are kept, and for how long after the last.
local ttl, publish, channel, prefix, keep_count, keep_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
-- The rest are rooms.
local first = 7

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function number(it) return string.format('%.0f', it) end

local before
local function begin(room)
  if not before then
    local newest = redis.call('XREVRANGE', begun, '+', '-', 'COUNT', 1)[1]
    before = newest and tonumber(string.match(newest[1], '^%d+')) or 0
  end
  -- Numbers grow, also when the log is gone.
  local this = math.max(before + 1, now)
  local offset = redis.call('HGET', prefix .. room, 'offset') or '0'
  redis.call('XADD', begun, number(this) .. '-0', 'b', number(before), 'o', offset, 'r', room)
  redis.call(publish, channel, table.concat({'b', number(before), number(this), offset, room}, ' ') .. '\n')
  before = this
end

for at = first, #ARGV do
  local known = redis.call('ZSCORE', untils, ARGV[at])
  if not known or tonumber(known) <= now then begin(ARGV[at]) end
  redis.call('ZADD', names, 0, ARGV[at])
  redis.call('ZADD', untils, now + ttl, ARGV[at])
end
if before then
  local excess = redis.call('XLEN', begun) - keep_count
  local old = excess > 0 and redis.call('XRANGE', begun, '-', '+', 'COUNT', excess) or {}
  for _, entry in ipairs(old) do redis.call('XDEL', begun, entry[1]) end
  redis.call('PEXPIRE', begun, keep_ms)
end
-- Two go for each that comes, so that the list does not grow beyond what is in use.
local most = 2 * (#ARGV - first + 1)
for _, room in ipairs(redis.call('ZRANGEBYSCORE', untils, '-inf', number(now), 'LIMIT', 0, most)) do
  redis.call('ZREM', names, room)
  redis.call('ZREM', untils, room)
end
redis.call('PEXPIRE', names, ttl)
redis.call('PEXPIRE', untils, ttl)
return {'ok'}
