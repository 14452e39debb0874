"""Marks of suspect messages (see ``bus.quarantine``) in Redis: they outlive the process, and may be lost with Redis.

While Redis is unavailable nothing is marked, so a message that kills its worker is redelivered until Redis is back, or
until the broker's delivery limit is reached.
"""

from typing import Final

from chassis.bus.quarantine import LIVE_MARK_SECONDS, MARK_TTL_SECONDS, Mark
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
        # Its age by Redis's clock. It may have been removed since the SET: then the caller tries again.
        is_owned = left_ms == ABSENT or left_ms > MARK_TTL_MS - self._owned_ms
        if is_owned:
            return Mark.OWNED
        if deaths == b"1":  # another message or the kernel may have killed that process: only a second death is proof
            await self._redis.run(Call(("SET", name, "2", "PX", MARK_TTL_MS)))
            return Mark.SET
        return Mark.LEFT

    async def remove(self, key: str) -> None:
        await self._redis.run(Call(("DEL", self._prefix + key)))
