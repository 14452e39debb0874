"""The services' Redis users, each with only the permissions that its service needs."""

from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from autograph.credentials import redis_secret
from autograph.installation import Installation
from compose.local.home import OperatorError
from compose.local.service_users import REDIS_SERVICES, redis_rules, redis_user

TIMEOUT_SECONDS = 5.0


async def apply_redis(found: Installation) -> list[str]:
    """Creates the users, if services have their own; returns their names. Raises ``OperatorError``."""
    servers = found.servers
    if not servers.redis_service_users:
        return []
    secret = redis_secret(servers.redis_url, found.secret)
    async with Redis.from_url(servers.redis_url, socket_timeout=TIMEOUT_SECONDS) as redis:
        try:
            for service in REDIS_SERVICES:
                await redis.execute_command("ACL", "SETUSER", redis_user(service), *redis_rules(secret, service))  # type: ignore[no-untyped-call]
        except RedisConnectionError:
            raise
        except RedisError as error:
            raise OperatorError(
                f"Redis refused to create users ({error}): it must be Redis 7, or any Valkey, and the address an "
                "administrator's; or set AUTOGRAPH_REDIS_SERVICE_USERS=off"
            ) from error
        with suppress(
            ResponseError
        ):  # without an ACL file, the users must be in its configuration, as in the local stack
            await redis.execute_command("ACL", "SAVE")  # type: ignore[no-untyped-call]
    return [redis_user(service) for service in REDIS_SERVICES]
