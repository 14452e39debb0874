-- ARGV: the member, its lease's new end (ms). Returns 0 if it has to join again: a lease that lapsed is not revived, for
-- its member may meanwhile have told outcomes that Redis does not know of.
local lease = tonumber(redis.call('HGET', 'cache:members', ARGV[1]) or 0)
if lease <= now_ms() or redis.call('EXISTS', 'cache:epoch') == 0 then return 0 end
if tonumber(ARGV[2]) > lease then redis.call('HSET', 'cache:members', ARGV[1], ARGV[2]) end
return 1
