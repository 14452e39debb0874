"""The diagram service on a real database and object store; messages go through JSON as on the bus."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from uuid_utils.compat import uuid7

from chassis.database import Database, DirectConnection
from chassis.objects import ObjectStore
from chassis.unit_of_work import Caches, Ledger, OutboxRow
from contracts.diagram.diagrams import ChangeDiagram, CreateDiagram, DiagramSummary
from contracts.envelope import Actor, ActorKind, Envelope, decode, encode
from contracts.message import Request
from contracts.refusal import Refusal
from workers.diagram.archive.archiver import Archiver, ArchiverMetrics
from workers.diagram.archive.objects import Archive
from workers.diagram.diagrams.storage import diagram_rows
from workers.diagram.handlers import handlers
from workers.diagram.metrics import DiagramMetrics
from workers.diagram.tools import Tools


@dataclass
class NotedCaches:
    names: list[str] = field(default_factory=list)

    async def invalidate(self, names: Sequence[str]) -> None:
        self.names.extend(names)


@dataclass
class NotedRelay:
    events: list[Envelope] = field(default_factory=list)
    payloads: list[Any] = field(default_factory=list)

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        for row in rows:
            envelope, data = decode(row.body)
            self.events.append(envelope)
            self.payloads.append(data)

    def actions(self) -> list[str]:
        return [event.type.split(".")[2] for event in self.events]


class Scene:
    def __init__(
        self,
        database: Database,
        administrator: DirectConnection,
        store: ObjectStore,
        *,
        invalidating: Caches | None = None,
    ) -> None:
        self.database = database
        self.administrator = administrator
        self.store = store
        self.registry = CollectorRegistry()
        self.metrics = DiagramMetrics(self.registry)
        self.archiver_metrics = ArchiverMetrics(self.registry)
        self.caches = NotedCaches()
        self.relay = NotedRelay()
        self.actors: dict[str, Actor] = {}
        ledger = Ledger(database, "diagram", invalidating or self.caches, self.relay, lambda: datetime.now(UTC))
        self.tools = Tools(ledger, database, Archive(store, self.metrics), self.metrics, diagram_rows(database))

    def use(self, archive: Archive) -> None:
        self.tools = replace(self.tools, archive=archive)

    async def meet(self, name: str) -> Actor:
        actor = Actor(kind=ActorKind.USER, id=uuid7(), roles=("user",))
        await self.administrator.execute(
            "INSERT INTO auth.users (id, email, email_key) VALUES ($1, $2, $2)", actor.id, f"{actor.id}@example.org"
        )
        self.actors[name] = actor
        return actor

    def envelope(self, message: Request[Any], by: str | Actor = "ada") -> Envelope:
        return Envelope(
            id=uuid7(),
            source="/gateway",
            type=message.wire_name,
            time=datetime.now(UTC),
            correlationid="c-1",
            actor=by if isinstance(by, Actor) else self.actors[by],
            deadline=datetime.now(UTC) + timedelta(seconds=10),
        )

    async def deliver(self, message: Request[Any], envelope: Envelope) -> Any:
        _, data = decode(encode(envelope, message), opaque="canvas_data")
        contract, handler = handlers.by_wire_name[envelope.type]
        try:
            return await handler(contract.model_validate(data), envelope, self.tools)
        except Refusal as refusal:
            if not message.declares(refusal):
                raise AssertionError(f"{contract.__name__} does not declare it") from refusal
            raise

    async def ask(self, message: Request[Any], by: str | Actor = "ada") -> Any:
        return await self.deliver(message, self.envelope(message, by))

    async def create(self, by: str | Actor = "ada", **fields: Any) -> DiagramSummary:
        reply = await self.ask(CreateDiagram(**{"title": "Plan", "type": "mixed", **fields}), by)
        assert isinstance(reply, DiagramSummary)
        return reply

    async def change(self, diagram: DiagramSummary | UUID, by: str | Actor = "ada", **fields: Any) -> DiagramSummary:
        identity = diagram if isinstance(diagram, UUID) else diagram.id
        reply = await self.ask(ChangeDiagram(id=identity, **{"expected_revision": "*", **fields}), by)
        assert isinstance(reply, DiagramSummary)
        return reply

    async def all_diagrams(self) -> list[UUID]:
        async with self.database.connection() as connection:
            return [row["id"] for row in await connection.fetch("SELECT id FROM files")]

    async def count(self, table: str) -> int:
        async with self.database.connection() as connection:
            found: int = await connection.fetchval(f"SELECT count(*) FROM {table}")
            return found

    def archiver(self, archive: Archive | None = None, *, after_seconds: float = 0.0, enabled: bool = True) -> Archiver:
        return Archiver(
            self.database,
            archive or self.tools.archive,
            self.archiver_metrics,
            after_seconds=after_seconds,
            every_seconds=60.0,
            enabled=enabled,
        )

    async def row(self, diagram: UUID, number: int) -> dict[str, Any]:
        async with self.database.connection() as connection:
            record = await connection.fetchrow(
                "SELECT canvas_data, note_content, object_key FROM versions WHERE file_id = $1 AND number = $2",
                diagram,
                number,
            )
        assert record is not None
        return dict(record)
