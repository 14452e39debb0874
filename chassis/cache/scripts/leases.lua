local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The owners that have a member, and whether all their members' leases live.
local function leased_owners()
  local now = now_ms()
  local leased = {}
  local members = redis.call('HGETALL', 'cache:members')
  for i = 1, #members, 2 do
    local owner = string.match(members[i], '^[^:]*')
    if tonumber(members[i + 1]) <= now then
      leased[owner] = false
    elseif leased[owner] == nil then
      leased[owner] = true
    end
  end
  return leased
end
