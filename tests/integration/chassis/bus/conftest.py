"""One service's schema with a table to change, and the service's own role on it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from autograph.credentials import as_user, service_password
from chassis.database import Database, open_database
from compose.local.stack import Servers
from tests.brokers import prepared_vhost
from tests.databases import NewDatabase
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.chassis.bus.scene import Scene
from tests.servers import Vhost


@pytest.fixture(scope="package")
async def migrated_url(new_database: NewDatabase) -> AsyncIterator[str]:
    """A superuser's, of a migrated database."""
    async with new_database() as url:
        yield url


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """Pools of the diagram service, its inbox and outbox empty."""
    administrator = await asyncpg.connect(migrated_url)
    await administrator.execute(
        """
        DROP TABLE IF EXISTS diagram.pictures;
        CREATE TABLE diagram.pictures (id uuid, colour text);
        GRANT ALL ON diagram.pictures TO autograph_diagram;
        TRUNCATE diagram.inbox, diagram.outbox;
        """
    )
    try:
        password = service_password(INSTALLATION_SECRET, "postgres", "diagram")
        own = as_user(migrated_url, "autograph_diagram", password)
        async with open_database(own, application_name="test", pool_min=1, pool_max=20) as database:
            yield database
    finally:
        await administrator.execute("DROP TABLE diagram.pictures; TRUNCATE diagram.inbox, diagram.outbox")
        await administrator.close()


@pytest.fixture
async def scene(database: Database) -> Scene:
    return Scene(database)


@pytest.fixture
async def broker(servers: Servers) -> AsyncIterator[Vhost]:
    """A virtual host of its own, with the topology and no worker."""
    async with prepared_vhost(servers) as vhost:
        yield vhost
