-- ARGV: a lease's length (ms), a new generation, its ttl (ms), then owner, name, variant and known tags of each entry.
-- Known tags: '', or each between line ends. An entry with one of these tags does not move its value.
-- Returns the epoch, then for each entry its value, or {'', tag} where that is known, or {generation} to fill it with,
-- or nil if it must not be filled.
local epoch = redis.call('GET', 'cache:epoch')
local leased = epoch and leased_owners(now_ms(), tonumber(ARGV[1])) or {}
local reply = { epoch }
for i = 4, #ARGV, 4 do
  local owner, name, variant, known = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local answer = false
  if leased[owner] then
    local entry = 'c:' .. epoch .. ':' .. name
    local tag = known ~= '' and redis.call('HGET', entry, variant .. ':tag')
    if tag and string.find(known, '\n' .. tag .. '\n', 1, true) then
      answer = { '', tag }
    else
      answer = redis.call('HGET', entry, variant)
    end
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
