"""Whether it answers, and what time it has: it holds nothing that is not elsewhere."""

from redis.asyncio import Redis

from autograph.doctor.finding import Finding, skew
from autograph.installation import Installation


async def look(found: Installation) -> list[Finding]:
    async with Redis.from_url(found.servers.redis_url, socket_timeout=5, socket_connect_timeout=5) as redis:

        async def told() -> float:
            seconds, microseconds = await redis.time()
            return float(seconds + microseconds / 1e6)

        return await skew("redis", told)
