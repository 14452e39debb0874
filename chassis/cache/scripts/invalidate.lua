-- ARGV: names; '*' drops all entries of all owners, by a new epoch. Without an epoch no read succeeds.
local epoch = redis.call('GET', 'cache:epoch')
if not epoch then return 0 end
for _, name in ipairs(ARGV) do
  if name == '*' then
    local time = redis.call('TIME')
    redis.call('SET', 'cache:epoch', redis.sha1hex(epoch .. ' ' .. time[1] .. '.' .. time[2]))
    return 1
  end
end
for _, name in ipairs(ARGV) do
  redis.call('UNLINK', 'c:' .. epoch .. ':' .. name, 'g:' .. epoch .. ':' .. name)
end
return 1
