"""``python tls_program.py ENGINE URL``: one question to a server, as our processes ask it.

Exit status 3: it could not be reached.
"""

import asyncio
import ssl
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import aiohttp

from autograph.backup import postgres as backup
from autograph.broker import open_broker
from autograph.database import migrate_database
from chassis.bus.connection import AmqpConnection
from chassis.database import DatabaseUnavailable, open_database
from chassis.objects import ObjectStoreUnavailable, open_object_store
from chassis.redis import Call, Redis, RedisUnavailable
from compose.local.home import OperatorError
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.servers import PROGRAMS

NOT_REACHED = 3
LINK_SECONDS = 10.0


async def ask_postgres(url: str) -> None:
    async with open_database(url, application_name="test", pool_min=1, pool_max=1) as database:
        await database.probe()


async def ask_pg_dump(url: str) -> None:
    """As a migration does, then a backup, whose programs speak no TLS."""
    await migrate_database(url, INSTALLATION_SECRET)
    with tempfile.TemporaryDirectory() as folder:
        async with backup.open_snapshot(url) as snapshot:
            await backup.dump(url, snapshot, PROGRAMS, Path(folder, "dump"), lambda _: None)


async def ask_redis(url: str) -> None:
    redis = Redis(url, timeout_seconds=5)
    try:
        await redis.run(Call(("PING",)))
    finally:
        await redis.close()


async def ask_rabbitmq(url: str) -> None:
    """As a link does, which hides why it failed."""
    connection = await aio_pika.connect(url, timeout=LINK_SECONDS, connection_class=AmqpConnection)
    await connection.close()


async def ask_management(url: str) -> None:
    async with open_broker("amqp://anybody@anywhere/%2F", url) as broker:
        await broker.get("whoami")


async def ask_s3(url: str) -> None:
    parts = urlsplit(url)
    assert parts.username
    assert parts.password
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    async with open_object_store(address, parts.username, parts.password) as store:
        await store.probe("diagrams")


ASKING: dict[str, Callable[[str], Awaitable[None]]] = {
    "postgres": ask_postgres,
    "pg_dump": ask_pg_dump,
    "redis": ask_redis,
    "rabbitmq": ask_rabbitmq,
    "management": ask_management,
    "s3": ask_s3,
}
UNREACHED = (
    DatabaseUnavailable, RedisUnavailable, ConnectionError, aiohttp.ClientError, ObjectStoreUnavailable,
    OperatorError, ssl.SSLError,
)  # fmt: skip


async def main(engine: str, url: str) -> int:
    try:
        await ASKING[engine](url)
    except UNREACHED as error:
        print(error, file=sys.stderr)  # noqa: T201 - to be read by whoever reads of a failure
        return NOT_REACHED
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
