"""Marks for what is being worked on, such as a request with an idempotency key.

They tell a repeat early that the first is still running; that nothing is done twice is the inbox's promise, not theirs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from chassis.redis import CallWithFallback, Call, Redis, RedisUnavailable, Script

# Deletes a mark only if it is still the owner's: it may have run out and be another's by now.
RENEWALS = 3  # within a mark's time: one that is late, or lost, does no harm
# Also sets a mark that Redis has lost; another owner's stays.
RENEW = Script(
    "local owner = redis.call('GET', KEYS[1]) "
    "if owner and owner ~= ARGV[1] then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1"
)
RELEASE = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")


class InFlight:
    """Marks that all processes see; while Redis is unavailable, each process sees its own."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._held: dict[str, tuple[str, float]] = {}  # by this process: owner, and when the mark runs out

    def acquiring(self, key: str, owner: str, *, ttl_seconds: float) -> CallWithFallback[bool]:
        """A question for `Redis.run_or_fall_back`: whether the mark is now the owner's. It runs out by itself."""
        # From before Redis is asked: a mark must not last longer here than there.
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
            # Both must be free: a mark that was given while Redis was unavailable is known only here.
            decode=lambda reply: reply is not None and hold(),
            fallback=hold,
        )

    async def acquire(self, key: str, owner: str, *, ttl_seconds: float) -> bool:
        """Whether the mark is now the owner's. Never raises."""
        (acquired,) = await self._redis.run_or_fall_back(self.acquiring(key, owner, ttl_seconds=ttl_seconds))
        return acquired

    @asynccontextmanager
    async def renewing(self, key: str, owner: str, *, ttl_seconds: float) -> AsyncIterator[None]:
        """Keeps the owner's mark for as long as the block takes, and releases it.

        So that a mark of a process that dies is gone after *ttl_seconds*. What is over before a renewal costs none.
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
                self._held.pop(key, None)  # the order in which they run out
                self._held[key] = (owner, self._clock() + ttl_seconds)
            with suppress(RedisUnavailable):
                await self._redis.run(RENEW(owner, max(1, int(ttl_seconds * 1000)), keys=[f"f:{key}"]))
            with suppress(TimeoutError):
                async with asyncio.timeout(ttl_seconds / RENEWALS):
                    await over.wait()

    async def release(self, key: str, owner: str) -> None:
        """Takes the mark away if it is still the owner's. Never raises."""
        held = self._held.get(key)
        if held is not None and held[0] == owner:
            del self._held[key]
        try:
            await self._redis.run(RELEASE(owner, keys=[f"f:{key}"]))
        except RedisUnavailable:
            return  # it runs out by itself

    def _drop_what_ran_out(self, now: float) -> None:
        """From the oldest on, up to the first that still holds."""
        while self._held:
            oldest = next(iter(self._held))
            if self._held[oldest][1] > now:
                return
            del self._held[oldest]
