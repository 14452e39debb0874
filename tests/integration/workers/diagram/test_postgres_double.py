"""The simulation's PostgreSQL tells what the real one tells: each story is told by both, and compared word by word."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from chassis.bus.ports import OutgoingMessage
from chassis.cache.record import MemberRecord
from chassis.database import Database, DirectConnection
from chassis.metrics import BusMetrics
from chassis.outbox import OutboxRelay
from chassis.unit_of_work import AlreadyHandled, Ledger
from contracts.diagram.diagrams import CreateDiagram, DiagramCreated, DiagramNotFound
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.outcome import Outcome
from contracts.refusal import Forbidden
from tests.eventually import eventually
from tests.integration.workers.diagram.scene import NotedCaches, NotedRelay
from tests.simulation.plan import Plan
from tests.simulation.postgres import Pool, Store
from tests.simulation.world import World
from workers.diagram.diagrams import storage
from workers.diagram.diagrams.storage import Change, NewDiagram

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
DIAGRAM = UUID("00000000-0000-7000-8000-000000000001")


class Publisher:
    """Takes everything, or for once nothing."""

    def __init__(self) -> None:
        self.letters: list[OutgoingMessage] = []

    async def publish(self, outgoing: OutgoingMessage, *, timeout_seconds: float = 5.0) -> None:  # noqa: ARG002 - the seam's form
        self.letters.append(outgoing)

    async def send(self, outgoing: OutgoingMessage) -> None:
        self.letters.append(outgoing)


class Teller:
    """What a story is told with; ``told`` is what both must agree on."""

    def __init__(self, database: Database, owner: UUID) -> None:
        self.database = database
        self.owner = owner
        self.rows = storage.diagram_rows(database)
        self.told: list[Any] = []
        self.ledger = Ledger(database, "diagram", NotedCaches(), NotedRelay(), lambda: MOMENT)

    def tell(self, *words: Any) -> None:
        self.told.append(words)

    def envelope(self, number: int, fingerprint: str | None = "f") -> Envelope:
        return Envelope(
            id=UUID(int=number),
            source="/gateway",
            type=CreateDiagram.wire_name,
            time=MOMENT,
            correlationid="c",
            actor=Actor(kind=ActorKind.USER, id=UUID(int=7)),
            fingerprint=fingerprint,
        )

    def announcement(self) -> DiagramCreated:
        return DiagramCreated(
            diagram_id=DIAGRAM, owner_id=self.owner, title="T", type="note", version=1, revision=1
        )  # fmt: skip

    async def create(self, number: int, diagram_id: UUID = DIAGRAM, owner: UUID | None = None) -> None:
        work = self.ledger.work(self.envelope(number))
        new = NewDiagram(
            id=diagram_id, owner_id=owner or self.owner, title="T", type="mixed", tags=("a", "b"),
            canvas_json=b'{"elements":[1]}', note="n", size_bytes=17, now=MOMENT,
        )  # fmt: skip
        work.reply(new.summary())
        work.publish(self.announcement(), subject=f"diagram/{diagram_id}", sequence=1)
        try:
            await storage.create(self.ledger, work, new)
        except AlreadyHandled:
            self.tell("created before")
        else:
            self.tell("created")

    async def shows(self, owner: UUID | None = None) -> None:
        try:
            found = await storage.diagram(self.rows, DIAGRAM, owner or self.owner)
        except DiagramNotFound:
            self.tell("no such diagram")
        else:
            self.tell(found.model_dump(exclude={"owner_id", "updated_by"}), found.owner_id == self.owner)

    async def inbox(self, number: int) -> None:
        row = await self.ledger.find(str(self.envelope(number).actor.key), UUID(int=number))
        self.tell("inbox", row and (row.outcome.model_dump(exclude={"reply"}), row.fingerprint, row.invalidates))


Story = Callable[[Teller], Awaitable[None]]


async def a_create_and_its_repeat(teller: Teller) -> None:
    await teller.shows()
    await teller.create(1)
    await teller.create(1, uuid4())
    await teller.shows()
    await teller.shows(owner=uuid4())
    await teller.inbox(1)
    await teller.inbox(2)


async def creates_and_repeats_that_come_together(teller: Teller) -> None:
    await asyncio.gather(*(teller.create(number, UUID(int=8_000 + number)) for number in (3, 1, 2, 3, 1, 3)))
    teller.told.sort()
    await teller.inbox(3)


async def reads_that_come_together(teller: Teller) -> None:
    others = [UUID(int=8_000 + number) for number in range(3)]
    for number, diagram in enumerate(others):
        await teller.create(number, diagram)
    keys = [*((diagram, teller.owner) for diagram in (*others, DIAGRAM, others[0])), (others[1], UUID(int=9))]
    found = await asyncio.gather(*map(teller.rows.load, keys))
    teller.tell([row and (row["id"], row["note_content"], row["owner_id"] == teller.owner) for row in found])


async def a_body_that_fails_and_is_tried_again(teller: Teller) -> None:
    for fails in (True, False, False):
        try:
            async with teller.ledger.unit_of_work(teller.envelope(1)) as work:
                work.invalidate("diagram/1")
                work.publish(teller.announcement(), subject="diagram/1", sequence=1)
                if fails:
                    raise Forbidden("no")  # noqa: TRY301 - a handler raises right there
        except (Forbidden, AlreadyHandled) as error:
            teller.tell(type(error).__name__)
        await teller.inbox(1)


async def two_deliveries_of_one_message_at_once(teller: Teller) -> None:
    inside, go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with teller.ledger.unit_of_work(teller.envelope(1)):
            inside.set()
            await go.wait()
        teller.tell("first committed")

    async def second() -> None:
        try:
            async with teller.ledger.unit_of_work(teller.envelope(1)):
                teller.tell("second inside")
        except AlreadyHandled:
            teller.tell("second was late")

    both = asyncio.create_task(first())
    await inside.wait()
    other = asyncio.create_task(second())
    done, _ = await asyncio.wait([other], timeout=0.3)
    teller.tell("second waits", not done)
    go.set()
    await asyncio.gather(both, other)
    teller.told[-2:] = sorted(teller.told[-2:])


async def outcomes_that_give_way_and_those_that_stand(teller: Teller) -> None:
    failed, refused = Outcome.failed("parked", "it failed"), Outcome.refused(Forbidden("no"))
    for number, first, then in ((1, failed, refused), (2, refused, failed), (3, failed, failed)):
        for outcome in (first, then):
            teller.tell(await teller.ledger.record(teller.envelope(number), outcome))
            await teller.inbox(number)
    teller.tell(await teller.ledger.record(teller.envelope(3, "another request"), refused))
    async with teller.ledger.unit_of_work(teller.envelope(3)):
        teller.tell("a failure is tried again")
    await teller.create(2)


async def changes(teller: Teller) -> None:
    await teller.create(1)
    steps: list[dict[str, Any]] = [
        {"title": "U"},
        {"title": "U"},  # nothing differs
        {"sets_note": True, "note": "é"},
        {"sets_canvas": True, "canvas_json": b'{"elements": [1.0]}'},  # the same to JSON
        {"sets_canvas": True, "canvas_json": b'{"elements": [2]}', "tags": ()},
        {"sets_note": True, "note": None},
        {"label": "kept"},
        {"type": "canvas"},
    ]
    standing: dict[str, Any] = {"title": "T", "type": "mixed", "tags": ("a", "b")}
    for step in steps:
        standing |= {field: value for field, value in step.items() if field in standing}
        asked = {
            "sets_canvas": False, "canvas_json": None, "sets_note": False, "note": None, "label": None,
            "description": None, "now": MOMENT, "by": teller.owner, **standing, **step,
        }  # fmt: skip
        async with teller.database.transaction() as connection:
            locked = await storage.lock(connection, DIAGRAM, teller.owner)
            teller.tell(locked.sequence, locked.revision, locked.has_canvas, locked.has_note, locked.in_trash)
            changed = await storage.change(connection, DIAGRAM, Change(**asked))
        teller.tell(changed and (changed.fields, changed.summary.model_dump(exclude={"owner_id", "updated_by"})))
        await teller.shows()


async def a_row_that_somebody_has_locked(teller: Teller) -> None:
    await teller.create(1)

    async def lock() -> None:
        async with teller.database.transaction() as connection:
            teller.tell((await storage.lock(connection, DIAGRAM, teller.owner)).revision)

    async with teller.database.transaction() as connection:
        await storage.lock(connection, DIAGRAM, teller.owner)
        other = asyncio.create_task(lock())
        done, _ = await asyncio.wait([other], timeout=0.3)
        teller.tell("waits", not done)
        await teller.shows()  # whoever reads does not
    await other
    async with teller.database.transaction() as connection:
        with pytest.raises(DiagramNotFound):
            await storage.lock(connection, DIAGRAM, uuid4())


async def what_a_crash_left_in_the_outbox(teller: Teller) -> None:
    publisher = Publisher()
    relay = OutboxRelay(
        teller.database, publisher, BusMetrics(CollectorRegistry()), sweep_after_seconds=0.2, lease_seconds=0.5
    )  # fmt: skip
    await teller.create(1)
    teller.tell("too young", await relay.sweep_once(NotedCaches()))

    async def is_old() -> int:
        return await relay.sweep_once(NotedCaches())

    teller.tell("swept", await eventually(is_old))
    teller.tell("gone", await relay.sweep_once(NotedCaches()))
    teller.tell([(outgoing.exchange, outgoing.routing_key, outgoing.type) for outgoing in publisher.letters])
    await relay._measure()


async def who_is_on_record(teller: Teller) -> None:
    record = MemberRecord(teller.database.pool, "diagram")
    ours, another = UUID(int=1), UUID(int=2)
    await record.add(ours)
    await record.add(another)
    teller.tell(await record.all() >= {ours, another}, await record.contains(ours))
    await record.remove(ours)
    teller.tell(ours in await record.all(), await record.contains(ours), await record.contains(another))
    await record.remove(another)
    await teller.database.probe()


@pytest.fixture
async def owner(administrator: DirectConnection) -> AsyncIterator[UUID]:
    owner = uuid4()
    await administrator.execute(
        "INSERT INTO auth.users (id, email, email_key) VALUES ($1, $2, $2)", owner, f"{owner}@example.org"
    )
    yield owner
    await administrator.execute("TRUNCATE diagram.files, diagram.inbox, diagram.outbox CASCADE")


@pytest.mark.parametrize(
    "story",
    [
        a_create_and_its_repeat,
        creates_and_repeats_that_come_together,
        reads_that_come_together,
        a_body_that_fails_and_is_tried_again,
        two_deliveries_of_one_message_at_once,
        outcomes_that_give_way_and_those_that_stand,
        changes,
        a_row_that_somebody_has_locked,
        what_a_crash_left_in_the_outbox,
        who_is_on_record,
    ],
)
async def test_the_double_tells_the_same_story(database: Database, owner: UUID, story: Story) -> None:
    real = Teller(database, owner)
    pool = Pool(Store(World(Plan(0, (), ())), "diagram"))
    double = Teller(Database(cast("Any", pool)), owner)

    await story(real)
    await story(double)

    assert real.told
    assert double.told == real.told
