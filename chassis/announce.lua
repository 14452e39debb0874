-- ARGV: the key of a service's processes, this process, what it says, after how long a process counts as gone (ms).
local key, process, said, gone_after = unpack(ARGV)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', key, process, string.format('%.0f', now) .. ' ' .. said)
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^%d+')) or 0
  if math.abs(now - at) > tonumber(gone_after) then redis.call('HDEL', key, all[i]) end
end
return 1
