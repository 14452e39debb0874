"""Databases of their own for tests that must not share one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg


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
