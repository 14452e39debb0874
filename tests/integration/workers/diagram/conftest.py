from collections.abc import AsyncIterator

import asyncpg
import pytest

from autograph.credentials import as_user, service_password
from chassis.database import Database, DirectConnection, open_database
from chassis.objects import ObjectStore, open_object_store
from tests.databases import NewDatabase
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.workers.diagram.scene import Scene
from tests.object_store import S3
from workers.diagram.archive.objects import BUCKET


@pytest.fixture(scope="module")
async def admin_url(new_database: NewDatabase) -> AsyncIterator[str]:
    async with new_database() as url:
        yield url


@pytest.fixture(scope="module")
async def database(admin_url: str) -> AsyncIterator[Database]:
    """As the diagram service reaches it: its own role, its own schema."""
    password = service_password(INSTALLATION_SECRET, "postgres", "diagram")
    url = as_user(admin_url, "autograph_diagram", password)
    async with open_database(url, application_name="test", pool_min=1, pool_max=20) as database:
        yield database


@pytest.fixture(scope="module")
async def administrator(admin_url: str) -> AsyncIterator[DirectConnection]:
    """For what other services do: users, and clocks that nobody may turn back."""
    connection = await asyncpg.connect(admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def store(s3: S3) -> AsyncIterator[ObjectStore]:
    async with open_object_store(s3.url, s3.access_key, s3.secret_key) as store:
        yield store


@pytest.fixture
async def scene(database: Database, administrator: DirectConnection, store: ObjectStore) -> AsyncIterator[Scene]:
    scene = Scene(database, administrator, store)
    await scene.meet("ada")
    await scene.meet("bob")
    yield scene
    for diagram in await scene.all_diagrams():
        for key in [stored.key async for stored in store.list(BUCKET, f"{diagram}/")]:
            await store.delete(BUCKET, key)
    await administrator.execute("TRUNCATE diagram.files, diagram.inbox, diagram.outbox CASCADE")
