"""A database of Redis and a schema of Postgres for the tests of what stands on them."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from redis.asyncio import Redis as RedisClient

from tests.integration.chassis.cache_scene import Pool


@pytest.fixture
async def cache_url(redis_url: str) -> AsyncIterator[str]:
    """An empty database of its own: the cache's keys are the same for all who share one."""
    url = urlunsplit(urlsplit(redis_url)._replace(path="/7"))
    async with RedisClient.from_url(url) as client:
        await client.flushdb()
        yield url
        await client.flushdb()


@pytest.fixture
async def cache_pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on a database with an empty ``cache_test.cache_members``."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=10) as pool:
        await pool.execute("DROP SCHEMA IF EXISTS cache_test CASCADE")
        await pool.execute("CREATE SCHEMA cache_test")
        await pool.execute(
            "CREATE TABLE cache_test.cache_members (member uuid PRIMARY KEY, joined_at timestamptz NOT NULL)"
        )
        yield pool
        await pool.execute("DROP SCHEMA cache_test CASCADE")
