"""The SQL of jobs. All times are the database's: runners' clocks may differ.

A row is due at ``coalesce(lease_until, due_at)``: when it is to be run, or when the lease of whoever runs it ends. A
schedule is one row that is queued again for its next slot when it ends, so that it runs once in a cluster, and at most
once after an outage.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import Connection
from chassis.jobs.job import Job, QueuedJob

ENDED_DAYS: Final = 1  # for which a job that succeeded is kept
FAILED_DAYS: Final = 7  # the same for one that failed or was cancelled: an operator may retry it


class LeasedJob(NamedTuple):
    id: UUID
    name: str
    arguments: Any
    envelope: Any  # of the message that caused it; None for a schedule
    attempt: int  # from 1
    failures: int  # in a row
    snoozes: int
    token: UUID
    created_at: datetime


class Count(NamedTuple):
    """Of the jobs of one name."""

    name: str
    queued: int
    running: int
    failed: int
    overdue_seconds: float  # of the one that has been due for the longest; 0 if none is


async def enqueue(connection: Connection, jobs: Iterable[QueuedJob], envelope: bytes) -> None:
    rows = list(jobs)
    await connection.execute(
        _ENQUEUE,
        [row.id for row in rows],
        [row.name for row in rows],
        [row.arguments.decode() for row in rows],
        [row.delay_seconds for row in rows],
        envelope,
    )


async def schedule(connection: Connection, job: Job, every_seconds: float) -> None:
    """Makes the schedule of this name if there is none; it is due at once then. Else changes what differs."""
    await connection.execute(_SCHEDULE, uuid7(), job.name, job.json_bytes(), every_seconds)


async def claim(connection: Connection, room: Mapping[str, int], lease_seconds: float) -> list[LeasedJob]:
    """The jobs that are due, at most *room* of each name, leased to the caller."""
    records = await connection.fetch(_CLAIM, list(room), list(room.values()), lease_seconds)
    return [LeasedJob(**record) for record in records]


async def renew(
    connection: Connection, leases: Mapping[UUID, UUID], lease_seconds: float
) -> tuple[set[UUID], set[UUID]]:
    """*leases*: jobs by token; returns the tokens that still hold, and those of them that were renewed.

    The other jobs are somebody else's, or nobody's. A row that is locked is not waited for, and not renewed.
    """
    rows = await connection.fetch(_RENEW, list(leases), list(leases.values()), lease_seconds)
    return {row["token"] for row in rows}, {row["token"] for row in rows if row["renewed"]}


async def end(connection: Connection, job: UUID, token: UUID) -> bool:
    """Whether *token* still was the job's lease. The row is locked until the transaction commits."""
    return bool(await connection.fetchval(_END, job, token))


async def fail(connection: Connection, job: UUID, token: UUID, error: str, *, retry_seconds: float | None) -> bool:
    """*retry_seconds*: ``None`` if it is given up. A schedule never is: its next slot is another attempt."""
    return bool(await connection.fetchval(_FAIL, job, token, error, retry_seconds or 0.0, retry_seconds is None))


async def snooze(connection: Connection, job: UUID, token: UUID, seconds: float) -> bool:
    return bool(await connection.fetchval(_SNOOZE, job, token, seconds))


async def cancel(connection: Connection, job: UUID, token: UUID, reason: str) -> bool:
    return bool(await connection.fetchval(_CANCEL, job, token, reason))


async def release(connection: Connection, leases: Mapping[UUID, UUID]) -> None:
    """Jobs whose process leaves before they ended: another runner may take them at once. It counts as no attempt."""
    await connection.execute(_RELEASE, list(leases), list(leases.values()))


async def count(connection: Connection) -> list[Count]:
    return [Count(**record) for record in await connection.fetch(_COUNT)]


async def forget(connection: Connection, limit: int) -> int:
    """Deletes jobs that ended long ago, at most *limit*; returns how many."""
    forgotten: int = await connection.fetchval(_FORGET, ENDED_DAYS, FAILED_DAYS, limit)
    return forgotten


_ENQUEUE = """
    INSERT INTO jobs (id, name, arguments, due_at, envelope)
    SELECT id, name, arguments::jsonb, now() + make_interval(secs => delay), $5::jsonb
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::float8[]) AS row (id, name, arguments, delay)
"""

# One that was cancelled comes again when a process starts that has it.
_SCHEDULE = """
    INSERT INTO jobs AS kept (id, name, arguments, every_seconds, slot_at) VALUES ($1, $2, $3, $4, now())
    ON CONFLICT (name) WHERE every_seconds IS NOT NULL DO UPDATE
        SET arguments = excluded.arguments, every_seconds = excluded.every_seconds,
            due_at = least(kept.due_at, now() + make_interval(secs => excluded.every_seconds)),
            state = CASE kept.state WHEN 'running' THEN kept.state ELSE 'queued' END
        WHERE (kept.arguments, kept.every_seconds) IS DISTINCT FROM (excluded.arguments, excluded.every_seconds)
           OR kept.state = 'cancelled'
"""

