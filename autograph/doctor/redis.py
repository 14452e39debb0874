"""Whether it answers, and what time it has: it holds nothing that is not elsewhere."""

import time

from redis.asyncio import Redis

from autograph.doctor.finding import Finding, skew
from autograph.installation import Installation


async def look(found: Installation) -> list[Finding]:
    before = time.time()
    async with Redis.from_url(found.servers.redis_url, socket_timeout=5, socket_connect_timeout=5) as redis:
        seconds, microseconds = await redis.time()
        return skew("redis", seconds + microseconds / 1e6, before)
