"""The simulation's accounts and sessions tell what PostgreSQL's tell: each story is told by both, and compared."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from chassis.database import Database
from chassis.metrics import AuthMetrics
from tests.simulation.plan import Plan
from tests.simulation.postgres import Pool, Store
from tests.simulation.sessions import StorageInMemory
from tests.simulation.world import World
from workers.auth.storage import Account, SessionRow, Storage

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = MOMENT + timedelta(hours=1)


class Recorder:
    """What a story is told with; ``told`` is what both must agree on. Ids are by number, and new for each story."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self.database = database
        self.storage = storage
        self.recorded: list[Any] = []
        self.user, self.name = uuid4(), uuid4().hex
        self._numbers: dict[UUID, int] = {}
        self._ids = [uuid4() for _ in range(6)]
        self._ids.sort()

    def record(self, *words: Any) -> None:
        self.recorded.append(words)

    def session(self, number: int) -> UUID:
        return self._ids[number]

    def numbers(self, ids: list[UUID]) -> list[int]:
        return sorted(map(self._ids.index, ids))

    async def account(self) -> None:
        account = Account(self.user, "a@example.org", None, ("user",), False, MOMENT, password_hash="h")
        for _ in range(2):
            async with self.database.connection() as connection:
                self.record(await self.storage.add_account(connection, account, self.name))

    async def begin(self, number: int, *, hours: int = 24) -> None:
        row = SessionRow(
            id=self.session(number), user_id=self.user, created_at=MOMENT + timedelta(minutes=number),
            expires_at=MOMENT + timedelta(hours=hours), last_seen_at=MOMENT, generation=0, used_generation=-1,
            device=None, address=None, ended=False, locked=False, roles=("user",),
        )  # fmt: skip
        async with self.database.connection() as connection:
            self.record(await self.storage.add_session(connection, row, remember=False))

    async def shows(self, *numbers: int) -> None:
        async with self.database.connection() as connection:
            for number in numbers:
                found = await self.storage.find_session(connection, self.session(number))
                live = await self.storage.live_session(connection, self.session(number), MOMENT)
                self.record(live and (live[0].ended, live[1]))
                self.record(found and (found.ended, found.locked, found.roles, found.expires_at, found.lives(LATER)))

    async def ended(self) -> None:
        async with self.database.connection() as connection:
            ended = await self.storage.ended_sessions(connection, self.user, MOMENT, 10)
        self.record(self.numbers(ended))


Story = Callable[[Recorder], Awaitable[None]]


async def an_account_and_who_may_come_in(recorder: Recorder) -> None:
    await recorder.account()
    async with recorder.database.transaction() as connection:
        for password_hash in ("h", "another", "h"):
            record_sign_in = await recorder.storage.record_sign_in(
                connection, recorder.user, password_hash, None, LATER
            )
            recorder.record(record_sign_in and (record_sign_in.email, record_sign_in.roles))
        recorder.record(await recorder.storage.lock_account(connection, recorder.user))
        recorder.record(await recorder.storage.lock_account(connection, uuid4()))
    async with recorder.database.connection() as connection:
        found = await recorder.storage.find_account_by_email(connection, recorder.name)
        recorder.record(found and (found.id == recorder.user, found.password_hash, found.locked))
        recorder.record(await recorder.storage.find_account_by_email(connection, "nobody"))


async def sessions_begin_and_end(recorder: Recorder) -> None:
    await recorder.account()
    for number in (0, 1, 2, 0):
        await recorder.begin(number)
    await recorder.begin(3, hours=1)  # over by LATER
    async with recorder.database.transaction() as connection:
        for number, user in (
            (0, recorder.user),
            (0, recorder.user),
            (1, uuid4()),
            (3, recorder.user),
            (5, recorder.user),
        ):
            recorder.record(
                await recorder.storage.end_session(connection, recorder.session(number), user, "signed_out", LATER)
            )
        ended = await recorder.storage.ended_sessions(connection, recorder.user, MOMENT, 10)
        recorder.record(recorder.numbers(ended))  # what this transaction has written it sees
    await recorder.shows(0, 1, 3, 5)
    async with recorder.database.transaction() as connection:
        recorder.record(
            recorder.numbers(await recorder.storage.end_all_sessions(connection, recorder.user, "locked", LATER))
        )
        recorder.record(
            recorder.numbers(await recorder.storage.end_all_sessions(connection, recorder.user, "locked", LATER))
        )
    await recorder.shows(1, 2, 3)
    await recorder.ended()


async def the_oldest_make_room(recorder: Recorder) -> None:
    await recorder.account()
    for number in range(5):
        await recorder.begin(number)
    async with recorder.database.transaction() as connection:
        storage, newest = recorder.storage, recorder.session(4)
        ended = await storage.end_oldest_sessions(connection, recorder.user, newest, 2, LATER)
        recorder.record(recorder.numbers(ended))
    await recorder.ended()


async def two_end_the_same_session_at_once(recorder: Recorder) -> None:
    await recorder.account()
    await recorder.begin(0)
    await recorder.begin(1)
    inside, go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with recorder.database.transaction() as connection:
            await recorder.storage.end_session(connection, recorder.session(0), recorder.user, "ended", LATER)
            inside.set()
            await go.wait()

    async def second() -> None:
        async with recorder.database.transaction() as connection:
            ended = await recorder.storage.end_all_sessions(connection, recorder.user, "locked", LATER)
            recorder.record("second ended", recorder.numbers(ended))

    both = asyncio.create_task(first())
    await inside.wait()
    other = asyncio.create_task(second())
    done, _ = await asyncio.wait([other], timeout=0.3)
    recorder.record("second waits", not done)
    await recorder.shows(0)  # whoever reads does not
    go.set()
    await asyncio.gather(both, other)


@pytest.mark.parametrize(
    "story",
    [
        an_account_and_who_may_come_in,
        sessions_begin_and_end,
        the_oldest_make_room,
        two_end_the_same_session_at_once,
    ],
)
async def test_the_double_tells_the_same_story(database: Database, story: Story) -> None:
    metrics = AuthMetrics(CollectorRegistry())
    real = Recorder(database, Storage(metrics))
    pool = Pool(Store(World(Plan(0, (), ())), "auth"))
    double = Recorder(Database(cast("Any", pool)), StorageInMemory(metrics))

    await story(real)
    await story(double)

    assert real.recorded
    assert double.recorded == real.recorded
