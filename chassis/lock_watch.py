"""Logs statements that wait for a lock, and who blocks them: after the timeout that cannot be found out any more."""

from typing import Final

from chassis.database import Database
from chassis.logging import logger

WATCH_EVERY_SECONDS: Final = 2.0
WAITED_SECONDS: Final = 2.0

_log = logger(__name__)


async def watch_locks(database: Database) -> None:
    """Logs who waits now. Each process of a service tells of all statements of the service's role."""
    async with database.connection() as connection:
        rows = await connection.fetch(_WAITING, WAITED_SECONDS)
    for row in rows:
        _log.warning(
            "statement_waits_for_lock",
            statement=row["statement"],
            seconds=round(row["seconds"], 1),
            pid=row["pid"],
            blocked_by=row["blocked_by"],
        )


# This role may not see the statements of other roles' sessions, but their process ids and names.
_WAITING = """
    SELECT pid, left(regexp_replace(query, '\\s+', ' ', 'g'), 300) AS statement,
           extract(epoch FROM now() - query_start)::float8 AS seconds,
           ARRAY(
               SELECT blocker.pid || ' ' || coalesce(blocker.application_name, '')
               FROM pg_stat_activity AS blocker WHERE blocker.pid = ANY(pg_blocking_pids(waiter.pid))
           ) AS blocked_by
    FROM pg_stat_activity AS waiter
    WHERE usename = current_user AND wait_event_type = 'Lock' AND now() - query_start > make_interval(secs => $1)
"""
