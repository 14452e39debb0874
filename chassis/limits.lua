-- KEYS: one for each charge. ARGV: 1 to count or 0 to look only, then quota and window (ms) of each charge.
-- Counts all charges or, if one of them is over its quota, none. Returns for each what it has counted and how long its
-- window still lasts (ms), after whether all were within their quotas.
local within = 1
local counts, left = {}, {}
for i, key in ipairs(KEYS) do
  counts[i] = tonumber(redis.call('GET', key) or 0)
  left[i] = redis.call('PTTL', key)
  if counts[i] >= tonumber(ARGV[2 * i]) then within = 0 end
end
local reply = { within }
for i, key in ipairs(KEYS) do
  local window = tonumber(ARGV[2 * i + 1])
  if within == 1 and ARGV[1] == '1' then
    counts[i] = redis.call('INCR', key)
    if left[i] < 0 then
      redis.call('PEXPIRE', key, window)
      left[i] = window
    end
  end
  reply[#reply + 1] = counts[i]
  reply[#reply + 1] = left[i] < 0 and window or left[i]
end
return reply
