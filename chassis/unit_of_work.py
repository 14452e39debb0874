"""One message, one transaction: inbox row, state, outbox rows and the outcome commit together or not at all.

After the commit, and before anybody can be told of it, the caches that it concerns are invalidated.

The rule for every handler: name all that its outcome says has changed or ended, whichever command did it. The process
that did may have committed and not be able to invalidate yet. A refusal is an outcome too, so name first, then refuse.
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
from contracts.envelope import Envelope, encode
from contracts.message import Event, Reply
from contracts.outcome import Outcome
from contracts.refusal import IdempotencyKeyReused, Refusal

ReplyT = TypeVar("ReplyT", bound=Reply | None)


class AlreadyHandled(Exception):  # noqa: N818 - states what is so
    """The inbox has this message: its outcome stands in the row, and is told again."""


class Caches(Protocol):
    async def invalidate(self, names: Sequence[str]) -> None:
        """Returns once no gateway can answer with what was cached under *names*."""


class OutboxRow(NamedTuple):
    """An event on its way out: committed, not yet confirmed by the broker."""

    id: UUID
    routing_key: str
    body: bytes  # the CloudEvents document
    correlation_id: str
    type: str
    invalidates: tuple[str, ...] = ()


class Relay(Protocol):
    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        """Publishes committed rows soon, in the background; a crash leaves them to the sweeper."""


@dataclass(frozen=True, slots=True)
class InboxRow:
    outcome: Outcome
    fingerprint: str | None
    invalidates: tuple[str, ...]

    def outcome_for(self, fingerprint: str | None) -> Outcome:
        """What the sender of a request is told; of another request under the same id, that the id was taken."""
        return self.outcome if self.fingerprint == fingerprint else Outcome.refused(IdempotencyKeyReused())


@dataclass(slots=True, kw_only=True)
class Work:
    """What a message comes to, beside the state: its outcome, its events, and the caches that it makes wrong."""

    envelope: Envelope
    source: str
    now: datetime
    outcome: Outcome = field(default_factory=lambda: Outcome.succeeded(None))
    outbox: list[OutboxRow] = field(default_factory=list)
    invalidated: list[str] = field(default_factory=list)

    def publish(self, event: Event, *, subject: str, sequence: int, partitionkey: str | None = None) -> None:
        """Announce *event* about *subject* (``diagram/<id>``).

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
        """The cache entries that this outcome says are wrong, e.g. ``diagram/<id>``, ``session/<id>``.

        Those of an outcome that commits are kept with it. Those named before a refusal are invalidated before it is
        told; what else the body raises is no outcome.
        """
        known = set(self.invalidated)
        self.invalidated.extend(name for name in dict.fromkeys(names) if name not in known)

    def reply(self, reply: ReplyT) -> ReplyT:
        """Keep *reply* as the outcome, for repeats. Large content stays out of it."""
        self.outcome = Outcome.succeeded(reply)
        return reply


@dataclass(slots=True, kw_only=True)
class UnitOfWork(Work):
    """What a handler may do inside its transaction. Nothing of it is seen outside before the commit."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Writes:
    """All that a command writes, where it need not read first: it can then be one statement.

    *queries* are a constant: ``name AS (INSERT …), …``, with parameters from ``$1``. They draw from ``claimed``, which
    has one row if the message is new and none if it is not, so that a repeat writes nothing.
    """

    queries: str
    values: tuple[Any, ...]


class Ledger:
    """Inbox and outbox of one service: the record of what was handled and what is to be announced."""

    def __init__(
        self, database: Database, consumer: str, caches: Caches, relay: Relay, clock: Callable[[], datetime]
    ) -> None:
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

        Raises ``AlreadyHandled`` before the body runs if the inbox has the message; a concurrent delivery of the same
        message waits here for the first one's commit. Any exception from the body rolls everything back.
        """
        async with self._transaction(envelope) as work:
            if not await _claim(work, self._consumer):
                raise AlreadyHandled
            yield work
            if failpoints.ARMED:
                await failpoints.reached("in_transaction", envelope.type)
            await _finish(work, self._consumer)
        await self._publish_effects(work)

    def work(self, envelope: Envelope) -> Work:
        """For ``carry_out``: what it comes to is said first, and then written at once."""
        return Work(envelope=envelope, source=self._source, now=self._clock())

    async def execute(self, work: Work, writes: Writes) -> None:
        """A whole unit of work in one statement, which is its transaction: one way there and back, not five (ADR 9).

        Those that come together share it (ADR 15). Raises ``AlreadyHandled`` if the inbox has the message; waits for a
        concurrent delivery's commit as well.
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
        """The same without an inbox row: for transient commands, whose repeat is a new attempt by design."""
        async with self._transaction(envelope) as work:
            yield work
            if work.outbox:
                await work.connection.execute(_ANNOUNCE, *_columns(work))
        await self._publish_effects(work)

    @asynccontextmanager
    async def _transaction(self, envelope: Envelope) -> AsyncIterator[UnitOfWork]:
        if failpoints.ARMED:
            await failpoints.reached("before_transaction", envelope.type)
        invalidated: list[str] = []
        try:
            async with self._database.transaction() as connection:
                yield UnitOfWork(
                    connection=connection, envelope=envelope, source=self._source, now=self._clock(), invalidated=invalidated
                )
        except Refusal:
            # It tells of what others have committed. Before the refusal is on record: who finds it there may tell it.
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

    async def find(self, actor: str, message_id: UUID) -> InboxRow | None:
        """The row of a message, its caches invalidated: whoever reads an outcome here may tell it.

        The process that committed the row may have died before it could invalidate.
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
        """How a message ended; None while it has not.

        *fingerprint*, if any, says which request is meant.
        """
        row = await self.find(actor, message_id)
        if row is None:
            return None
        return row.outcome if fingerprint is None else row.outcome_for(fingerprint)

    async def record(self, envelope: Envelope, outcome: Outcome) -> bool:
        """Keep a refusal or failure, unless the inbox has an outcome already; whether this one now stands.

        A kept failure gives way to a later outcome, a refusal or success to nothing.
        """
        async with self._database.connection() as connection:
            recorded = await connection.fetchval(
                _RECORD,
                self._consumer,
                envelope.actor.key,
                envelope.id,
                envelope.type,
                envelope.fingerprint,
                outcome.status.value,
                outcome.json_bytes(),
                envelope.correlationid,
            )
        return bool(recorded)


