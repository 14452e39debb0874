-- ARGV: the joining member, its lease's end (ms), a fresh epoch, then every other member that its owner has on record.
local now = now_ms()
if tonumber(ARGV[2]) <= now then return 0 end
redis.call('SET', 'cache:epoch', ARGV[3])
-- A member that Redis has lost, or never met, keeps everybody from reading until it joins or is removed.
for i = 4, #ARGV do redis.call('HSETNX', 'cache:members', ARGV[i], string.format('%.0f', now)) end
redis.call('HSET', 'cache:members', ARGV[1], ARGV[2])
return 1
