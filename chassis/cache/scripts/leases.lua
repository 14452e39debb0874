local CLOCK = ':clock' -- a field among the members: the latest time that any of these scripts has read
local CLOCK_EVERY_MS = 100

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function set_end(field, at_ms) redis.call('HSET', 'cache:members', field, string.format('%.0f', at_ms)) end

-- The owners that have a member, and whether the leases of all their members are valid.
-- After the clock was set back, leases would last longer than their members assume. That is detected by a lease that
-- expires further ahead than a lease is long (longest, in ms), or by a time before the last one; then all leases end.
local function leased_owners(now, longest)
  local leased = {}
  local seen, is_set_back = nil, false
  local members = redis.call('HGETALL', 'cache:members')
  for i = 1, #members, 2 do
    local field, at = members[i], tonumber(members[i + 1])
    if field == CLOCK then
      seen = at
      is_set_back = is_set_back or at > now
    else
      is_set_back = is_set_back or at > now + longest
      local owner = string.match(field, '^[^:]*')
      if at <= now then
        leased[owner] = false
      elseif leased[owner] == nil then
        leased[owner] = true
      end
    end
  end
  if is_set_back then
    for i = 1, #members, 2 do
      if tonumber(members[i + 1]) > now then set_end(members[i], now) end
    end
    return {}
  end
  if #members > 0 and now - (seen or 0) >= CLOCK_EVERY_MS then set_end(CLOCK, now) end
  return leased
end
