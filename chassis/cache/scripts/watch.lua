-- ARGV: a lease's length (ms). Stores the time, and detects whether the clock was set back since it was stored.
leased_owners(now_ms(), tonumber(ARGV[1]))
return 1
