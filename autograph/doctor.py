"""``autograph doctor``: looks at a running installation, changes nothing, and says what to do."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Final

import aio_pika
import aiohttp
import asyncpg
import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from autograph.broker import open_broker
from autograph.buckets import BUCKETS
from autograph.database import head_revision
from autograph.installation import Installation, installation
from autograph.topology import NEEDED, check_topology
from chassis.database import OwnConnection, current_revision
from chassis.objects import s3_client
from contracts.catalogue import WORKERS

CHECK_SECONDS: Final = 30.0
SKEW_WARNED_SECONDS, SKEW_WRONG_SECONDS = 1.0, 5.0  # tokens bear 30 s, deadlines little more than a second
OUTBOX_SECONDS = 60.0  # the sweep finds what a crash left after 5
WAITING = 1_000  # messages in one queue: at 300 a second it is behind by more than three seconds
CONNECTIONS_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Finding:
    """*code* is stable, and a heading of the runbook; *error*: something does not work, else it will not for long."""

    code: str
    error: bool
    what: str
    do: str


def doctor(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")] = False
) -> None:
    """Check a running installation, and say what to do. Exit status 1: there are findings; 2: no server answers."""
    findings = asyncio.run(examine(installation()))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))  # noqa: T201 - this is the output
    elif findings:
        table = Table("finding", "what is so", "what to do", box=None, pad_edge=False)
        for finding in findings:
            style = "bold red" if finding.error else "yellow"
            table.add_row(f"[{style}]{finding.code}[/]", finding.what, finding.do)
        Console().print(table)
    else:
        Console().print("All is well.")
    if findings:
        away = {finding.code for finding in findings} >= {f"{server}_unreachable" for server in _OPENED}
        raise typer.Exit(2 if away else 1)


async def examine(found: Installation) -> list[Finding]:
    """All findings, errors first. A server that is away is one finding, and the others are looked at all the same."""
    groups = await asyncio.gather(*(_visit(server, look, found) for server, look in _OPENED.items()))
    return sorted((finding for group in groups for finding in group), key=lambda one: (not one.error, one.code))


async def _visit(
    server: str, look: Callable[[Installation], Awaitable[list[Finding]]], found: Installation
) -> list[Finding]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await look(found)
    except (OSError, TimeoutError, aiohttp.ClientError, asyncpg.PostgresError, RedisError) as error:
        what = f"{type(error).__name__}: {error}"[:200]
        return [Finding(f"{server}_unreachable", True, what, f"start {server}, or mend its AUTOGRAPH_*_URL")]


async def _postgres(found: Installation) -> list[Finding]:
    before = time.time()
    async with _connected(found.servers.postgres_url) as connection:
        findings = skew("postgres", (await connection.fetchval("SELECT clock_timestamp()")).timestamp(), before)
        revision, head = await current_revision(connection), head_revision()
        if revision != head:
            what = f"the schema is at revision {revision or 'none'}, this release's is {head}"
            return [*findings, Finding("schema_revision", True, what, "autograph migrate")]
        for schema in WORKERS:
            [(count, oldest)] = await connection.fetch(
                f"SELECT count(*), extract(epoch FROM now() - min(created_at))::float8 FROM {schema}.outbox"  # noqa: S608 - our own names
            )
            if count and oldest > OUTBOX_SECONDS:
                what = f"{count} events of {schema} are not published, the oldest for {oldest:.0f} s"
                findings.append(
                    Finding("outbox_stuck", True, what, f"look at the {schema} worker's log and the broker")
                )
        broken_at = await connection.fetchval("SELECT auth.audit_log_broken_at()")
        if broken_at is not None:
            what = f"the audit log's chain does not hold from entry {broken_at} on"
            findings.append(
                Finding("audit_chain_broken", True, what, "somebody changed the log: compare with a backup")
            )
        [(used, most)] = await connection.fetch(
            "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
            " current_setting('max_connections')::int"
        )
        if used > most * CONNECTIONS_SHARE:
            what = f"{used} of {most} connections are in use"
            findings.append(
                Finding("connections_short", False, what, "raise max_connections or lower AUTOGRAPH_POSTGRES_POOL_MAX")
            )
    return findings


async def _rabbitmq(found: Installation) -> list[Finding]:
    servers = found.servers
    differences = await check_topology(servers.rabbitmq_url, servers.rabbitmq_management_url)
    findings = [Finding("topology_differs", True, difference, "autograph migrate") for difference in differences]
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        for node in await broker.get("nodes"):
            for alarm in ("mem_alarm", "disk_free_alarm"):
                if node.get(alarm):
                    what = f"{node['name']} has raised {alarm}: nothing is published"
                    findings.append(Finding("broker_alarm", True, what, "give it memory or disk"))
    if not differences:  # a queue that is missing cannot be looked at
        findings += await _queues(servers.rabbitmq_url)
    return findings


async def _queues(amqp_url: str) -> list[Finding]:
    """By AMQP's own counts: the management API's lag by seconds, and then a worker that has just come is not there."""
    findings = []
    async with await aio_pika.connect(amqp_url, timeout=10) as connection, connection.channel() as channel:
        for name in NEEDED.queues:
            if name.startswith("retry."):
                continue
            found = (await channel.declare_queue(name, passive=True)).declaration_result
            waiting = found.message_count or 0
            worker = name.split(".")[0]
            if name.endswith(".parked"):
                if waiting:
                    what = f"{waiting} messages are parked in {name}"
                    findings.append(Finding("messages_parked", False, what, "autograph parked list"))
                continue
            if not found.consumer_count:
                what = f"nobody takes from {name}"
                findings.append(Finding("queue_without_consumer", True, what, f"start the {worker} worker"))
            if waiting > WAITING:
                what = f"{waiting} messages wait in {name}"
                findings.append(Finding("queue_long", False, what, f"start more {worker} workers"))
    return findings


async def _redis(found: Installation) -> list[Finding]:
    before = time.time()
    async with Redis.from_url(found.servers.redis_url, socket_timeout=5, socket_connect_timeout=5) as redis:
        seconds, microseconds = await redis.time()
        return skew("redis", seconds + microseconds / 1e6, before)


async def _s3(found: Installation) -> list[Finding]:
    """Buckets, and whether what the database says is archived is there and the reverse."""
    store = found.servers.s3
    findings = []
    async with s3_client(store.url, store.access_key, store.secret_key, region=found.s3_region) as client:
        before = time.time()
        answer = await client.list_buckets()
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date:
            findings += skew("s3", parsedate_to_datetime(date).timestamp() + 0.5, before)
        missing = set(BUCKETS) - {bucket["Name"] for bucket in answer["Buckets"]}
        if missing:
            what = f"there is no bucket {', '.join(sorted(missing))}"
            return [*findings, Finding("bucket_missing", True, what, "autograph migrate")]
        stored: dict[str, datetime] = {}
        async for page in client.get_paginator("list_objects_v2").paginate(Bucket="diagrams"):
            stored |= {item["Key"]: item["LastModified"] for item in page.get("Contents", ())}
    async with _connected(found.servers.postgres_url) as connection, connection.transaction():
        wanted = set()
        async for row in connection.cursor("SELECT object_key FROM diagram.versions WHERE object_key IS NOT NULL"):
            wanted.add(row["object_key"])
    return [*findings, *compare_objects(wanted, stored, datetime.now(UTC))]


def compare_objects(wanted: set[str], stored: dict[str, datetime], now: datetime) -> list[Finding]:
    """*wanted* was read after *stored*: what is archived meanwhile is only missing if its object is a minute's old."""
    findings = []
    lost = sorted(wanted - stored.keys())
    if lost:
        what = f"{len(lost)} archived versions have no object, first {lost[0]}"
        findings.append(Finding("objects_missing", True, what, "run doctor again; then restore them from a backup"))
    orphans = [key for key, at in stored.items() if key not in wanted and now - at > timedelta(days=1)]
    if orphans:
        what = f"{len(orphans)} objects belong to no version, first {min(orphans)}"
        findings.append(Finding("objects_orphaned", False, what, "they cost room only"))
    return findings


def skew(server: str, told: float, before: float) -> list[Finding]:
    """*told* by the server at some time between *before*, by our clock, and now."""
    apart = told - min(max(told, before), time.time())
    if abs(apart) <= SKEW_WARNED_SECONDS:
        return []
    what = f"{server}'s clock is {apart:+.1f} s apart from this machine's"
    return [Finding("clock_skew", abs(apart) > SKEW_WRONG_SECONDS, what, "synchronise the clocks (NTP)")]


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[OwnConnection]:
    connection = await asyncpg.connect(url, timeout=5, command_timeout=CHECK_SECONDS)
    try:
        yield connection
    finally:
        await connection.close()


_OPENED: Final[dict[str, Callable[[Installation], Awaitable[list[Finding]]]]] = {
    "postgres": _postgres,
    "rabbitmq": _rabbitmq,
    "redis": _redis,
    "s3": _s3,
}
