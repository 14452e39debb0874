from collections.abc import AsyncIterator

import pytest

from compose.local.stack import Servers
from tests.databases import NewDatabase
from tests.integration.gateway.local_system import Gateway, open_system
from tests.servers import Vhost


@pytest.fixture(scope="package")
async def gateway(servers: Servers, vhost: Vhost, new_database: NewDatabase, redis_url: str) -> AsyncIterator[Gateway]:
    async with (
        new_database() as own_url,
        open_system(servers, vhost, own_url, redis_url) as system,
        system.gateway(sign_in_attempts=0, public_details=True) as gateway,
    ):
        yield gateway
