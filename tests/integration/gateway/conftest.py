from collections.abc import AsyncIterator

import pytest

from compose.local.stack import Servers
from tests.databases import NewDatabase
from tests.integration.gateway.house import House, open_house
from tests.integration.gateway.scene import Scene, open_scene
from tests.servers import Vhost


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with open_scene() as scene:
        yield scene


@pytest.fixture(scope="package")
async def house(servers: Servers, vhost: Vhost, new_database: NewDatabase, redis_url: str) -> AsyncIterator[House]:
    async with new_database() as own_url, open_house(servers, vhost, own_url, redis_url) as house:
        yield house
