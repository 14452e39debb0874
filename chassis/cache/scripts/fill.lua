-- ARGV: a lease's length (ms), owner, name, variant, the epoch and generation that the read returned, value, ttl (ms), and
-- a tag or ''. An empty value leaves only the tag.
local longest, owner, name, variant, epoch, generation, value, stay, tag = unpack(ARGV)
if redis.call('GET', 'cache:epoch') ~= epoch then return 0 end
if redis.call('GET', 'g:' .. epoch .. ':' .. name) ~= generation then return 0 end
if not leased_owners(now_ms(), tonumber(longest))[owner] then return 0 end
local key = 'c:' .. epoch .. ':' .. name
if value ~= '' then redis.call('HSET', key, variant, value) end
if tag ~= '' then redis.call('HSET', key, variant .. ':tag', tag) end
-- From the first fill: a name that is read all the time must expire, too.
if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, stay) end
return 1
