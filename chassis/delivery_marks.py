"""Marks of messages that are handled alone, in Redis: they outlive the process, and need not outlive the server.

While Redis is unavailable nothing is marked, and what kills its worker comes again until it is back; the broker's own
limit of deliveries is behind that.
"""

from typing import Final

from chassis.bus.quarantine import MARK_TTL_SECONDS, LIVE_MARK_SECONDS, Mark
from chassis.redis import Call, Redis

MARK_TTL_MS: Final = round(MARK_TTL_SECONDS * 1000)
ABSENT: Final = -2


class RedisMarks:
    """Implements ``quarantine.Marks``. Raises ``RedisUnavailable``."""

    def __init__(self, redis: Redis, service: str, *, live_mark_seconds: float = LIVE_MARK_SECONDS) -> None:
        self._redis = redis
        self._owned_ms = round(live_mark_seconds * 1000)
        self._prefix = f"suspect:{service}:"

    async def set(self, key: str) -> Mark:
        name = self._prefix + key
        is_set, left_ms, deaths = await self._redis.run(
            Call(("SET", name, "1", "NX", "PX", MARK_TTL_MS)),
            Call(("PTTL", name)),
            Call(("GET", name)),
        )
        if is_set is not None:
            return Mark.SET
        # How long ago it was set, on Redis' own clock. It may have been removed in between: then it is tried again.
        is_owned = left_ms == ABSENT or left_ms > MARK_TTL_MS - self._owned_ms
        if is_owned:
            return Mark.OWNED
        if deaths == b"1":  # somebody else may have killed that process: a second death alone is the proof
            await self._redis.run(Call(("SET", name, "2", "PX", MARK_TTL_MS)))
            return Mark.SET
        return Mark.LEFT

    async def remove(self, key: str) -> None:
        await self._redis.run(Call(("DEL", self._prefix + key)))
