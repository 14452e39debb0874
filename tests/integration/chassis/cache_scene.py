"""What tests of the leased cache share."""

from typing import TypeAlias
from uuid import UUID

import asyncpg

from chassis.cache import Timing

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

CACHE_SCHEMA = "cache_test"
OWNERS = {"thing": CACHE_SCHEMA, "other": "other_test"}

FAST = Timing(
    lease_seconds=0.4,
    renew_seconds=0.05,
    margin_seconds=0.1,
    reconcile_seconds=0.1,
    reconciled_for_seconds=0.5,
    dead_after_seconds=1.3,
    retry_seconds=0.01,
)


async def recorded(pool: Pool) -> set[UUID]:
    return {UUID(str(row["member"])) for row in await pool.fetch("SELECT member FROM cache_test.cache_members")}
