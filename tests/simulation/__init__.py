"""The delivery path on one thread, one seed and a clock that leaps: see ``run.simulate``.

What is ours runs as it is: consumers' settling, handling, handlers, storage, ledger, outbox relay and sweep, the leased
cache with its Lua. What is others' is in memory, behind the seams at which they are reached: AMQP
(``chassis.bus.ports``), asyncpg's pool, and a round trip to Redis. ``tests/integration/test_doubles.py`` holds those to
the real servers.
"""
