"""The schema, what waits to be published, the audit log, and the room for connections."""

from typing import Final

from autograph.database import head_revision
from autograph.doctor.finding import Finding, connected, skew
from autograph.installation import Installation
from chassis.database import OwnConnection, current_revision
from contracts.catalogue import WORKERS

OUTBOX_SECONDS: Final = 60.0  # the sweep finds what a crash left after 5
CONNECTIONS_SHARE: Final = 0.9
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
        findings += await _outboxes(connection)
        broken_at = await connection.fetchval("SELECT auth.audit_log_broken_at()", timeout=AUDIT_SECONDS)
        if broken_at is not None:
            what = f"the audit log's chain does not hold from entry {broken_at} on"
            findings.append(
                Finding("audit_chain_broken", True, what, "somebody changed the log: compare with a backup")
            )
        return findings + await _room(connection)


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


async def _room(connection: OwnConnection) -> list[Finding]:
    [(used, most)] = await connection.fetch(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
        " current_setting('max_connections')::int"
    )
    if used <= most * CONNECTIONS_SHARE:
        return []
    what = f"{used} of {most} connections are in use"
    return [Finding("connections_short", False, what, "raise max_connections or lower AUTOGRAPH_POSTGRES_POOL_MAX")]
