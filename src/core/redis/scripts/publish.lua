-- Gives a message the next offset of its room, keeps it, and tells all nodes.
--
-- KEYS: the room, its log, its state, the sender's id of the message (the room again where it has none)
local room, log, state, sent = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local publish, channel, name = ARGV[1], ARGV[2], ARGV[3]
-- Which node has sent it, and that node's ticket.
local origin = ARGV[4]
-- Where the room is as far as the node knows, and the epoch that begins if less of it is here.
local known_epoch, known_offset, fresh_epoch = ARGV[5], tonumber(ARGV[6]), ARGV[7]
-- The least offset, and the time, of a message that is imported; 0 for others.
local not_before, sent_at = tonumber(ARGV[8]), tonumber(ARGV[9])
-- How many messages of the room are kept, how many bytes of them, for how long, and how long the room is: milliseconds.
local keep_count, keep_bytes = tonumber(ARGV[10]), tonumber(ARGV[11])
local keep_ms, room_ms, sent_ms = ARGV[12], ARGV[13], ARGV[14]
-- 'set' or 'delete' with a key: the message is its state, as told by the last argument.
local change, key, message, value = ARGV[15], ARGV[16], ARGV[17], ARGV[18]
-- What the state of the key has to be: its epoch and offset, 'new' for none, or anything.
local condition = ARGV[19]

local function number(it) return string.format('%.0f', it) end

local found = redis.call('HMGET', room, 'epoch', 'offset', 'at', 'bytes')
local epoch, before = found[1], tonumber(found[2] or '0')
local last_at, bytes = tonumber(found[3] or '0'), tonumber(found[4] or '0')
-- Less is here than readers have been told, at this node or another: their offsets must not be given again.
local is_lost = not epoch or (epoch == known_epoch and before < known_offset)
if is_lost then
  epoch = fresh_epoch
  before, bytes = 0, 0
end

if sent_ms ~= '0' then
  local again = redis.call('GET', sent)
  local its_epoch, its_offset = string.match(again or '', '^(%x+) (%d+)$')
  if its_epoch == epoch then return {'again', epoch, its_offset} end
end

if condition ~= '' then
  local current = not is_lost and redis.call('HGET', state, key)
  local is = current and epoch .. ' ' .. string.match(current, '^%d+') or 'new'
  if is ~= condition then return {'conflict', epoch, current or ''} end
end
if is_lost then redis.call('DEL', log, state) end

local offset = math.max(before + 1, not_before)
local at = sent_at
if at == 0 then
  local time = redis.call('TIME')
  at = math.max(time[1] * 1000 + math.floor(time[2] / 1000), last_at)
  last_at = at
end
local id = number(offset) .. '-0'
redis.call('XADD', log, id, 'm', message, 't', number(at), 'b', number(before), 'n', origin)
local count = redis.call('XLEN', log)
-- The log of a room where nobody has said anything for long is gone as a whole.
bytes = (count == 1) and #message or bytes + #message
local function oldest() return redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1] end
local excess = count - keep_count
-- At most 16 for one message: what is too much is gone after a few more.
for step = 1, 16 do
  local first = oldest()
  local is_old = first and at - tonumber(first[2][4]) > tonumber(keep_ms)
  if not first or first[1] == id or not (step <= excess or bytes > keep_bytes or is_old) then break end
  redis.call('XDEL', log, first[1])
  bytes = bytes - #first[2][2]
end
redis.call('HSET', room, 'epoch', epoch, 'offset', number(offset), 'at', number(last_at), 'bytes', number(bytes))
redis.call('PEXPIRE', room, room_ms)
redis.call('PEXPIRE', log, keep_ms)
if change == 'set' then
  redis.call('HSET', state, key, number(offset) .. ' ' .. number(at) .. '\n' .. value)
  redis.call('PEXPIRE', state, room_ms)
elseif change == 'delete' then
  redis.call('HDEL', state, key)
end
if sent_ms ~= '0' then redis.call('SET', sent, epoch .. ' ' .. number(offset), 'PX', sent_ms) end
local head = table.concat({'m', epoch, number(before), number(offset), number(at), origin, name}, ' ')
redis.call(publish, channel, head .. '\n' .. message)
return {'ok', epoch, number(offset)}
