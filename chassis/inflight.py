"""Marks of requests in flight, by idempotency key.

A mark lets the gateway refuse a repeat while the first request still runs. It does not prevent a double execution: the
inbox does.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from chassis.redis import Call, CallWithFallback, Redis, RedisUnavailable, Script

RENEWALS = 3  # within a mark's ttl: one that is late, or lost, does no harm
# Also sets a mark that Redis has lost. Never replaces the mark of another owner.
RENEW = Script(
    "local owner = redis.call('GET', KEYS[1]) "
    "if owner and owner ~= ARGV[1] then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1"
)
# The mark may have expired and belong to another owner by now.
RELEASE = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")


class InFlight:
    """Marks that all processes see; while Redis is unavailable, each process sees only its own."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._held: dict[str, tuple[str, float]] = {}  # key → owner and expiry, for marks of this process

    def acquiring(self, key: str, owner: str, *, ttl_seconds: float) -> CallWithFallback[bool]:
        """For `Redis.run_or_fall_back`: whether *owner* got the mark. It expires after *ttl_seconds*."""
        # Taken before the call to Redis: a mark must not last longer here than there.
        runs_out_at = self._clock() + ttl_seconds

        def hold() -> bool:
            now = self._clock()
            self._drop_what_ran_out(now)
            held = self._held.get(key)
            if held is not None and held[1] > now:
                return False
            self._held.pop(key, None)
            self._held[key] = (owner, runs_out_at)
            return True

        return CallWithFallback(
            call=Call(("SET", f"f:{key}", owner, "NX", "PX", max(1, int(ttl_seconds * 1000)))),
            # Both must be free: a mark that was set while Redis was unavailable is known only here.
            decode=lambda reply: reply is not None and hold(),
            fallback=hold,
        )

    async def acquire(self, key: str, owner: str, *, ttl_seconds: float) -> bool:
        """Whether *owner* got the mark. Never raises."""
        (acquired,) = await self._redis.run_or_fall_back(self.acquiring(key, owner, ttl_seconds=ttl_seconds))
        return acquired

    @asynccontextmanager
    async def renewing(self, key: str, owner: str, *, ttl_seconds: float) -> AsyncIterator[None]:
        """Renew the owner's mark while the block runs, then release it.

        So the mark of a process that dies expires after *ttl_seconds*. A block that ends early needs no renewal.
        """
        loop = asyncio.get_running_loop()
        renewal: asyncio.Task[None] | None = None
        over = asyncio.Event()

        def begin() -> None:
            nonlocal renewal
            renewal = loop.create_task(self._keep(key, owner, ttl_seconds, over), name="mark renewal")

        first = loop.call_later(ttl_seconds / RENEWALS, begin)
        try:
            yield
        finally:
            first.cancel()
            over.set()
            if renewal is not None:
                await asyncio.wait([renewal])  # or it might set the mark again
            await self.release(key, owner)

    async def _keep(self, key: str, owner: str, ttl_seconds: float, over: asyncio.Event) -> None:
        while not over.is_set():
            if key not in self._held or self._held[key][0] == owner:
                self._held.pop(key, None)  # keeps the dictionary in the order of expiry
                self._held[key] = (owner, self._clock() + ttl_seconds)
            with suppress(RedisUnavailable):
                await self._redis.run(RENEW(owner, max(1, int(ttl_seconds * 1000)), keys=[f"f:{key}"]))
            with suppress(TimeoutError):
                async with asyncio.timeout(ttl_seconds / RENEWALS):
                    await over.wait()

    async def release(self, key: str, owner: str) -> None:
        """Delete the mark if it is still the owner's. Never raises."""
        held = self._held.get(key)
        if held is not None and held[0] == owner:
            del self._held[key]
        try:
            await self._redis.run(RELEASE(owner, keys=[f"f:{key}"]))
        except RedisUnavailable:
            return  # the mark expires by itself

    def _drop_what_ran_out(self, now: float) -> None:
        """From the oldest to the first that has not expired."""
        while self._held:
            oldest = next(iter(self._held))
            if self._held[oldest][1] > now:
                return
            del self._held[oldest]
