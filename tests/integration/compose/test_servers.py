"""The servers that the launcher provides are what the services rely on, and the user's own are checked."""

from urllib.parse import urlsplit

import asyncpg
import pytest
from botocore.exceptions import ClientError
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from compose.local.external_servers import check_external_servers
from compose.local.home import OperatorError
from compose.local.servers.seaweedfs import S3Account, client_of
from compose.local.stack import Servers

CLOSED = "127.0.0.1:1"


async def test_postgres_can_search_by_trigrams(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        # Other tests may have migrated this database, and then the extension is in a schema of ours.
        schema = await connection.fetchval(
            "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_trgm'"
        )
        assert await connection.fetchval(f"SELECT {schema}.similarity('diagram', 'diagrams')") > 0.5
    finally:
        await connection.close()


async def test_postgres_lets_nobody_in_without_the_password(servers: Servers) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(servers.postgres_url, database="postgres", password="guessed")


async def test_redis_lets_nobody_in_without_the_password(servers: Servers) -> None:
    url = urlsplit(servers.redis_url)
    async with Redis(host=url.hostname or "", port=url.port or 0) as client:
        with pytest.raises(AuthenticationError):
            await client.ping()


async def test_redis_keeps_nothing_on_disk(redis_url: str) -> None:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        assert await client.config_get("save", "appendonly") == {"save": "", "appendonly": "no"}


async def test_the_stores_worker_uses_its_buckets_and_no_other(servers: Servers, s3: S3Account) -> None:
    async with client_of(s3) as store:
        found = await store.list_buckets()
        if "somebody-elses" not in {bucket["Name"] for bucket in found["Buckets"]}:
            await store.create_bucket(Bucket="somebody-elses")
    async with client_of(servers.s3_worker) as store:
        await store.put_object(Bucket="diagrams", Key="launcher/mine", Body=b"mine")
        await store.delete_object(Bucket="diagrams", Key="launcher/mine")
        with pytest.raises(ClientError, match="AccessDenied"):
            await store.put_object(Bucket="somebody-elses", Key="theirs", Body=b"theirs")
        with pytest.raises(ClientError, match="AccessDenied"):
            await store.create_bucket(Bucket="another")
    async with client_of(s3) as store:
        await store.delete_bucket(Bucket="somebody-elses")


async def test_servers_of_the_users_own_that_let_us_in_are_accepted(servers: Servers) -> None:
    await check_external_servers(servers.environment())


async def test_a_database_that_is_still_to_be_made_is_no_obstacle(servers: Servers) -> None:
    url = urlsplit(servers.postgres_url)._replace(path="/still-to-be-made").geturl()

    await check_external_servers({"AUTOGRAPH_POSTGRES_URL": url})


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("AUTOGRAPH_POSTGRES_URL", f"postgresql://me:a-password@{CLOSED}/autograph"),
        ("AUTOGRAPH_REDIS_URL", f"redis://:a-password@{CLOSED}/0"),
        ("AUTOGRAPH_RABBITMQ_URL", f"amqp://me:a-password@{CLOSED}/"),
        ("AUTOGRAPH_RABBITMQ_MANAGEMENT_URL", f"http://me:a-password@{CLOSED}"),
        ("AUTOGRAPH_S3_URL", f"http://{CLOSED}"),
    ],
)
async def test_a_server_that_is_not_there_is_named_and_its_password_is_not(name: str, url: str) -> None:
    keys = {"AUTOGRAPH_S3_ACCESS_KEY": "a-key", "AUTOGRAPH_S3_SECRET_KEY": "a-password"}

    with pytest.raises(OperatorError) as refused:
        await check_external_servers({name: url} | keys)

    assert f"{name} names a server that cannot be used" in str(refused.value)
    assert "a-password" not in str(refused.value)


async def test_every_server_that_does_not_let_us_in_is_said_at_once(servers: Servers) -> None:
    wrong = {name: _with_password(url) for name, url in servers.environment().items() if name.endswith("_URL")}
    wrong |= {"AUTOGRAPH_S3_ACCESS_KEY": "nobody", "AUTOGRAPH_S3_SECRET_KEY": "guessed"}

    with pytest.raises(OperatorError) as refused:
        await check_external_servers(wrong)

    # Of the broker's two addresses the management API's says whether user and password are right.
    for name in ("POSTGRES", "REDIS", "RABBITMQ_MANAGEMENT", "S3"):
        assert f"AUTOGRAPH_{name}_URL" in str(refused.value)
    assert "guessed" not in str(refused.value)


def _with_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username or ''}:guessed@{parts.hostname}:{parts.port}").geturl()
