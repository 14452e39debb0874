"""Clients that measure the bare parts (the floors). Their servers are in ``bench.floor_servers``."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import cycle
from types import TracebackType
from typing import Final, Self

import aio_pika
import asyncpg
import bcrypt
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from bench.load import OPERATION_SECONDS, LoadConnection, Operation, OperationFailed, Workload
from bench.scene import DIAGRAM

QUEUES = {"classic": "bench.queries", "quorum": "bench.commands"}  # so named, the system's own policies hold for them
CHANNELS = 4  # one writes one publish at a time
COST: Final = 12  # as the auth service's default


def http(base: str, path: str) -> Workload:
    @asynccontextmanager
    async def workload(_: int) -> AsyncIterator[Operation]:
        async with LoadConnection(base) as connection:

            async def ask() -> None:
                status, _ = await connection.send("GET", path)
                if status != 200:  # noqa: PLR2004 - OK
                    raise OperationFailed

            yield ask

    return workload


class Echo:
    """Sends as the gateway does: mandatory and confirmed, with replies in an exclusive queue."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._channels: list[AbstractChannel] = []

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(self._url)
        self._channels = [await self._connection.channel(on_return_raises=True) for _ in range(CHANNELS)]
        self._turn = cycle(self._channels)
        self._replies = await self._connection.channel(publisher_confirms=False)
        self._queue = await self._replies.declare_queue(exclusive=True)
        await self._queue.consume(self._take, no_ack=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def _take(self, message: AbstractIncomingMessage) -> None:
        waiter = self._waiting.get(message.correlation_id or "")
        if waiter is not None and not waiter.done():
            waiter.set_result(message.body)

    def commands(self) -> Workload:
        return self._workload(QUEUES["quorum"], aio_pika.DeliveryMode.PERSISTENT, None)

    def queries(self) -> Workload:
        return self._workload(QUEUES["classic"], aio_pika.DeliveryMode.NOT_PERSISTENT, OPERATION_SECONDS)

    def _workload(self, queue: str, mode: aio_pika.DeliveryMode, expiration: float | None) -> Workload:
        async def ask() -> None:
            identity = uuid.uuid4().hex
            waiter = self._waiting[identity] = asyncio.get_running_loop().create_future()
            message = aio_pika.Message(
                DIAGRAM,
                message_id=identity,
                correlation_id=identity,
                reply_to=self._queue.name,
                delivery_mode=mode,
                expiration=expiration,
            )
            try:
                await next(self._turn).default_exchange.publish(message, queue)
                await waiter
            finally:
                del self._waiting[identity]

        @asynccontextmanager
        async def workload(_: int) -> AsyncIterator[Operation]:
            yield ask

        return workload


TABLE = "CREATE TABLE bench (id uuid PRIMARY KEY, body text NOT NULL)"


def insert(pool: "asyncpg.Pool[asyncpg.Record]") -> Workload:
    """One statement, which commits itself."""
    body = DIAGRAM.decode()

    async def ask() -> None:
        await pool.execute("INSERT INTO bench (id, body) VALUES ($1, $2)", uuid.uuid4(), body)

    @asynccontextmanager
    async def workload(_: int) -> AsyncIterator[Operation]:
        yield ask

    return workload


def hashing(threads: ThreadPoolExecutor) -> Workload:
    hashed = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(COST))

    async def ask() -> None:
        await asyncio.get_running_loop().run_in_executor(threads, bcrypt.checkpw, b"correct horse", hashed)

    @asynccontextmanager
    async def workload(_: int) -> AsyncIterator[Operation]:
        yield ask

    return workload
