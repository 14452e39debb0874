"""Old rows are deleted in batches, so that no statement holds its locks for long."""

from collections.abc import Awaitable, Callable
from typing import Final

from chassis.database import Connection, Database

BATCH_ROWS: Final = 5_000


async def delete_in_batches(database: Database, delete: Callable[[Connection, int], Awaitable[int]]) -> int:
    """Calls *delete* with the most rows that it may delete until it finds fewer; returns how many it deleted.

    Each batch commits by itself.
    """
    deleted = 0
    while True:
        async with database.connection() as connection:
            batch = await delete(connection, BATCH_ROWS)
        deleted += batch
        if batch < BATCH_ROWS:
            return deleted
