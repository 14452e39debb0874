"""The HTTP edge: every write becomes a command on the bus, every read is answered from the cache or by a query."""
