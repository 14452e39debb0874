from collections.abc import AsyncIterator

import pytest

from compose.local.stack import Servers
from tests.databases import NewDatabase
from tests.integration.gateway.house import Gateway, open_house
from tests.servers import Vhost


@pytest.fixture(scope="package")
async def gateway(servers: Servers, vhost: Vhost, new_database: NewDatabase, redis_url: str) -> AsyncIterator[Gateway]:
    async with (
        new_database() as own_url,
        open_house(servers, vhost, own_url, redis_url) as house,
        house.gateway(sign_in_attempts=0, public_details=True) as gateway,
    ):
        yield gateway
