"""A database of Redis and a schema of Postgres for the tests of what stands on them."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from compose.local.stack import Servers
from tests.integration.chassis.cache_scene import Pool
from tests.servers import own_redis_database


@pytest.fixture
async def cache_url(servers: Servers) -> AsyncIterator[str]:
    """An empty database of its own: the cache's keys are the same for all who share one."""
    async with own_redis_database(servers) as url:
        yield url


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