_CLAIM = """
    UPDATE jobs
    SET state = 'running', attempt = attempt + 1, lease_token = gen_random_uuid(),
        lease_until = now() + make_interval(secs => $3), started_at = now()
    FROM unnest($1::text[], $2::int[]) AS room (name, free)
    CROSS JOIN LATERAL (
        SELECT jobs.id FROM jobs
        WHERE jobs.name = room.name AND state IN ('queued', 'running') AND coalesce(lease_until, due_at) <= now()
        ORDER BY coalesce(lease_until, due_at)
        LIMIT room.free
        FOR UPDATE SKIP LOCKED
    ) AS due
    WHERE jobs.id = due.id
    RETURNING jobs.id, jobs.name, arguments, envelope, attempt, failures, snoozes, lease_token AS token, created_at
"""

_RENEW = """
    WITH lease AS (SELECT token, job FROM unnest($1::uuid[], $2::uuid[]) AS lease (token, job)),
    free AS (
        SELECT jobs.id FROM jobs JOIN lease ON jobs.id = lease.job AND jobs.lease_token = lease.token
        FOR UPDATE OF jobs SKIP LOCKED
    ),
    renewed AS (
        UPDATE jobs SET lease_until = now() + make_interval(secs => $3) FROM free
        WHERE jobs.id = free.id
        RETURNING jobs.id
    )
    SELECT token, job IN (SELECT id FROM renewed) AS renewed
    FROM lease JOIN jobs ON jobs.id = lease.job AND jobs.lease_token = lease.token
"""

_NEXT_SLOT = """
    slot_at + make_interval(
        secs => every_seconds * (floor(extract(epoch FROM now() - slot_at)::float8 / every_seconds) + 1)
    )
"""

# The fence: without the token nothing is written, and what else is in the caller's transaction is rolled back.
_END = f"""
    UPDATE jobs
    SET state = CASE WHEN every_seconds IS NULL THEN 'succeeded' ELSE 'queued' END,
        due_at = CASE WHEN every_seconds IS NULL THEN due_at ELSE {_NEXT_SLOT} END,
        attempt = CASE WHEN every_seconds IS NULL THEN attempt ELSE 0 END,
        snoozes = CASE WHEN every_seconds IS NULL THEN snoozes ELSE 0 END,
        failures = 0, error = NULL, lease_token = NULL, lease_until = NULL, ended_at = now()
    WHERE id = $1 AND lease_token = $2
    RETURNING true
"""

_FAIL = f"""
    UPDATE jobs
    SET state = CASE WHEN $5 AND every_seconds IS NULL THEN 'failed' ELSE 'queued' END,
        due_at = CASE
            WHEN every_seconds IS NULL THEN now() + make_interval(secs => $4)
            WHEN $5 THEN {_NEXT_SLOT}
            ELSE least(now() + make_interval(secs => $4), {_NEXT_SLOT})
        END,
        attempt = CASE WHEN $5 AND every_seconds IS NOT NULL THEN 0 ELSE attempt END,
        ended_at = CASE WHEN $5 THEN now() ELSE ended_at END,
        failures = failures + 1, error = $3, lease_token = NULL, lease_until = NULL
    WHERE id = $1 AND lease_token = $2
    RETURNING true
"""

_SNOOZE = """
    UPDATE jobs
    SET state = 'queued', due_at = now() + make_interval(secs => $3), attempt = greatest(attempt - 1, 0),
        snoozes = snoozes + 1, lease_token = NULL, lease_until = NULL
    WHERE id = $1 AND lease_token = $2
    RETURNING true
"""

_CANCEL = """
    UPDATE jobs SET state = 'cancelled', error = $3, lease_token = NULL, lease_until = NULL, ended_at = now()
    WHERE id = $1 AND lease_token = $2
    RETURNING true
"""

_RELEASE = """
    UPDATE jobs
    SET state = 'queued', due_at = now(), attempt = greatest(attempt - 1, 0), lease_token = NULL, lease_until = NULL
    FROM unnest($1::uuid[], $2::uuid[]) AS lease (token, job)
    WHERE id = job AND lease_token = token
"""

_COUNT = """
    SELECT name,
           count(*) FILTER (WHERE state = 'queued') AS queued,
           count(*) FILTER (WHERE state = 'running') AS running,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           coalesce(extract(epoch FROM now() - min(coalesce(lease_until, due_at)) FILTER (
               WHERE state IN ('queued', 'running') AND coalesce(lease_until, due_at) < now()
           )), 0)::float8 AS overdue_seconds
    FROM jobs GROUP BY name
"""

_FORGET = """
    WITH gone AS (
        DELETE FROM jobs WHERE id IN (
            SELECT id FROM jobs
            WHERE state = 'succeeded' AND ended_at < now() - make_interval(days => $1)
               OR state IN ('failed', 'cancelled') AND ended_at < now() - make_interval(days => $2)
            LIMIT $3
        )
        RETURNING 1
    )
    SELECT count(*) FROM gone
"""
