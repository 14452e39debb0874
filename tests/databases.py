"""Databases of their own for tests that must not share one."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from autograph.database import migrate_database
from tests.integration.autograph.installation import INSTALLATION_SECRET

NewDatabase = Callable[[], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def unused_database(admin_url: str) -> AsyncIterator[str]:
    """An administrator's URL of a database that does not exist; whatever is made there is dropped."""
    name = f"test_{uuid4().hex}"
    try:
        yield urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))
    finally:
        server = await asyncpg.connect(admin_url)
        try:
            await server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await server.close()


@asynccontextmanager
async def template_database(admin_url: str) -> AsyncIterator[NewDatabase]:
    """Makes databases as ``autograph migrate`` leaves them: copies of one that is migrated once. Each is a URL."""
    async with unused_database(admin_url) as template:
        await migrate_database(template, INSTALLATION_SECRET)
        yield partial(_copied, admin_url, template)


@asynccontextmanager
async def _copied(admin_url: str, template: str) -> AsyncIterator[str]:
    async with unused_database(admin_url) as url:
        server = await asyncpg.connect(admin_url)
        try:
            await server.execute(f'CREATE DATABASE "{_name(url)}" TEMPLATE "{_name(template)}"')
        finally:
            await server.close()
        await migrate_database(url, INSTALLATION_SECRET)  # what a role may do in a database is not copied with it
        yield url


def _name(url: str) -> str:
    return url.rpartition("/")[2]
