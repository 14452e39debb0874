-- ARGV: the dead member, its lease's expiry as it was read, a new epoch.
if redis.call('HGET', 'cache:members', ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('SET', 'cache:epoch', ARGV[3])
redis.call('HDEL', 'cache:members', ARGV[1])
return 1
