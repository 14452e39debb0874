"""A migrated database for each module, used with the service's own role."""

from collections.abc import AsyncIterator

import pytest

from autograph.credentials import as_user, service_password
from chassis.database import Database, open_database
from tests.databases import NewDatabase
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.workers.auth.scene import Scene, open_scene


@pytest.fixture(scope="module")
async def admin_url(new_database: NewDatabase) -> AsyncIterator[str]:
    async with new_database() as url:
        yield url


@pytest.fixture(scope="module")
def auth_url(admin_url: str) -> str:
    return as_user(admin_url, "autograph_auth", service_password(INSTALLATION_SECRET, "postgres", "auth"))


@pytest.fixture(scope="module")
async def database(auth_url: str) -> AsyncIterator[Database]:
    async with open_database(auth_url, application_name="test", pool_min=1, pool_max=20) as database:
        yield database


@pytest.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    async with open_scene(database) as scene:
        yield scene
