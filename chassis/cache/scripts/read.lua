-- ARGV: a lease's length (ms), a new generation, its ttl (ms), then owner, name and variant of each entry.
-- Returns the epoch, then for each entry its value, or {generation} to fill it with, or nil if it must not be filled.
local epoch = redis.call('GET', 'cache:epoch')
local leased = epoch and leased_owners(now_ms(), tonumber(ARGV[1])) or {}
local reply = { epoch }
for i = 4, #ARGV, 3 do
  local owner, name, variant = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local answer = false
  if leased[owner] then
    answer = redis.call('HGET', 'c:' .. epoch .. ':' .. name, variant)
    if not answer then
      local key = 'g:' .. epoch .. ':' .. name
      local generation = redis.call('GET', key)
      if not generation then
        generation = ARGV[2]
        redis.call('SET', key, generation, 'PX', ARGV[3])
      end
      answer = { generation }
    end
  end
  reply[#reply + 1] = answer
end
return reply
