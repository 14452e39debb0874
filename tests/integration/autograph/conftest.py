from collections.abc import AsyncIterator

import asyncpg
import pytest

from autograph.credentials import as_user, service_password
from chassis.database import DirectConnection
from tests.databases import NewDatabase, unused_database
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.logging_state import logging_as_before

__all__ = ["logging_as_before"]


@pytest.fixture
async def unused_url(database_url: str) -> AsyncIterator[str]:
    """An administrator's URL of a database that does not exist yet."""
    async with unused_database(database_url) as url:
        yield url


@pytest.fixture(scope="module")
async def admin_url(new_database: NewDatabase) -> AsyncIterator[str]:
    """An administrator's URL of a migrated database."""
    async with new_database() as url:
        yield url


@pytest.fixture
async def administrator(admin_url: str) -> AsyncIterator[DirectConnection]:
    """A superuser's connection; what is done with it is rolled back."""
    connection = await asyncpg.connect(admin_url)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.fixture
def auth_url(admin_url: str) -> str:
    return as_user(admin_url, "autograph_auth", service_password(INSTALLATION_SECRET, "postgres", "auth"))


@pytest.fixture
def diagram_url(admin_url: str) -> str:
    return as_user(admin_url, "autograph_diagram", service_password(INSTALLATION_SECRET, "postgres", "diagram"))
