"""One service's schema with a table to change, and the service's own role on it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from autograph.credentials import service_password
from autograph.database import migrate_database
from chassis.database import Database, open_database
from tests.integration.chassis.bus.scene import Scene

SECRET = "installation secret of this test, long enough"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Pools of the diagram service, its inbox and outbox empty."""
    await migrate_database(database_url, SECRET)
    administrator = await asyncpg.connect(database_url)
    await administrator.execute(
        """
        DROP TABLE IF EXISTS diagram.pictures;
        CREATE TABLE diagram.pictures (id uuid, colour text);
        GRANT ALL ON diagram.pictures TO autograph_diagram;
        TRUNCATE diagram.inbox, diagram.outbox;
        """
    )
    try:
        scheme, _, rest = database_url.partition("://")
        own = (
            f"{scheme}://autograph_diagram:{service_password(SECRET, 'postgres', 'diagram')}@{rest.rpartition('@')[2]}"
        )
        async with open_database(own, application_name="test", pool_min=1, pool_max=20) as database:
            yield database
    finally:
        await administrator.execute("DROP TABLE diagram.pictures; TRUNCATE diagram.inbox, diagram.outbox")
        await administrator.close()


@pytest.fixture
async def scene(database: Database) -> Scene:
    return Scene(database)
