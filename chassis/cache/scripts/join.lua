-- ARGV: how long a lease can be (ms), the joining member, its lease's end (ms), a fresh epoch, then every other member
-- that its owner has on record. Returns 0 if the lease is over already, or the clock was set back since it was taken.
local now, longest, lease_end = now_ms(), tonumber(ARGV[1]), tonumber(ARGV[3])
if lease_end <= now or lease_end > now + longest then return 0 end
leased_owners(now, longest)
redis.call('SET', 'cache:epoch', ARGV[4])
-- A member that Redis has lost, or never met, keeps everybody from reading until it joins or is removed.
for i = 5, #ARGV do redis.call('HSETNX', 'cache:members', ARGV[i], string.format('%.0f', now)) end
set_end(ARGV[2], lease_end)
return 1
