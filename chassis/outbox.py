"""Publishes the outbox: right after the commit, and by a sweep that finds what a crash left."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

from chassis import failpoints
from chassis.bus.ports import ConfirmMissing, NotPublished, OutgoingMessage, Publisher
from chassis.database import Connection, Database
from chassis.logging import logger
from chassis.metrics import BusMetrics
from chassis.retention import delete_in_batches
from chassis.unit_of_work import Caches, OutboxRow
from contracts.outcome import OUTCOME_DAYS

EXCHANGE = "autograph.events"
BATCH = 64  # rows published at once, their confirms awaited together
BATCH_DELAY_SECONDS = 0.02  # rows are collected this long, as one delete serves them all; no client waits for it
SWEEP_AFTER_SECONDS = 5.0  # a row this old was left by a crash: the relay takes milliseconds
SWEEP_EVERY_SECONDS = 1.0
LEASE_SECONDS = 30.0  # of a sweeper on its rows; longer than any publish may take

_log = logger(__name__)


class OutboxRelay:
    """Publishes committed events with confirms and deletes their rows: at least once, as subscribers apply once.

    Every failure leaves the row in place, and the sweep of any process of the service publishes it.
    """

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        metrics: BusMetrics,
        *,
        sweep_after_seconds: float = SWEEP_AFTER_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._metrics = metrics
        self._sweep_after_seconds = sweep_after_seconds
        self._lease_seconds = lease_seconds
        self._waiting: deque[OutboxRow] = deque()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        """*rows* are committed, and their cache entries invalidated."""
        self._waiting.extend(rows)
        self._idle.clear()
        self._work.set()

    async def relay(self) -> None:
        """Runs for as long as the process: publishes enqueued rows in batches."""
        while True:
            await self._work.wait()
            if len(self._waiting) < BATCH:
                await asyncio.sleep(BATCH_DELAY_SECONDS)
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if batch:
                await self._publish(batch)
            else:
                self._work.clear()
                self._idle.set()

    async def drain(self) -> None:
        """Returns once each enqueued row was published or failed."""
        await self._idle.wait()

    async def sweep(self, caches: Caches) -> None:
        """Finds what a crash left, by age and lease, never by order of ids; called every ``SWEEP_EVERY_SECONDS``."""
        while await self.sweep_once(caches) == BATCH:
            pass
        await self._measure()

    async def sweep_once(self, caches: Caches) -> int:
        """Publish one batch of rows that a crash left; returns how many there were.

        The process that committed a row may have died before it invalidated, so this invalidates first, too.
        """
        async with self._database.connection() as connection:
            records = await connection.fetch(_LEASE, self._sweep_after_seconds, self._lease_seconds, BATCH)
        rows = [_row(record) for record in records]
        invalidated = sorted({name for row in rows for name in row.invalidates})
        if invalidated:
            await caches.invalidate(invalidated)
        if rows:
            _log.info("outbox_rows_recovered", rows=len(rows))
            await self._publish(rows)
        return len(rows)

    async def _publish(self, rows: Sequence[OutboxRow]) -> None:
        confirmed = [
            row.id for row, sent in zip(rows, await asyncio.gather(*map(self._publish_one, rows)), strict=True) if sent
        ]
        if not confirmed:
            return
        if failpoints.ARMED:
            await failpoints.reached("after_publish", rows[0].type)
        try:
            async with self._database.connection() as connection:
                await connection.execute(_DELETE, confirmed)
        except Exception as error:  # noqa: BLE001 - the rows stay, and a sweep publishes them once more
            _log.warning("outbox_rows_not_deleted", rows=len(confirmed), error=type(error).__qualname__)

    async def _publish_one(self, row: OutboxRow) -> bool:
        outgoing = OutgoingMessage(
            exchange=EXCHANGE,
            routing_key=row.routing_key,
            body=row.body,
            type=row.type,
            correlation_id=row.correlation_id,
            mandatory=False,  # an event may have no subscriber
        )
        try:
            await self._publisher.publish(outgoing)
        except (NotPublished, ConfirmMissing) as error:
            _log.warning("event_not_published", error=type(error).__qualname__)
            return False
        return True

    async def _measure(self) -> None:
        async with self._database.connection() as connection:
            record = await connection.fetchrow(_MEASURE)
        if record is not None:
            self._metrics.outbox_depth.set(record["depth"])
            self._metrics.outbox_oldest.set(record["oldest_seconds"])


async def run_inbox_retention(database: Database) -> None:
    """Delete inbox rows after ``OUTCOME_DAYS``."""

    async def delete(connection: Connection, limit: int) -> int:
        return int(await connection.fetchval(_DELETE_EXPIRED, OUTCOME_DAYS, limit))

    await delete_in_batches(database, delete)


def _row(record: Any) -> OutboxRow:
    document = record["envelope"]
    return OutboxRow(
        id=record["id"],
        routing_key=record["routing_key"],
        body=to_json(document),
        correlation_id=document["correlationid"],
        type=document["type"],
        invalidates=tuple(record["invalidates"]),
    )


# An asynchronous commit: a row that comes back after a crash is published once more.
_DELETE = """
    DELETE FROM outbox USING (SELECT set_config('synchronous_commit', 'off', true)) AS quickly
    WHERE id = ANY($1::uuid[])
"""

_LEASE = """
    UPDATE outbox SET leased_until = now() + make_interval(secs => $2), attempts = attempts + 1
    WHERE id IN (
        SELECT id FROM outbox
        WHERE created_at < now() - make_interval(secs => $1) AND (leased_until IS NULL OR leased_until < now())
        ORDER BY created_at
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id, routing_key, envelope, invalidates
"""

_MEASURE = """
    SELECT count(*) AS depth, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds
    FROM outbox
"""

_DELETE_EXPIRED = """
    WITH gone AS (
        DELETE FROM inbox WHERE (consumer, actor, id) IN (
            SELECT consumer, actor, id FROM inbox WHERE handled_at < now() - make_interval(days => $1) LIMIT $2
        )
        RETURNING 1
    )
    SELECT count(*) FROM gone
"""
