-- Keeps the link of a file, if there is place for it. What is kept already is not counted again.
--
-- KEYS: the links, when each came, the bytes that they take, the files of the room, those of the owner
local links, times, space, room, owner = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, bytes, link = ARGV[1], tonumber(ARGV[2]), ARGV[3]
-- How many files there may be, and bytes: in all, in the room, and of the owner.
local most_files, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local most_room_files, most_room_bytes = tonumber(ARGV[6]), tonumber(ARGV[7])
local most_owner_bytes = tonumber(ARGV[8])

local function taken(by) return tonumber(redis.call('HGET', space, by) or '0') end
if redis.call('ZSCORE', times, id) then return {'ok'} end
if taken(owner) + bytes > most_owner_bytes then return {'owner'} end
if redis.call('HLEN', room) >= most_room_files or taken(room) + bytes > most_room_bytes then return {'room'} end
if redis.call('HLEN', links) >= most_files or taken('all') + bytes > most_bytes then return {'all'} end

local time = redis.call('TIME')
redis.call('HSET', links, id, link)
redis.call('ZADD', times, time[1] * 1000 + math.floor(time[2] / 1000), id)
redis.call('HSET', room, id, ARGV[2])
redis.call('HSET', owner, id, ARGV[2])
for _, by in ipairs({'all', room, owner}) do
  redis.call('HSET', space, by, string.format('%.0f', taken(by) + bytes))
end
return {'ok'}
