"""The simulation's accounts and sessions tell what PostgreSQL's tell: each story is told by both, and compared."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from chassis.database import Database
from tests.simulation.plan import Plan
from tests.simulation.postgres import Pool, Store
from tests.simulation.sessions import StorageInMemory
from tests.simulation.world import World
from workers.auth.accounts.storage import Account
from workers.auth.metrics import AuthMetrics
from workers.auth.sessions.storage import SessionRow
from workers.auth.storage import Storage

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = MOMENT + timedelta(hours=1)


class Teller:
    """What a story is told with; ``told`` is what both must agree on. Ids are by number, and new for each story."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self.database = database
        self.storage = storage
        self.told: list[Any] = []
        self.user, self.name = uuid4(), uuid4().hex
        self._numbers: dict[UUID, int] = {}
        self._ids = [uuid4() for _ in range(6)]
        self._ids.sort()

    def tell(self, *words: Any) -> None:
        self.told.append(words)

    def session(self, number: int) -> UUID:
        return self._ids[number]

    def numbers(self, ids: list[UUID]) -> list[int]:
        return sorted(map(self._ids.index, ids))

    async def account(self) -> None:
        account = Account(self.user, "a@example.org", None, ("user",), False, MOMENT, password_hash="h")
        for _ in range(2):
            async with self.database.connection() as connection:
                self.tell(await self.storage.add_account(connection, account, self.name))

    async def begin(self, number: int, *, hours: int = 24) -> None:
        row = SessionRow(
            id=self.session(number), user_id=self.user, created_at=MOMENT + timedelta(minutes=number),
            expires_at=MOMENT + timedelta(hours=hours), last_seen_at=MOMENT, generation=0, used_generation=-1,
            device=None, address=None, ended=False, locked=False, roles=("user",),
        )  # fmt: skip
        async with self.database.connection() as connection:
            self.tell(await self.storage.add_session(connection, row, remember=False))

    async def shows(self, *numbers: int) -> None:
        async with self.database.connection() as connection:
            for number in numbers:
                found = await self.storage.find_session(connection, self.session(number))
                live = await self.storage.live_session(connection, self.session(number), MOMENT)
                self.tell(live and (live[0].ended, live[1]))
                self.tell(found and (found.ended, found.locked, found.roles, found.expires_at, found.lives(LATER)))

    async def ended(self) -> None:
        async with self.database.connection() as connection:
            ended = await self.storage.ended_sessions(connection, self.user, MOMENT, 10)
        self.tell(self.numbers(ended))


Story = Callable[[Teller], Awaitable[None]]


async def an_account_and_who_may_come_in(teller: Teller) -> None:
    await teller.account()
    async with teller.database.transaction() as connection:
        for password_hash in ("h", "another", "h"):
            record_sign_in = await teller.storage.record_sign_in(connection, teller.user, password_hash, None, LATER)
            teller.tell(record_sign_in and (record_sign_in.email, record_sign_in.roles))
        teller.tell(await teller.storage.lock_account(connection, teller.user))
        teller.tell(await teller.storage.lock_account(connection, uuid4()))
    async with teller.database.connection() as connection:
        found = await teller.storage.find_account_by_email(connection, teller.name)
        teller.tell(found and (found.id == teller.user, found.password_hash, found.locked))
        teller.tell(await teller.storage.find_account_by_email(connection, "nobody"))


async def sessions_begin_and_end(teller: Teller) -> None:
    await teller.account()
    for number in (0, 1, 2, 0):
        await teller.begin(number)
    await teller.begin(3, hours=1)  # over by LATER
    async with teller.database.transaction() as connection:
        for number, user in ((0, teller.user), (0, teller.user), (1, uuid4()), (3, teller.user), (5, teller.user)):
            teller.tell(await teller.storage.end_session(connection, teller.session(number), user, "signed_out", LATER))
        ended = await teller.storage.ended_sessions(connection, teller.user, MOMENT, 10)
        teller.tell(teller.numbers(ended))  # what this transaction has written it sees
    await teller.shows(0, 1, 3, 5)
    async with teller.database.transaction() as connection:
        teller.tell(teller.numbers(await teller.storage.end_all_sessions(connection, teller.user, "locked", LATER)))
        teller.tell(teller.numbers(await teller.storage.end_all_sessions(connection, teller.user, "locked", LATER)))
    await teller.shows(1, 2, 3)
    await teller.ended()


async def the_oldest_make_room(teller: Teller) -> None:
    await teller.account()
    for number in range(5):
        await teller.begin(number)
    async with teller.database.transaction() as connection:
        storage, newest = teller.storage, teller.session(4)
        ended = await storage.end_oldest_sessions(connection, teller.user, newest, 2, LATER)
        teller.tell(teller.numbers(ended))
    await teller.ended()


async def two_end_the_same_session_at_once(teller: Teller) -> None:
    await teller.account()
    await teller.begin(0)
    await teller.begin(1)
    inside, go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with teller.database.transaction() as connection:
            await teller.storage.end_session(connection, teller.session(0), teller.user, "ended", LATER)
            inside.set()
            await go.wait()

    async def second() -> None:
        async with teller.database.transaction() as connection:
            ended = await teller.storage.end_all_sessions(connection, teller.user, "locked", LATER)
            teller.tell("second ended", teller.numbers(ended))

    both = asyncio.create_task(first())
    await inside.wait()
    other = asyncio.create_task(second())
    done, _ = await asyncio.wait([other], timeout=0.3)
    teller.tell("second waits", not done)
    await teller.shows(0)  # whoever reads does not
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
    real = Teller(database, Storage(metrics))
    pool = Pool(Store(World(Plan(0, (), ())), "auth"))
    double = Teller(Database(cast("Any", pool)), StorageInMemory(metrics))

    await story(real)
    await story(double)

    assert real.told
    assert double.told == real.told
