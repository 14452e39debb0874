"""PostgreSQL in memory, for the statements of the ledger, the outbox, the cache's record and the diagrams' way.

READ COMMITTED: what others committed is seen at once, rows are locked until the end, and whoever wants a locked row
waits. A statement is known by its text, so that none can change without its double here.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from pydantic_core import from_json

from chassis import outbox, unit_of_work
from chassis.cache.record import MemberRecord
from chassis.jobs import storage as job_storage
from contracts.auth.sessions import SessionEnded, SessionStarted
from contracts.diagram.diagrams import DiagramChanged, DiagramCreated
from tests.simulation.world import Process, World
from workers.diagram.diagrams import storage
from workers.diagram.diagrams.storage import NewDiagram

DOWN_SECONDS = (0.2, 14.0)  # beyond the ladder of a bug
APPLY = "INSERT INTO applied (subscriber, event) VALUES ($1, $2)"  # what the simulation's own subscriber does
PROBE = "SELECT current_setting('transaction_read_only')"

TABLES = ("inbox", "outbox", "files", "versions", "members", "applied", "jobs", "users", "sessions", "audit_log")
MOST_DEADLOCKS = 2  # of one message, so that it is back from the ladder before the run ends

Row = dict[str, Any]
Key = tuple[Any, ...]
Tables = dict[str, dict[Key, Row]]
Double = Callable[..., Awaitable[Any]]  # of a statement: its transaction, then its parameters


class Transaction:
    def __init__(self, store: "Store", process: Process | None) -> None:
        self.store = store
        self.process = process
        self.is_open = True
        self._written: dict[tuple[str, Key], Row | None] = {}
        self._locked: set[tuple[str, Key]] = set()

    async def lock(self, table: str, key: Key) -> None:
        """Waits for whoever has it."""
        place = (table, key)
        while self.store.locks.setdefault(place, self) is not self:
            await self.store.released()
            self.check()
        self._locked.add(place)

    def check(self) -> None:
        if not self.is_open:
            raise asyncpg.ConnectionDoesNotExistError("the transaction went with its connection")

    def read(self, table: str, key: Key) -> Row | None:
        if (table, key) in self._written:
            return self._written[table, key]
        return self.store.tables[table].get(key)

    def rows(self, table: str) -> list[Row]:
        """All that this transaction sees."""
        seen = dict(self.store.tables[table])
        for (written, key), row in self._written.items():
            if written == table:
                seen.pop(key, None)
                if row is not None:
                    seen[key] = row
        return list(seen.values())

    def write(self, table: str, key: Key, row: Row | None) -> None:
        self._written[table, key] = row

    def commit(self) -> None:
        self.check()
        for (table, key), row in self._written.items():
            if row is None:
                self.store.tables[table].pop(key, None)
            else:
                self.store.tables[table][key] = row
        self.end()

    def end(self) -> None:
        if self.is_open:
            self.is_open = False
            self.store.open.discard(self)
            for place in self._locked:
                del self.store.locks[place]
            self.store.release()


class Store:
    """One service's schema."""

    def __init__(self, world: World, schema: str) -> None:
        self.world = world
        self.tables: Tables = {name: {} for name in TABLES}
        self.locks: dict[tuple[str, Key], Transaction] = {}
        self.open: set[Transaction] = set()
        self.down_until = 0.0
        self.crashes = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._statements = _statements(schema)

    @property
    def is_down(self) -> bool:
        return self.world.now() < self.down_until

    def crash(self, down_seconds: float) -> None:
        """Open transactions are gone, committed ones are not; connections are refused for a while."""
        self.crashes += 1
        self.down_until = self.world.now() + down_seconds
        for transaction in list(self.open):
            transaction.end()

    def forget(self, process: Process) -> None:
        """It died: the server ends what it had begun."""
        for transaction in [found for found in self.open if found.process is process]:
            transaction.end()

    def begin(self) -> Transaction:
        transaction = Transaction(self, self.world.process())
        self.open.add(transaction)
        return transaction

    async def released(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def release(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    def double_of(self, statement: str) -> "Double":
        known = self._statements.get(statement)
        assert known is not None, f"this statement has no double in memory:\n{statement}"
        return known


class Connection:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._crashes = store.crashes
        self._transaction: Transaction | None = None
        self._terminated = False

    def is_closed(self) -> bool:
        return self._terminated or self._crashes != self._store.crashes

    def is_in_transaction(self) -> bool:
        return self._transaction is not None

    def terminate(self) -> None:
        self._terminated = True
        if self._transaction is not None:
            self._transaction.end()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await self._way("begin")
        self._transaction = self._store.begin()
        try:
            yield
            await self._way("commit")
            self._transaction.commit()
            await self._way("committed")
        finally:
            self._transaction.end()
            self._transaction = None

    async def fetch(self, statement: str, *values: Any) -> list[Row]:
        return await self.carry_out(self._store.double_of(statement), *values)

    async def carry_out(self, double: Double, *values: Any) -> list[Row]:
        """What a statement's *double* does, as one statement. It gives a row, rows, or none."""
        name = double.__name__.strip("_")
        await self._way(f"statement {name}")
        transaction = self._transaction or self._store.begin()
        try:
            found = await double(transaction, *values)
            if self._transaction is None:
                transaction.commit()
        finally:
            if self._transaction is None:
                transaction.end()
        await self._way(f"rows of {name}")
        return _rows(found)

    async def fetchrow(self, statement: str, *values: Any) -> Row | None:
        return next(iter(await self.fetch(statement, *values)), None)

    async def fetchval(self, statement: str, *values: Any) -> Any:
        row = await self.fetchrow(statement, *values)
        return None if row is None else next(iter(row.values()))

    async def fetchmany(
        self,
        statement: str,
        many: Sequence[tuple[Any, ...]],
        *,
        timeout: float,  # noqa: ASYNC109 - asyncpg's form
    ) -> list[tuple[Any, ...]]:
        """One transaction, whose statements come in one go. After a ``TimeoutError`` it may be committed."""
        try:
            async with asyncio.timeout(timeout):
                return await self._together(self._store.double_of(statement), many)
        except TimeoutError:
            self._store.world.seen["group timed out"] += 1
            raise

    async def _together(self, double: Double, many: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        await self._way("statement group")
        transaction = self._store.begin()
        try:
            found = [row for values in many for row in _rows(await double(transaction, *values))]
            transaction.commit()
        finally:
            transaction.end()
        self._store.world.seen["committed together"] += 1
        await self._way("rows of group")
        return [tuple(row.values()) for row in found]

    async def execute(self, statement: str, *values: Any) -> None:
        await self.fetch(statement, *values)

    async def _way(self, what: str) -> None:
        await self._store.world.way(what)
        if self.is_closed() or self._store.is_down:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


class Pool:
    """What `Database` and `MemberRecord` ask of asyncpg's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def acquire(self, *, timeout: float | None = None) -> Connection:  # noqa: ARG002, ASYNC109 - asyncpg's form
        if self._store.is_down:
            await self._store.world.way("connect")
        if self._store.is_down:
            raise ConnectionRefusedError
        return Connection(self._store)

    async def release(self, connection: Connection, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as above
        pass

    async def fetch(self, statement: str, *values: Any) -> list[Row]:
        return await (await self.acquire()).fetch(statement, *values)

    async def fetchval(self, statement: str, *values: Any) -> Any:
        return await (await self.acquire()).fetchval(statement, *values)

    async def execute(self, statement: str, *values: Any) -> None:
        await self.fetch(statement, *values)


def _rows(found: Any) -> list[Row]:
    return found if isinstance(found, list) else [] if found is None else [found]


def _statements(schema: str) -> dict[str, Callable[..., Any]]:
    record = MemberRecord(Pool.__new__(Pool), schema)  # type: ignore[arg-type]  # for its statements only
    return {
        PROBE: _probe,
        APPLY: _apply,
        unit_of_work._CLAIM: _claim,
        unit_of_work._FINISH: _finish,
        unit_of_work._FIND: _find,
        unit_of_work._RECORD: _keep,
        unit_of_work._at_once(storage._CREATE, CREATE_VALUES): _create,
        outbox._LEASE: _lease,
        outbox._DELETE: _published,
        outbox._MEASURE: _measure,
        record._add: _member_joins,
        record._remove: _member_goes,
        record._all: _members,
        record._contains: _is_member,
        unit_of_work._ANNOUNCE: _announced,
        job_storage._ENQUEUE: _enqueue_jobs,
        storage._LOCK: _lock_diagram,
        storage._CHANGE: _change_diagram,
        storage._DIAGRAM: _diagram,
        storage._DIAGRAMS: _diagrams,
    }


CREATE_VALUES = 10
_EVENTS = (DiagramCreated.wire_name, DiagramChanged.wire_name, SessionStarted.wire_name, SessionEnded.wire_name)


async def _probe(_: Transaction) -> Row:
    return {"": "off"}


async def _apply(work: Transaction, subscriber: str, event: UUID) -> None:
    work.write("applied", (subscriber, event, work.store.world.operations), {})  # a table without a key


# The ledger


async def _claim(  # noqa: PLR0917 - a statement's parameters, in its order
    work: Transaction, consumer: str, actor: str, message: UUID, type_: str, fingerprint: str | None, _: str
) -> Row | None:
    key = (consumer, actor, message)
    await work.lock("inbox", key)
    if type_ not in _EVENTS:
        _fail_if_due(work.store.world, message)
    kept = work.read("inbox", key)
    if kept is not None and not _gives_way(kept, fingerprint):
        work.store.world.seen["applied before" if type_ in _EVENTS else "told again"] += 1
        return None
    work.write("inbox", key, _inbox_row(type_, fingerprint, "succeeded", {}))
    return {"": True}


def _fail_if_due(world: World, message: UUID) -> None:
    if world.deadlocks and not world.healed and world.deadlocked[message] < MOST_DEADLOCKS:
        world.deadlocks -= 1
        world.deadlocked[message] += 1
        raise asyncpg.DeadlockDetectedError("deadlock detected")
    if world.poisons and not world.healed:
        world.poisons -= 1
        world.poisoned.add(message)
        world.is_poisoned.add(message)
    if message in world.is_poisoned:
        raise asyncpg.DataError("a bug of ours, for all that anybody knows")


async def _finish(  # noqa: PLR0917 - a statement's parameters, in its order
    work: Transaction,
    ids: list[UUID],
    keys: list[str],
    bodies: list[str],
    stale: list[str],
    consumer: str,
    actor: str,
    message: UUID,
    outcome: bytes,
    invalidates: list[str],
) -> None:
    _announce(work, ids, keys, bodies, stale)
    kept = work.read("inbox", (consumer, actor, message))
    if kept is not None:
        kept = {**kept, "outcome": from_json(outcome), "invalidates": list(invalidates)}
        work.write("inbox", (consumer, actor, message), kept)


async def _find(work: Transaction, consumer: str, actor: str, message: UUID) -> Row | None:
    return work.read("inbox", (consumer, actor, message))


async def _keep(  # noqa: PLR0917 - a statement's parameters, in its order
    work: Transaction,
    consumer: str,
    actor: str,
    message: UUID,
    type_: str,
    fingerprint: str | None,
    _: str,
    status: str,
    outcome: bytes,
) -> Row | None:
    key = (consumer, actor, message)
    await work.lock("inbox", key)
    kept = work.read("inbox", key)
    if kept is not None and not _gives_way(kept, fingerprint):
        return None
    work.write("inbox", key, _inbox_row(type_, fingerprint, status, from_json(outcome)))
    return {"": True}


def _gives_way(kept: Row, fingerprint: str | None) -> bool:
    return bool(kept["status"] == "failed" and kept["fingerprint"] == fingerprint)


def _inbox_row(type_: str, fingerprint: str | None, status: str, outcome: Any) -> Row:
    return {"outcome": outcome, "fingerprint": fingerprint, "invalidates": [], "status": status, "type": type_}


def _announce(work: Transaction, ids: list[UUID], keys: list[str], bodies: list[str], stale: list[str]) -> None:
    for row_id, routing_key, body in zip(ids, keys, bodies, strict=True):
        row = {
            "id": row_id,
            "routing_key": routing_key,
            "envelope": from_json(body),
            "invalidates": list(stale),
            "created_at": work.store.world.now(),
            "leased_until": None,
        }
        work.write("outbox", (row_id,), row)


async def _announced(work: Transaction, ids: list[UUID], keys: list[str], bodies: list[str], stale: list[str]) -> None:
    _announce(work, ids, keys, bodies, stale)


async def _enqueue_jobs(  # noqa: PLR0917 - a statement's parameters, in its order
    work: Transaction, ids: list[UUID], names: list[str], arguments: list[str], delays: list[float], envelope: bytes
) -> None:
    """No runner is in the simulation: what depends on one is shown by tests/integration/chassis/jobs."""
    for job_id, name, given, delay in zip(ids, names, arguments, delays, strict=True):
        row = {"name": name, "arguments": from_json(given), "delay_seconds": delay, "envelope": from_json(envelope)}
        work.write("jobs", (job_id,), row)


async def _create(work: Transaction, *values: Any) -> Row:
    """A create's one statement: claim, diagram, first version, announcement, outcome."""
    own, (ids, keys, bodies, stale), identity, outcome = (
        values[:CREATE_VALUES], values[CREATE_VALUES : CREATE_VALUES + 4], values[CREATE_VALUES + 4 : -1], values[-1],
    )  # fmt: skip
    if await _claim(work, *identity) is None:
        return {"": False}
    diagram_id, owner_id, title, type_, tags, canvas_json, note, size_bytes, now, producer = own
    new = NewDiagram(
        id=diagram_id, owner_id=owner_id, title=title, type=type_, tags=tags, canvas_json=canvas_json, note=note,
        size_bytes=size_bytes, now=now, producer=producer,
    )  # fmt: skip
    row = {
        **new.summary().model_dump(exclude={"permission", "thumbnail_url"}),
        "sequence": 1,
        "canvas_data": None if canvas_json is None else from_json(canvas_json),
        "note_content": note,
    }
    work.write("files", (diagram_id,), row)
    work.write("versions", (diagram_id, 1), {"number": 1})
    consumer, actor, message, *_ = identity
    await _finish(work, ids, keys, bodies, stale, consumer, actor, message, outcome, stale)
    return {"": True}


# The outbox


async def _lease(work: Transaction, after_seconds: float, lease_seconds: float, limit: int) -> list[Row]:
    now = work.store.world.now()
    left = [
        (key, row)
        for key, row in sorted(work.store.tables["outbox"].items(), key=lambda item: item[1]["created_at"])
        if row["created_at"] < now - after_seconds
        and (row["leased_until"] is None or row["leased_until"] < now)
        and ("outbox", key) not in work.store.locks
    ]
    work.store.world.seen["swept"] += len(left[:limit])
    for key, row in left[:limit]:
        await work.lock("outbox", key)
        work.write("outbox", key, {**row, "leased_until": now + lease_seconds})
    return [row for _, row in left[:limit]]


async def _published(work: Transaction, ids: list[UUID]) -> None:
    for row_id in ids:
        await work.lock("outbox", (row_id,))
        work.write("outbox", (row_id,), None)


async def _measure(work: Transaction) -> Row:
    rows = work.store.tables["outbox"].values()
    oldest = min((row["created_at"] for row in rows), default=work.store.world.now())
    return {"depth": len(rows), "oldest_seconds": work.store.world.now() - oldest}


# The record of the cache's members


async def _member_joins(work: Transaction, member: UUID) -> None:
    work.write("members", (member,), {"member": member})


async def _member_goes(work: Transaction, member: UUID) -> None:
    work.write("members", (member,), None)


async def _members(work: Transaction) -> list[Row]:
    return list(work.store.tables["members"].values())


async def _is_member(work: Transaction, member: UUID) -> Row | None:
    return None if work.read("members", (member,)) is None else {"": True}


# Diagrams


async def _lock_diagram(work: Transaction, diagram_id: UUID, owner_id: UUID) -> Row | None:
    await work.lock("files", (diagram_id,))
    row = work.read("files", (diagram_id,))
    if row is None or row["owner_id"] != owner_id:
        return None
    return {**row, "has_canvas": row["canvas_data"] is not None, "has_note": row["note_content"] is not None}


async def _change_diagram(  # noqa: PLR0917 - a statement's parameters, in its order
    work: Transaction,
    diagram_id: UUID,
    title: str,
    type_: str,
    tags: list[str],
    sets_canvas: bool,  # noqa: FBT001 - as above
    canvas_json: bytes | None,
    canvas_bytes: int,
    sets_note: bool,  # noqa: FBT001 - as above
    note: str | None,
    label: str | None,
    description: str | None,
    now: Any,
    by: UUID,
    _: str | None,
    window: Any,
) -> Row | None:
    assert window is None, "nobody in the simulation asks for open versions"
    row = work.read("files", (diagram_id,))
    assert row is not None
    canvas = None if canvas_json is None else from_json(canvas_json)
    canvas_differs = sets_canvas and row["canvas_data"] != canvas
    note_differs = sets_note and row["note_content"] != note
    makes_version = canvas_differs or note_differs or label is not None or description is not None
    note_bytes = len((row["note_content"] or "").encode())
    differs = {
        "title": row["title"] != title,
        "type": row["type"] != type_,
        "tags": tuple(row["tags"]) != tuple(tags),
        "canvas_data": canvas_differs,
        "note_content": note_differs,
        "version": makes_version,
    }
    if not any(differs.values()):
        return None
    changed = {
        **row,
        "title": title,
        "type": type_,
        "tags": tuple(tags),
        "canvas_data": canvas if canvas_differs else row["canvas_data"],
        "note_content": note if note_differs else row["note_content"],
        "size_bytes": (canvas_bytes if canvas_differs else row["size_bytes"] - note_bytes)
        + (len((note or "").encode()) if note_differs else note_bytes),
        "version": row["version"] + makes_version,
        "revision": row["revision"] + 1,
        "sequence": row["sequence"] + 1,
        "updated_at": now,
        "updated_by": by,
    }
    work.write("files", (diagram_id,), changed)
    if makes_version:
        work.write("versions", (diagram_id, changed["version"]), {"number": changed["version"]})
    return {**changed, "fields": [name for name, is_so in differs.items() if is_so]}


async def _diagram(work: Transaction, diagram_id: UUID, owner_id: UUID) -> Row | None:
    row = work.read("files", (diagram_id,))
    if row is None or row["owner_id"] != owner_id:
        return None
    return {**row, "canvas_json": None if row["canvas_data"] is None else json.dumps(row["canvas_data"])}


async def _diagrams(work: Transaction, diagram_ids: Sequence[UUID], owner_ids: Sequence[UUID]) -> list[Row]:
    found = [await _diagram(work, *key) for key in zip(diagram_ids, owner_ids, strict=True)]
    return [row for row in found if row is not None]
