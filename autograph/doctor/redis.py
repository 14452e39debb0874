"""Checks Redis: that it responds, its clock, and each service's user. It stores nothing that must not be lost."""

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from autograph.credentials import service_environment
from autograph.doctor.finding import Finding, skew
from autograph.installation import Installation
from compose.local.service_users import REDIS_SERVICES


async def check(found: Installation) -> list[Finding]:
    async with Redis.from_url(found.servers.redis_url, socket_timeout=5, socket_connect_timeout=5) as redis:

        async def server_time() -> float:
            seconds, microseconds = await redis.time()
            return float(seconds + microseconds / 1e6)

        findings = await skew("redis", server_time)
    return findings + await _users(found)


async def _users(found: Installation) -> list[Finding]:
    if not found.servers.redis_service_users:
        what = "all services sign in to Redis as one user: each could read what is kept there of all sessions"
        do = "give Redis an ACL file, set AUTOGRAPH_REDIS_SERVICE_USERS=on, and `autograph migrate`"
        return [Finding("redis_user_shared", False, what, do)]
    findings = []
    for service in REDIS_SERVICES:
        url = service_environment(found.servers, found.secret, service)["AUTOGRAPH_REDIS_URL"]
        async with Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as redis:
            try:
                await redis.ping()
            except (AuthenticationError, NoPermissionError):
                what = f"Redis does not let the {service} service sign in"
                findings.append(Finding("redis_user_missing", True, what, "autograph migrate"))
    return findings
