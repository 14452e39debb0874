"""The members of the leased cache, as recorded in PostgreSQL."""

import asyncio
import re
from uuid import UUID

import asyncpg

from chassis.database import DRIVER_ERRORS

TIMEOUT_SECONDS = 2.0

# Raised when PostgreSQL is unavailable.
POSTGRES_ERRORS = DRIVER_ERRORS


class MemberRecord:
    """The table ``cache_members`` of one schema."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", schema: str) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", schema):
            raise ValueError(f"not the name of a schema: {schema!r}")
        self._pool = pool
        table = f"{schema}.cache_members"
        self._add = f"INSERT INTO {table} (member, joined_at) VALUES ($1, now())"
        self._remove = f"DELETE FROM {table} WHERE member = $1"
        self._all = f"SELECT member FROM {table}"
        self._contains = f"SELECT true FROM {table} WHERE member = $1"

    async def add(self, member: UUID) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await self._pool.execute(self._add, member)

    async def remove(self, member: UUID) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await self._pool.execute(self._remove, member)

    async def all(self) -> set[UUID]:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            rows = await self._pool.fetch(self._all)
        return {UUID(bytes=row["member"].bytes) for row in rows}

    async def contains(self, member: UUID) -> bool:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            found = await self._pool.fetchval(self._contains, member)
        return bool(found)
