-- The next rooms of a partition that are in use, in the order of their names.
--
-- KEYS: the names of the rooms, until when each is in use
local names, untils = KEYS[1], KEYS[2]
-- Between which names, and how many of them are looked at.
local from, to, count = ARGV[1], ARGV[2], tonumber(ARGV[3])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found, rooms = redis.call('ZRANGE', names, from, to, 'BYLEX', 'LIMIT', 0, count), {}
for _, room in ipairs(found) do
  local is_until = redis.call('ZSCORE', untils, room)
  if is_until and tonumber(is_until) > now then
    rooms[#rooms + 1] = room
  else
    redis.call('ZREM', names, room)
    redis.call('ZREM', untils, room)
  end
end
return {#found == count and found[count] or '', rooms}
