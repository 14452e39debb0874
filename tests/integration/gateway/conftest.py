from collections.abc import AsyncIterator

import pytest

from compose.local.stack import Servers
from tests.databases import NewDatabase
from tests.integration.gateway.local_system import LocalSystem, open_system
from tests.integration.gateway.scene import Scene, open_scene
from tests.servers import Vhost


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with open_scene() as scene:
        yield scene


@pytest.fixture(scope="package")
async def system(
    servers: Servers, vhost: Vhost, new_database: NewDatabase, redis_url: str
) -> AsyncIterator[LocalSystem]:
    async with new_database() as own_url, open_system(servers, vhost, own_url, redis_url) as system:
        yield system
