-- ARGV: how long a lease can be (ms). Notes the time, and finds out whether the clock was set back since it was noted.
leased_owners(now_ms(), tonumber(ARGV[1]))
return 1
