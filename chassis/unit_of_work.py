"""One message, one transaction: inbox row, state, outbox rows and the outcome commit together or not at all.

After the commit, and before the reply is sent, the cache entries that the message changed are invalidated.

The rule for every handler: invalidate every entry that its outcome says has changed or ended, even if another command
changed it. The process that executed that command may have committed and not yet invalidated. A refusal is an outcome
too: call ``Work.invalidate`` before raising it.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import failpoints
from chassis.database import Connection, Database
from chassis.group_commit import GroupCommit
from chassis.jobs import storage as job_storage
from chassis.jobs.job import InvalidateCaches, Job, QueuedJob
from contracts.envelope import Envelope, encode
from contracts.message import Event, Reply
from contracts.outcome import Outcome
from contracts.refusal import IdempotencyKeyReused, Refusal

ReplyT = TypeVar("ReplyT", bound=Reply | None)


INVALIDATE_AFTER_SECONDS = 5.0  # by another process, if the one that committed has died


class AlreadyHandled(Exception):
    """The inbox has this message: the reply is the outcome in its row."""


class Caches(Protocol):
    async def invalidate(self, names: Sequence[str]) -> None:
        """Returns once no gateway can answer with what was cached under *names*."""


class OutboxRow(NamedTuple):
    """An event that was committed and is not yet confirmed by the broker."""

    id: UUID
    routing_key: str
    body: bytes  # the CloudEvents document
    correlation_id: str
    type: str
    invalidates: tuple[str, ...] = ()


class Relay(Protocol):
    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        """Publish committed rows in the background. After a crash the sweep publishes them."""


@dataclass(frozen=True, slots=True)
class InboxRow:
    outcome: Outcome
    fingerprint: str | None
    invalidates: tuple[str, ...]

    def outcome_for(self, fingerprint: str | None) -> Outcome:
        """The recorded outcome, or ``IdempotencyKeyReused`` if *fingerprint* is that of another request."""
        return self.outcome if self.fingerprint == fingerprint else Outcome.refused(IdempotencyKeyReused())


@dataclass(slots=True, kw_only=True)
class Work:
    """What a message leads to beside the state: its outcome, its events, and the cache entries to invalidate."""

    envelope: Envelope
    source: str
    now: datetime
    outcome: Outcome = field(default_factory=lambda: Outcome.succeeded(None))
    outbox: list[OutboxRow] = field(default_factory=list)
    invalidated: list[str] = field(default_factory=list)

    def publish(self, event: Event, *, subject: str, sequence: int, partitionkey: str | None = None) -> None:
        """Add *event* about *subject* (``diagram/<id>``) to the outbox.

        *sequence* is the aggregate's next number, taken under its row lock in this transaction.
        """
        envelope = Envelope(
            id=uuid7(),
            source=self.source,
            type=event.wire_name,
            subject=subject,
            sequence=sequence,
            time=self.now,
            correlationid=self.envelope.correlationid,
            causationid=self.envelope.id,
            actor=self.envelope.actor,
            partitionkey=partitionkey or self.envelope.partitionkey,
            traceparent=self.envelope.traceparent,
        )
        body = encode(envelope, event)
        self.outbox.append(OutboxRow(envelope.id, event.routing_key(), body, envelope.correlationid, event.wire_name))

    def invalidate(self, *names: str) -> None:
        """Invalidate these cache entries after the commit, e.g. ``diagram/<id>``, ``session/<id>``.

        They are committed with the outcome, an event, or a job. If the body raises a refusal, they are invalidated
        before the reply; if it raises anything else, they are not invalidated.
        """
        known = set(self.invalidated)
        self.invalidated.extend(name for name in dict.fromkeys(names) if name not in known)

    def reply(self, reply: ReplyT) -> ReplyT:
        """Record *reply* as the outcome, for repeats. Leave large content out of it."""
        self.outcome = Outcome.succeeded(reply)
        return reply


@dataclass(slots=True, kw_only=True)
class UnitOfWork(Work):
    """What a handler may do inside its transaction. Nothing of it is visible before the commit."""

    connection: Connection
    jobs: list[QueuedJob] = field(default_factory=list)

    def enqueue(self, job: Job, *, delay_seconds: float = 0.0) -> UUID:
        """Run *job* once this transaction has committed, *delay_seconds* later at the earliest. Returns its id."""
        queued = QueuedJob(uuid7(), job.name, job.json_bytes(), delay_seconds)
        self.jobs.append(queued)
        return queued.id


@dataclass(frozen=True, slots=True)
class Writes:
    """All writes of a command that need not read first, and so can be one statement.

    *queries* is a constant: ``name AS (INSERT …), …``, with parameters from ``$1``. The queries select from
    ``claimed``, which has one row if the message is new and none if it is a repeat, so that a repeat writes nothing.
    """

    queries: str
    values: tuple[Any, ...]


class Ledger:
    """Inbox and outbox of one service: the messages that were handled, and the events to be published."""

    def __init__(
        self, database: Database, consumer: str, caches: Caches, relay: Relay, clock: Callable[[], datetime]
    ) -> None:
        self.on_jobs: Callable[[], None] = _nothing  # called after each commit that enqueued jobs
        self._database = database
        self._group_commit = GroupCommit(database)
        self._consumer = consumer
        self._source = f"/workers/{consumer}"
        self._caches = caches
        self._relay = relay
        self._clock = clock

    @asynccontextmanager
    async def unit_of_work(self, envelope: Envelope) -> AsyncIterator[UnitOfWork]:
        """The transaction of a command, or of an event's subscriber.

        Raises ``AlreadyHandled`` before the body runs if the inbox has the message. A concurrent delivery of the same
        message waits here for the commit of the first. Any exception from the body rolls everything back.
        """
        async with self._transaction(envelope) as work:
            if not await _claim(work, self._consumer):
                raise AlreadyHandled
            yield work
            if failpoints.ARMED:
                await failpoints.reached("in_transaction", envelope.type)
            await _finish(work, self._consumer)
            await _write_jobs(work)
        await self._publish_effects(work)

    def work(self, envelope: Envelope) -> Work:
        """For ``execute``: add the outcome and the events to it, then pass it there."""
        return Work(envelope=envelope, source=self._source, now=self._clock())

    async def execute(self, work: Work, writes: Writes) -> None:
        """Execute a unit of work as one statement, which is its transaction: one round trip, not five (ADR 9).

        Statements that are ready together are committed together (ADR 15). Raises ``AlreadyHandled`` if the inbox has
        the message; waits for the commit of a concurrent delivery.
        """
        if failpoints.ARMED:
            await failpoints.reached("before_transaction", work.envelope.type)
        is_new = await self._group_commit.fetchval(
            _at_once(writes.queries, len(writes.values)),
            work.envelope.id,
            (
                *writes.values,
                *_columns(work),
                *_identity(work.envelope, self._consumer),
                work.outcome.json_bytes(),
            ),
        )
        if not is_new:
            raise AlreadyHandled
        await self._publish_effects(work)

    @asynccontextmanager
    async def transaction(self, envelope: Envelope) -> AsyncIterator[UnitOfWork]:
        """As ``unit_of_work``, without an inbox row: for transient commands, whose repeat is a new attempt."""
        async with self._transaction(envelope) as work:
            yield work
            if work.outbox:
                await work.connection.execute(_ANNOUNCE, *_columns(work))
            elif work.invalidated:  # neither an inbox nor an outbox row has them
                work.enqueue(InvalidateCaches(names=tuple(work.invalidated)), delay_seconds=INVALIDATE_AFTER_SECONDS)
            await _write_jobs(work)
        await self._publish_effects(work)

    @asynccontextmanager
    async def _transaction(self, envelope: Envelope) -> AsyncIterator[UnitOfWork]:
        if failpoints.ARMED:
            await failpoints.reached("before_transaction", envelope.type)
        invalidated: list[str] = []
        try:
            async with self._database.transaction() as connection:
                yield UnitOfWork(
                    connection=connection,
                    envelope=envelope,
                    source=self._source,
                    now=self._clock(),
                    invalidated=invalidated,
                )
        except Refusal:
            # The refusal depends on what others have committed. Invalidate before the refusal is recorded: a repeat
            # replies with the recorded outcome.
            if invalidated:
                await self._caches.invalidate(invalidated)
            raise

    async def _publish_effects(self, work: Work) -> None:
        if failpoints.ARMED:
            await failpoints.reached("after_commit", work.envelope.type)
        if work.invalidated:
            await self._caches.invalidate(work.invalidated)
            if failpoints.ARMED:
                await failpoints.reached("after_invalidation", work.envelope.type)
        if work.outbox:
            self._relay.enqueue(work.outbox)
        if isinstance(work, UnitOfWork) and work.jobs:
            self.on_jobs()

    async def find(self, actor: str, message_id: UUID) -> InboxRow | None:
        """The inbox row of a message, after its cache entries were invalidated: its outcome may be sent.

        The process that committed the row may have died before it invalidated them.
        """
        async with self._database.connection() as connection:
            record = await connection.fetchrow(_FIND, self._consumer, actor, message_id)
        if record is None:
            return None
        row = InboxRow(Outcome.model_validate(record["outcome"]), record["fingerprint"], tuple(record["invalidates"]))
        if row.invalidates:
            await self._caches.invalidate(row.invalidates)
        return row

    async def outcome(self, actor: str, message_id: UUID, fingerprint: str | None) -> Outcome | None:
        """The outcome of a message; None while there is none.

        *fingerprint*: of the request, if the outcome of another request under the same id must not be returned.
        """
        row = await self.find(actor, message_id)
        if row is None:
            return None
        return row.outcome if fingerprint is None else row.outcome_for(fingerprint)

    async def record(self, envelope: Envelope, outcome: Outcome) -> bool:
        """Record a refusal or failure unless the inbox has an outcome; returns whether it was recorded.

        A recorded failure is replaced by a later outcome, a refusal or success never.
        """
        async with self._database.connection() as connection:
            recorded = await connection.fetchval(
                _RECORD,
                *_identity(envelope, self._consumer),
                outcome.status.value,
                outcome.json_bytes(),
            )
        return bool(recorded)


def _nothing() -> None:
    """Without a runner in this process, that of another finds the jobs by its sweep."""


async def _write_jobs(work: UnitOfWork) -> None:
    if work.jobs:
        envelope = work.envelope.model_dump_json(exclude_none=True).encode()
        await job_storage.enqueue(work.connection, work.jobs, envelope)


async def _claim(work: UnitOfWork, consumer: str) -> bool:
    return bool(await work.connection.fetchval(_CLAIM, *_identity(work.envelope, consumer)))


def _identity(envelope: Envelope, consumer: str) -> tuple[str, str, UUID, str, str | None, str]:
    """The columns of the inbox row that are known before the handler runs."""
    return consumer, envelope.actor.key, envelope.id, envelope.type, envelope.fingerprint, envelope.correlationid


async def _finish(work: UnitOfWork, consumer: str) -> None:
    await work.connection.execute(
        _FINISH,
        *_columns(work),
        consumer,
        work.envelope.actor.key,
        work.envelope.id,
        work.outcome.json_bytes(),
        work.invalidated,
    )


def _columns(work: Work) -> tuple[list[UUID], list[str], list[str], list[str]]:
    """The outbox rows as arrays, for ``unnest``: one statement however many events."""
    rows = work.outbox
    return (
        [row.id for row in rows],
        [row.routing_key for row in rows],
        [row.body.decode() for row in rows],
        work.invalidated,
    )


def _upsert(identity: str, *, status: str, outcome: str, invalidates: str = "'{}'") -> str:
    """The statement that writes an inbox row; the arguments are SQL. It returns a row if it wrote one.

    A row whose outcome is "failed" (parked) may be written again: a redrive, or the caller's repeat.
    """
    return f"""
        INSERT INTO inbox AS kept
            (consumer, actor, id, type, fingerprint, correlation_id, status, outcome, invalidates)
        VALUES ({identity}, {status}, {outcome}, {invalidates})
        ON CONFLICT (consumer, actor, id) DO UPDATE
            SET status = excluded.status, outcome = excluded.outcome, invalidates = excluded.invalidates,
                handled_at = now()
            WHERE kept.status = 'failed' AND kept.fingerprint IS NOT DISTINCT FROM excluded.fingerprint
        RETURNING true
    """


_CLAIM = _upsert("$1, $2, $3, $4, $5, $6", status="'succeeded'", outcome="'{}'")
_RECORD = _upsert("$1, $2, $3, $4, $5, $6", status="$7", outcome="$8")

_ANNOUNCE = """
    INSERT INTO outbox (id, routing_key, envelope, invalidates)
    SELECT id, routing_key, envelope::jsonb, $4::text[]
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS row (id, routing_key, envelope)
"""


@lru_cache
def _at_once(queries: str, values: int) -> str:
    """*queries*, which take the first *values* parameters, between the claim and the announcement."""
    ids, keys, bodies, invalidated, *identity, outcome = (f"${values + number}" for number in range(1, 12))
    claim = _upsert(", ".join(identity), status="'succeeded'", outcome=outcome, invalidates=invalidated)
    return f"""
        WITH claimed AS ({claim}), {queries}, announced AS (
            INSERT INTO outbox (id, routing_key, envelope, invalidates)
            SELECT id, routing_key, envelope::jsonb, {invalidated}::text[]
            FROM claimed, unnest({ids}::uuid[], {keys}::text[], {bodies}::text[]) AS row (id, routing_key, envelope)
        )
        SELECT EXISTS (SELECT FROM claimed)
    """


_FINISH = f"""
    WITH announced AS ({_ANNOUNCE})
    UPDATE inbox SET outcome = $8, invalidates = $9
    WHERE consumer = $5 AND actor = $6 AND id = $7
"""

_FIND = "SELECT outcome, fingerprint, invalidates FROM inbox WHERE consumer = $1 AND actor = $2 AND id = $3"
