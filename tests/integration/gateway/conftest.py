from collections.abc import AsyncIterator

import pytest

from compose.local.stack import Servers
from tests.databases import unused_database
from tests.integration.gateway.house import House, open_house
from tests.integration.gateway.scene import Scene, open_scene
from tests.servers import Vhost


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with open_scene() as scene:
        yield scene


@pytest.fixture(scope="package")
async def house(servers: Servers, vhost: Vhost, database_url: str, redis_url: str) -> AsyncIterator[House]:
    async with unused_database(database_url) as own_url, open_house(servers, vhost, own_url, redis_url) as house:
        yield house
