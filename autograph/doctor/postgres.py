"""Checks PostgreSQL: schema, outboxes, locks, audit log, other databases and free connections."""

from typing import Final

from autograph.database import ROLES, head_revision, role_of
from autograph.doctor.finding import Finding, connected, skew
from autograph.installation import Installation
from chassis.database import DirectConnection, current_revision
from contracts.catalogue import WORKERS

OUTBOX_SECONDS: Final = 60.0  # after a crash the sweep publishes after 5 s
JOBS_OVERDUE_SECONDS: Final = 300.0  # a lease that its process left behind ends after 30
JOB_FAILURES: Final = 5  # in a row: by then it was tried for half a minute
CONNECTIONS_SHARE: Final = 0.9
LOCK_SECONDS: Final = 2.0  # short waits for locks are normal
TRANSACTION_SECONDS: Final = 300.0  # a backup's dump is one transaction
AUDIT_SECONDS: Final = 900.0  # rehashes every entry


async def check(found: Installation) -> list[Finding]:
    async with connected(found.servers.postgres_url) as connection:

        async def server_time() -> float:
            return float((await connection.fetchval("SELECT clock_timestamp()")).timestamp())

        findings = await skew("postgres", server_time)
        revision, head = await current_revision(connection), head_revision()
        if revision != head:
            what = f"the schema is at revision {revision or 'none'}, this release's is {head}"
            return [*findings, Finding("schema_revision", True, what, "autograph migrate")]
        there = "SELECT to_regclass($1) IS NOT NULL"
        missing = [schema for schema in WORKERS if not await connection.fetchval(there, f"{schema}.outbox")]
        if missing:
            what = f"there is no schema {' and none '.join(missing)}"
            return [*findings, Finding("schema_revision", True, what, "autograph migrate")]
        blockers = await _blockers(connection)
        findings += blockers
        if any(finding.error for finding in blockers):
            return findings  # the tables may be locked
        findings += await _outboxes(connection)
        findings += await _jobs(connection)
        broken_at = await connection.fetchval("SELECT auth.audit_log_broken_at()", timeout=AUDIT_SECONDS)
        if broken_at is not None:
            what = f"the audit log's hash chain is broken from entry {broken_at} on"
            findings.append(Finding("audit_chain_broken", True, what, "the log was changed: compare it with a backup"))
        return [*findings, *await _other_databases(connection), *await _connection_headroom(connection)]


async def _outboxes(connection: DirectConnection) -> list[Finding]:
    findings = []
    for schema in WORKERS:
        [(count, oldest)] = await connection.fetch(
            f"SELECT count(*), extract(epoch FROM now() - min(created_at))::float8 FROM {schema}.outbox"
        )
        if count and oldest > OUTBOX_SECONDS:
            what = f"{count} events of {schema} are not published, the oldest for {oldest:.0f} s"
            findings.append(Finding("outbox_stuck", True, what, f"look at the {schema} worker's log and the broker"))
    return findings


async def _jobs(connection: DirectConnection) -> list[Finding]:
    findings = []
    for schema in WORKERS:
        for row in await connection.fetch(_JOBS.format(schema=schema), JOB_FAILURES):
            jobs = f"{row['name']} jobs of {schema}"
            if row["overdue_seconds"] > JOBS_OVERDUE_SECONDS:
                what = f"{row['due']} {jobs} are due, the oldest for {row['overdue_seconds']:.0f} s"
                do = f"start the {schema} worker; if it runs, see its log and `autograph jobs list`"
                findings.append(Finding("jobs_overdue", True, what, do))
            if row["failed"]:
                what = f"{row['failed']} {jobs} have failed: {row['error']}"
                findings.append(Finding("jobs_failed", True, what, "mend the cause, then `autograph jobs retry`"))
            if row["failing"]:
                what = f"{row['failing']} {jobs} fail again and again: {row['error']}"
                findings.append(Finding("jobs_failing", False, what, f"see the {schema} worker's log"))
    return findings


