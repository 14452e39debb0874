"""Marks for what is being worked on, such as a request with an idempotency key.

They tell a repeat early that the first is still running; that nothing is done twice is the inbox's promise, not theirs.
"""

import time
from collections.abc import Callable

from chassis.redis import Ask, Call, Redis, RedisAway, Script

# Deletes a mark only if it is still the owner's: it may have run out and be another's by now.
RELEASE = Script("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")


class InFlight:
    """Marks that all processes see; while Redis is away, each process sees its own."""

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._held: dict[str, tuple[str, float]] = {}  # by this process: owner, and when the mark runs out

    def claiming(self, key: str, owner: str, *, stay_seconds: float) -> Ask[bool]:
        """A question for `Redis.ask`: whether the mark is now the owner's. It runs out by itself."""
        # From before Redis is asked: a mark must not last longer here than there.
        runs_out_at = self._clock() + stay_seconds

        def hold() -> bool:
            now = self._clock()
            self._drop_what_ran_out(now)
            held = self._held.get(key)
            if held is not None and held[1] > now:
                return False
            self._held.pop(key, None)
            self._held[key] = (owner, runs_out_at)
            return True

        return Ask(
            call=Call(("SET", f"f:{key}", owner, "NX", "PX", max(1, int(stay_seconds * 1000)))),
            # Both must be free: a mark that was given while Redis was away is known only here.
            decode=lambda reply: reply is not None and hold(),
            fallback=hold,
        )

    async def claim(self, key: str, owner: str, *, stay_seconds: float) -> bool:
        """Whether the mark is now the owner's. Never raises."""
        (claimed,) = await self._redis.ask(self.claiming(key, owner, stay_seconds=stay_seconds))
        return claimed

    async def release(self, key: str, owner: str) -> None:
        """Takes the mark away if it is still the owner's. Never raises."""
        held = self._held.get(key)
        if held is not None and held[0] == owner:
            del self._held[key]
        try:
            await self._redis.run(RELEASE(owner, keys=[f"f:{key}"]))
        except RedisAway:
            return  # it runs out by itself

    def _drop_what_ran_out(self, now: float) -> None:
        """From the oldest on, up to the first that still holds."""
        while self._held:
            oldest = next(iter(self._held))
            if self._held[oldest][1] > now:
                return
            del self._held[oldest]
