"""Lua for the leased cache. `leases.lua` is put in front of those that look at leases."""
