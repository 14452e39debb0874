-- ARGV: names. Without an epoch there is nothing that anybody could read.
local epoch = redis.call('GET', 'cache:epoch')
if not epoch then return 0 end
for _, name in ipairs(ARGV) do
  redis.call('UNLINK', 'c:' .. epoch .. ':' .. name, 'g:' .. epoch .. ':' .. name)
end
return 1
