"""One service's schema with a table for effects, and the service's own role on it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from autograph.credentials import as_user, service_password
from autograph.database import migrate_database
from chassis.database import Database, open_database
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.chassis.jobs.scene import Scene


@pytest.fixture
async def own_url(database_url: str) -> AsyncIterator[str]:
    """The diagram service's; no jobs are left in its schema."""
    await migrate_database(database_url, INSTALLATION_SECRET)
    administrator = await asyncpg.connect(database_url)
    await administrator.execute(
        """
        DROP TABLE IF EXISTS diagram.pictures;
        CREATE TABLE diagram.pictures (id uuid, colour text);
        GRANT ALL ON diagram.pictures TO autograph_diagram;
        TRUNCATE diagram.inbox, diagram.outbox, diagram.jobs;
        """
    )
    try:
        yield as_user(database_url, "autograph_diagram", service_password(INSTALLATION_SECRET, "postgres", "diagram"))
    finally:
        await administrator.execute("DROP TABLE diagram.pictures; TRUNCATE diagram.inbox, diagram.outbox, diagram.jobs")
        await administrator.close()


@pytest.fixture
async def database(own_url: str) -> AsyncIterator[Database]:
    async with open_database(own_url, application_name="test", pool_min=1, pool_max=20) as database:
        yield database


@pytest.fixture
async def scene(database: Database) -> Scene:
    return Scene(database)
