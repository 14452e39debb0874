"""The schema, what waits to be published, the audit log, and the room for connections."""

from typing import Final

from autograph.database import ROLES, head_revision, role_of
from autograph.doctor.finding import Finding, connected, skew
from autograph.installation import Installation
from chassis.database import OwnConnection, current_revision
from contracts.catalogue import WORKERS

OUTBOX_SECONDS: Final = 60.0  # the sweep finds what a crash left after 5
CONNECTIONS_SHARE: Final = 0.9
LOCK_SECONDS: Final = 2.0  # for which somebody waits: a moment's lock is nobody's trouble
TRANSACTION_SECONDS: Final = 300.0  # a backup's dump is one transaction
AUDIT_SECONDS: Final = 900.0  # every entry is hashed again


async def look(found: Installation) -> list[Finding]:
    async with connected(found.servers.postgres_url) as connection:

        async def told() -> float:
            return float((await connection.fetchval("SELECT clock_timestamp()")).timestamp())

        findings = await skew("postgres", told)
        revision, head = await current_revision(connection), head_revision()
        if revision != head:
            what = f"the schema is at revision {revision or 'none'}, this release's is {head}"
            return [*findings, Finding("schema_revision", True, what, "autograph migrate")]
        there = "SELECT to_regclass($1) IS NOT NULL"
        missing = [schema for schema in WORKERS if not await connection.fetchval(there, f"{schema}.outbox")]
        if missing:
            what = f"there is no schema {' and none '.join(missing)}"
            return [*findings, Finding("schema_revision", True, what, "autograph migrate")]
        held_up = await _held_up(connection)
        findings += held_up
        if any(finding.error for finding in held_up):
            return findings  # what is locked cannot be looked at
        findings += await _outboxes(connection)
        broken_at = await connection.fetchval("SELECT auth.audit_log_broken_at()", timeout=AUDIT_SECONDS)
        if broken_at is not None:
            what = f"the audit log's chain does not hold from entry {broken_at} on"
            findings.append(
                Finding("audit_chain_broken", True, what, "somebody changed the log: compare with a backup")
            )
        return [*findings, *await _other_databases(connection), *await _room(connection)]


async def _outboxes(connection: OwnConnection) -> list[Finding]:
    findings = []
    for schema in WORKERS:
        [(count, oldest)] = await connection.fetch(
            f"SELECT count(*), extract(epoch FROM now() - min(created_at))::float8 FROM {schema}.outbox"  # noqa: S608 - our own names
        )
        if count and oldest > OUTBOX_SECONDS:
            what = f"{count} events of {schema} are not published, the oldest for {oldest:.0f} s"
            findings.append(Finding("outbox_stuck", True, what, f"look at the {schema} worker's log and the broker"))
    return findings


async def _other_databases(connection: OwnConnection) -> list[Finding]:
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


async def _held_up(connection: OwnConnection) -> list[Finding]:
    """Whoever holds others up, by a lock or by a transaction that does not end. Each for how long, and who waits."""
    findings = []
    for row in await connection.fetch(_BLOCKING, LOCK_SECONDS):
        what = (
            f"process {row['pid']} of PostgreSQL ({row['who']}) has held up {row['waiting']} others for"
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
# The ones at the front of the queue, who wait for nobody themselves.
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
"""  # noqa: S608 - a constant of this file
_LONG: Final = rf"""
    SELECT pid, {_WHO} AS who, left(regexp_replace(query, '\s+', ' ', 'g'), 120) AS query,
           extract(epoch FROM now() - xact_start)::float8 AS seconds
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
      AND extract(epoch FROM now() - xact_start) > $1
    ORDER BY pid
"""  # noqa: S608 - a constant of this file


async def _room(connection: OwnConnection) -> list[Finding]:
    [(used, most)] = await connection.fetch(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
        " current_setting('max_connections')::int"
    )
    if used <= most * CONNECTIONS_SHARE:
        return []
    what = f"{used} of {most} connections are in use"
    return [Finding("connections_short", False, what, "raise max_connections or lower AUTOGRAPH_POSTGRES_POOL_MAX")]
