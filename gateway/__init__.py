"""The HTTP gateway: writes become commands on the bus, reads are answered from the cache or by a query."""
