"""Checks the servers that the user runs: that they can be reached with the given credentials."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import aiohttp
import asyncpg
from redis.asyncio import Redis

from compose.local.home import OperatorError
from compose.local.servers import seaweedfs

TIMEOUT_SECONDS = 5.0


async def check_external_servers(external: Mapping[str, str]) -> None:
    """Raises ``OperatorError`` naming each variable whose server cannot be reached or refuses the login."""
    probes: dict[str, Callable[[Mapping[str, str]], Awaitable[None]]] = {
        "AUTOGRAPH_POSTGRES_URL": _postgres,
        "AUTOGRAPH_REDIS_URL": _redis,
        "AUTOGRAPH_RABBITMQ_URL": _rabbitmq,
        "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": _management,
        "AUTOGRAPH_S3_URL": _s3,
    }
    found = await asyncio.gather(*(_why_not(probes[name], external) for name in probes if name in external))
    sentences = [
        f"{name} names a server that cannot be used: {why}"
        for name, why in zip((name for name in probes if name in external), found, strict=True)
        if why
    ]
    if sentences:
        raise OperatorError("; ".join(sentences))


async def _why_not(probe: Callable[[Mapping[str, str]], Awaitable[None]], external: Mapping[str, str]) -> str | None:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await probe(external)
    except TimeoutError:
        return f"no answer within {TIMEOUT_SECONDS:.0f} s"
    except Exception as error:  # noqa: BLE001 - four client libraries, each with its own exceptions
        return str(error) or type(error).__name__
    return None


async def _postgres(external: Mapping[str, str]) -> None:
    try:
        connection = await asyncpg.connect(external["AUTOGRAPH_POSTGRES_URL"])
    except asyncpg.InvalidCatalogNameError:
        return  # the login works, and `autograph migrate` creates the database
    await connection.close()


async def _redis(external: Mapping[str, str]) -> None:
    async with Redis.from_url(external["AUTOGRAPH_REDIS_URL"]) as client:
        await client.ping()


async def _rabbitmq(external: Mapping[str, str]) -> None:
    """Checks only that it listens: the management API has the same users."""
    url = urlsplit(external["AUTOGRAPH_RABBITMQ_URL"])
    port = url.port or (5671 if url.scheme == "amqps" else 5672)
    _, writer = await asyncio.open_connection(url.hostname, port)
    writer.close()
    await writer.wait_closed()


async def _management(external: Mapping[str, str]) -> None:
    url = urlsplit(external["AUTOGRAPH_RABBITMQ_MANAGEMENT_URL"])
    address = url._replace(netloc=url.netloc.rpartition("@")[2], path=f"{url.path.rstrip('/')}/api/whoami")
    headers = {"Authorization": aiohttp.encode_basic_auth(url.username or "", url.password or "")}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(address.geturl()) as answer:
        if not answer.ok:  # aiohttp's exception would contain the URL
            raise OperatorError(f"its management API answers {answer.status} {answer.reason}")


async def _s3(external: Mapping[str, str]) -> None:
    account = seaweedfs.S3Account(
        external["AUTOGRAPH_S3_URL"], external["AUTOGRAPH_S3_ACCESS_KEY"], external["AUTOGRAPH_S3_SECRET_KEY"]
    )
    async with seaweedfs.client_of(account) as client:
        await client.list_buckets()
