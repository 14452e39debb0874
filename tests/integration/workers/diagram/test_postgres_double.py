"""The simulation's PostgreSQL tells what the real one tells: each story is told by both, and compared word by word."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from chassis.bus.ports import OutgoingMessage
from chassis.cache.record import MemberRecord
from chassis.database import Database, DirectConnection
from chassis.exposition import Registry
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


class Recorder:
    """What a story is told with; ``told`` is what both must agree on."""

    def __init__(self, database: Database, owner: UUID) -> None:
        self.database = database
        self.owner = owner
        self.rows = storage.diagram_rows(database)
        self.recorded: list[Any] = []
        self.ledger = Ledger(database, "diagram", NotedCaches(), NotedRelay(), lambda: MOMENT)

    def record(self, *words: Any) -> None:
        self.recorded.append(words)

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
            self.record("created before")
        else:
            self.record("created")

    async def shows(self, owner: UUID | None = None) -> None:
        try:
            found = await storage.diagram(self.rows, DIAGRAM, owner or self.owner)
        except DiagramNotFound:
            self.record("no such diagram")
        else:
            self.record(found.model_dump(exclude={"owner_id", "updated_by"}), found.owner_id == self.owner)

    async def inbox(self, number: int) -> None:
        row = await self.ledger.find(str(self.envelope(number).actor.key), UUID(int=number))
        self.record("inbox", row and (row.outcome.model_dump(exclude={"reply"}), row.fingerprint, row.invalidates))


Story = Callable[[Recorder], Awaitable[None]]


async def a_create_and_its_repeat(recorder: Recorder) -> None:
    await recorder.shows()
    await recorder.create(1)
    await recorder.create(1, uuid4())
    await recorder.shows()
    await recorder.shows(owner=uuid4())
    await recorder.inbox(1)
    await recorder.inbox(2)


async def creates_and_repeats_that_come_together(recorder: Recorder) -> None:
    await asyncio.gather(*(recorder.create(number, UUID(int=8_000 + number)) for number in (3, 1, 2, 3, 1, 3)))
    recorder.recorded.sort()
    await recorder.inbox(3)


async def reads_that_come_together(recorder: Recorder) -> None:
    others = [UUID(int=8_000 + number) for number in range(3)]
    for number, diagram in enumerate(others):
        await recorder.create(number, diagram)
    keys = [*((diagram, recorder.owner) for diagram in (*others, DIAGRAM, others[0])), (others[1], UUID(int=9))]
    found = await asyncio.gather(*map(recorder.rows.load, keys))
    recorder.record([row and (row["id"], row["note_content"], row["owner_id"] == recorder.owner) for row in found])


async def a_body_that_fails_and_is_tried_again(recorder: Recorder) -> None:
    for fails in (True, False, False):
        try:
            async with recorder.ledger.unit_of_work(recorder.envelope(1)) as work:
                work.invalidate("diagram/1")
                work.publish(recorder.announcement(), subject="diagram/1", sequence=1)
                if fails:
                    raise Forbidden("no")  # noqa: TRY301 - a handler raises right there
        except (Forbidden, AlreadyHandled) as error:
            recorder.record(type(error).__name__)
        await recorder.inbox(1)


async def two_deliveries_of_one_message_at_once(recorder: Recorder) -> None:
    inside, go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with recorder.ledger.unit_of_work(recorder.envelope(1)):
            inside.set()
            await go.wait()
        recorder.record("first committed")

    async def second() -> None:
        try:
            async with recorder.ledger.unit_of_work(recorder.envelope(1)):
                recorder.record("second inside")
        except AlreadyHandled:
            recorder.record("second was late")

    both = asyncio.create_task(first())
    await inside.wait()
    other = asyncio.create_task(second())
    done, _ = await asyncio.wait([other], timeout=0.3)
    recorder.record("second waits", not done)
    go.set()
    await asyncio.gather(both, other)
    recorder.recorded[-2:] = sorted(recorder.recorded[-2:])


async def outcomes_that_give_way_and_those_that_stand(recorder: Recorder) -> None:
    failed, refused = Outcome.failed("parked", "it failed"), Outcome.refused(Forbidden("no"))
    for number, first, then in ((1, failed, refused), (2, refused, failed), (3, failed, failed)):
        for outcome in (first, then):
            recorder.record(await recorder.ledger.record(recorder.envelope(number), outcome))
            await recorder.inbox(number)
    recorder.record(await recorder.ledger.record(recorder.envelope(3, "another request"), refused))
    async with recorder.ledger.unit_of_work(recorder.envelope(3)):
        recorder.record("a failure is tried again")
    await recorder.create(2)


async def changes(recorder: Recorder) -> None:
    await recorder.create(1)
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
            "description": None, "now": MOMENT, "by": recorder.owner, **standing, **step,
        }  # fmt: skip
        async with recorder.database.transaction() as connection:
            locked = await storage.lock(connection, DIAGRAM, recorder.owner)
            recorder.record(locked.sequence, locked.revision, locked.has_canvas, locked.has_note, locked.in_trash)
            changed = await storage.change(connection, DIAGRAM, Change(**asked))
        recorder.record(changed and (changed.fields, changed.summary.model_dump(exclude={"owner_id", "updated_by"})))
        await recorder.shows()


async def a_row_that_somebody_has_locked(recorder: Recorder) -> None:
    await recorder.create(1)

    async def lock() -> None:
        async with recorder.database.transaction() as connection:
            recorder.record((await storage.lock(connection, DIAGRAM, recorder.owner)).revision)

    async with recorder.database.transaction() as connection:
        await storage.lock(connection, DIAGRAM, recorder.owner)
        other = asyncio.create_task(lock())
        done, _ = await asyncio.wait([other], timeout=0.3)
        recorder.record("waits", not done)
        await recorder.shows()  # whoever reads does not
    await other
    async with recorder.database.transaction() as connection:
        with pytest.raises(DiagramNotFound):
            await storage.lock(connection, DIAGRAM, uuid4())


async def what_a_crash_left_in_the_outbox(recorder: Recorder) -> None:
    publisher = Publisher()
    relay = OutboxRelay(
        recorder.database, publisher, BusMetrics(Registry()), sweep_after_seconds=0.2, lease_seconds=0.5
    )  # fmt: skip
    await recorder.create(1)
    recorder.record("too young", await relay.sweep_once(NotedCaches()))

    async def is_old() -> int:
        return await relay.sweep_once(NotedCaches())

    recorder.record("swept", await eventually(is_old))
    recorder.record("gone", await relay.sweep_once(NotedCaches()))
    recorder.record([(outgoing.exchange, outgoing.routing_key, outgoing.type) for outgoing in publisher.letters])
    await relay._measure()


async def who_is_on_record(recorder: Recorder) -> None:
    record = MemberRecord(recorder.database.pool, "diagram")
    ours, another = UUID(int=1), UUID(int=2)
    await record.add(ours)
    await record.add(another)
    recorder.record(await record.all() >= {ours, another}, await record.contains(ours))
    await record.remove(ours)
    recorder.record(ours in await record.all(), await record.contains(ours), await record.contains(another))
    await record.remove(another)
    await recorder.database.probe()


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
    real = Recorder(database, owner)
    pool = Pool(Store(World(Plan(0, (), ())), "diagram"))
    double = Recorder(Database(cast("Any", pool)), owner)

    await story(real)
    await story(double)

    assert real.recorded
    assert double.recorded == real.recorded
