-- ARGV: a lease's length (ms), owner, how long after its expiry a member is dead (ms), then the owner's recorded
-- members. Returns the dead members, each followed by its lease's expiry.
local now = now_ms()
for i = 4, #ARGV do redis.call('HSETNX', 'cache:members', ARGV[i], string.format('%.0f', now)) end
leased_owners(now, tonumber(ARGV[1]))
local dead = {}
local members = redis.call('HGETALL', 'cache:members')
for i = 1, #members, 2 do
  local owner = string.match(members[i], '^[^:]*')
  if owner == ARGV[2] and tonumber(members[i + 1]) + tonumber(ARGV[3]) <= now then
    dead[#dead + 1] = members[i]
    dead[#dead + 1] = members[i + 1]
  end
end
return dead
