-- ARGV: a lease's length (ms), the member, its lease's new expiry (ms). Returns 0 if the member has to join again: an
-- expired lease is not renewed, since its member may have sent replies whose entries were not invalidated here.
local now, longest, lease_end = now_ms(), tonumber(ARGV[1]), tonumber(ARGV[3])
leased_owners(now, longest)
local lease = tonumber(redis.call('HGET', 'cache:members', ARGV[2]) or 0)
if lease <= now or redis.call('EXISTS', 'cache:epoch') == 0 then return 0 end
if lease_end > now + longest then return 0 end -- the clock was set back since it was read
set_end(ARGV[2], lease_end)
return 1