_JOBS: Final = """
    SELECT name,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           count(*) FILTER (WHERE state <> 'failed' AND failures >= $1) AS failing,
           (array_agg(error ORDER BY failures DESC) FILTER (WHERE error IS NOT NULL))[1] AS error,
           count(*) FILTER (WHERE state <> 'failed' AND coalesce(lease_until, due_at) < now()) AS due,
           coalesce(extract(epoch FROM now() - min(coalesce(lease_until, due_at)) FILTER (
               WHERE state <> 'failed')), 0)::float8 AS overdue_seconds
    FROM {schema}.jobs
    WHERE state IN ('queued', 'running', 'failed')
    GROUP BY name
    ORDER BY name
"""


async def _other_databases(connection: DirectConnection) -> list[Finding]:
    open_to_us = await connection.fetch(
        """
        SELECT DISTINCT datname FROM pg_database, unnest($1::name[]) AS role
        WHERE datallowconn AND datname <> current_database() AND has_database_privilege(role, datname, 'CONNECT')
        ORDER BY datname
        """,
        [role_of(service) for service in ROLES],
    )
    return [
        Finding(
            "database_open",
            False,
            f"the services' roles may also connect to the database {row['datname']}",
            f"REVOKE CONNECT ON DATABASE {row['datname']} FROM PUBLIC, and grant it to whom it serves",
        )
        for row in open_to_us
    ]


async def _blockers(connection: DirectConnection) -> list[Finding]:
    """Sessions that block others, and transactions that are open for a long time."""
    findings = []
    for row in await connection.fetch(_BLOCKING, LOCK_SECONDS):
        what = (
            f"process {row['pid']} of PostgreSQL ({row['who']}) has blocked {row['waiting']} others for"
            f" {row['seconds']:.0f} s: {row['query']}"
        )
        findings.append(
            Finding("database_lock", True, what, f"let it end, or SELECT pg_terminate_backend({row['pid']})")
        )
    for row in await connection.fetch(_LONG, TRANSACTION_SECONDS):
        what = (
            f"a transaction of process {row['pid']} ({row['who']}) is open for {row['seconds']:.0f} s: {row['query']}"
        )
        do = f"let it end, or SELECT pg_terminate_backend({row['pid']}): until then nothing is vacuumed behind it"
        findings.append(Finding("transaction_long", False, what, do))
    return findings


_WHO: Final = "coalesce(nullif(application_name, ''), usename, backend_type)"
# Only those that are not blocked themselves.
_BLOCKING: Final = rf"""
    WITH waiting AS (
        SELECT unnest(pg_blocking_pids(pid)) AS blocker, pid, now() - state_change AS since
        FROM pg_stat_activity WHERE wait_event_type = 'Lock'
    )
    SELECT activity.pid, {_WHO} AS who, left(regexp_replace(query, '\s+', ' ', 'g'), 120) AS query,
           count(DISTINCT waiting.pid) AS waiting, extract(epoch FROM max(since))::float8 AS seconds
    FROM waiting JOIN pg_stat_activity AS activity ON activity.pid = blocker
    WHERE cardinality(pg_blocking_pids(activity.pid)) = 0
    GROUP BY activity.pid, who, query
    HAVING extract(epoch FROM max(since)) > $1
    ORDER BY activity.pid
"""
_LONG: Final = rf"""
    SELECT pid, {_WHO} AS who, left(regexp_replace(query, '\s+', ' ', 'g'), 120) AS query,
           extract(epoch FROM now() - xact_start)::float8 AS seconds
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
      AND extract(epoch FROM now() - xact_start) > $1
    ORDER BY pid
"""


async def _connection_headroom(connection: DirectConnection) -> list[Finding]:
    [(used, maximum)] = await connection.fetch(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
        " current_setting('max_connections')::int"
    )
    if used <= maximum * CONNECTIONS_SHARE:
        return []
    what = f"{used} of {maximum} connections are in use"
    return [Finding("connections_short", False, what, "raise max_connections or lower AUTOGRAPH_POSTGRES_POOL_MAX")]
