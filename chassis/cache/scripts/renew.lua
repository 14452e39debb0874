-- ARGV: how long a lease can be (ms), the member, its lease's new end (ms). Returns 0 if it has to join again: a lease
-- that lapsed is not revived, for its member may meanwhile have told outcomes that Redis does not know of.
local now, longest, lease_end = now_ms(), tonumber(ARGV[1]), tonumber(ARGV[3])
leased_owners(now, longest)
local lease = tonumber(redis.call('HGET', 'cache:members', ARGV[2]) or 0)
if lease <= now or redis.call('EXISTS', 'cache:epoch') == 0 then return 0 end
if lease_end > now + longest then return 0 end -- the clock was set back since it was read
set_end(ARGV[2], lease_end)
return 1