async def _claim(work: UnitOfWork, consumer: str) -> bool:
    return bool(await work.connection.fetchval(_CLAIM, *_identity(work.envelope, consumer)))


def _identity(envelope: Envelope, consumer: str) -> tuple[str, str, UUID, str, str | None, str]:
    """The inbox row's part that is known before the work."""
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


# A row whose outcome is "failed" (parked) may be claimed again: a redrive, or the caller's repeat of the same request.
_CLAIM = """
    INSERT INTO inbox AS kept (consumer, actor, id, type, fingerprint, status, outcome, correlation_id)
    VALUES ($1, $2, $3, $4, $5, 'succeeded', '{}', $6)
    ON CONFLICT (consumer, actor, id) DO UPDATE
        SET status = 'succeeded', outcome = '{}', handled_at = now()
        WHERE kept.status = 'failed' AND kept.fingerprint IS NOT DISTINCT FROM excluded.fingerprint
    RETURNING true
"""

_ANNOUNCE = """
    INSERT INTO outbox (id, routing_key, envelope, invalidates)
    SELECT id, routing_key, envelope::jsonb, $4::text[]
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS row (id, routing_key, envelope)
"""


@lru_cache
def _at_once(queries: str, values: int) -> str:
    """*queries*, which take the first *values* parameters, between the claim and the announcement."""
    ids, keys, bodies, invalidated, consumer, actor, message, type_, fingerprint, correlation, outcome = (
        f"${values + number}" for number in range(1, 12)
    )
    return f"""
        WITH claimed AS (
            INSERT INTO inbox AS kept
                (consumer, actor, id, type, fingerprint, correlation_id, outcome, invalidates, status)
            VALUES ({consumer}, {actor}, {message}, {type_}, {fingerprint}, {correlation}, {outcome}, {invalidated},
                    'succeeded')
            ON CONFLICT (consumer, actor, id) DO UPDATE
                SET status = 'succeeded', outcome = excluded.outcome, invalidates = excluded.invalidates,
                    handled_at = now()
                WHERE kept.status = 'failed' AND kept.fingerprint IS NOT DISTINCT FROM excluded.fingerprint
            RETURNING true
        ), {queries}, announced AS (
            INSERT INTO outbox (id, routing_key, envelope, invalidates)
            SELECT id, routing_key, envelope::jsonb, {invalidated}::text[]
            FROM claimed, unnest({ids}::uuid[], {keys}::text[], {bodies}::text[]) AS row (id, routing_key, envelope)
        )
        SELECT EXISTS (SELECT FROM claimed)
    """  # noqa: S608 - constants of this package, and numbered parameters


_FINISH = f"""
    WITH announced AS ({_ANNOUNCE})
    UPDATE inbox SET outcome = $8, invalidates = $9
    WHERE consumer = $5 AND actor = $6 AND id = $7
"""  # noqa: S608 - both parts are constants of this file

_FIND = "SELECT outcome, fingerprint, invalidates FROM inbox WHERE consumer = $1 AND actor = $2 AND id = $3"

_RECORD = """
    INSERT INTO inbox AS kept (consumer, actor, id, type, fingerprint, status, outcome, correlation_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (consumer, actor, id) DO UPDATE
        SET status = excluded.status, outcome = excluded.outcome, handled_at = now()
        WHERE kept.status = 'failed' AND kept.fingerprint IS NOT DISTINCT FROM excluded.fingerprint
    RETURNING true
"""
