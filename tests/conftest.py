"""Fixtures for all tests; what needs no server starts none."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from autograph.buckets import ensure_buckets
from compose.local.servers.seaweedfs import Account
from compose.local.stack import Servers
from tests.databases import unused_database
from tests.servers import Vhost, fresh_vhost, running_servers


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with running_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
async def database_url(servers: Servers) -> AsyncIterator[str]:
    """A superuser's URL of a fresh, empty database."""
    administrator = servers.postgres_url.replace("/autograph", "/postgres")
    async with unused_database(administrator) as url:
        connection = await asyncpg.connect(administrator)
        try:
            await connection.execute(f'CREATE DATABASE "{url.rpartition("/")[2]}"')
        finally:
            await connection.close()
        yield url


@pytest.fixture(scope="session")
async def vhost(servers: Servers) -> AsyncIterator[Vhost]:
    async with fresh_vhost(servers) as vhost:
        yield vhost


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    return servers.redis_url


@pytest.fixture(scope="session")
async def s3(servers: Servers) -> Account:
    account = servers.s3
    await ensure_buckets(account.url, account.access_key, account.secret_key, "us-east-1")
    return account
