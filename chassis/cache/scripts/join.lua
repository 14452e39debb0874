-- ARGV: a lease's length (ms), the joining member, its lease's expiry (ms), a new epoch, then every other recorded member
-- of its owner. Returns 0 if the lease has expired already, or the clock was set back since it was taken.
local now, longest, lease_end = now_ms(), tonumber(ARGV[1]), tonumber(ARGV[3])
if lease_end <= now or lease_end > now + longest then return 0 end
leased_owners(now, longest)
redis.call('SET', 'cache:epoch', ARGV[4])
-- A recorded member that Redis lacks is added as expired: no read succeeds until it joins or is removed.
for i = 5, #ARGV do redis.call('HSETNX', 'cache:members', ARGV[i], string.format('%.0f', now)) end
set_end(ARGV[2], lease_end)
return 1
