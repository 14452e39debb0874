"""What the parts cost bare: servers of their own (``python -m bench.floors http|echo …``), and clients for them."""

import asyncio
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import aio_pika
import asyncpg
import bcrypt
import uvloop
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiohttp import web
from redis.asyncio import Redis

from bench.load import Connection, Failed, Operation

ANSWER = {"id": "0192f3b4-0000-7000-8000-000000000000", "title": "Plan", "tags": ["a", "b"], "body": "x" * 4000}
QUEUES = {"classic": "bench.classic", "quorum": "bench.quorum"}
BODY = b"x" * 4096


def serve_http(port: int, redis_url: str) -> None:
    redis = Redis.from_url(redis_url, max_connections=64)

    async def bare(_: web.Request) -> web.Response:
        return web.json_response(ANSWER)

    async def with_redis(_: web.Request) -> web.Response:
        await redis.get("bench")
        return web.json_response(ANSWER)

    app = web.Application()
    app.add_routes([web.get("/bare", bare), web.get("/redis", with_redis)])
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


async def serve_echo(url: str) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        for kind, name in QUEUES.items():
            channel = await connection.channel()
            await channel.set_qos(32)
            answers = await connection.channel(publisher_confirms=False)
            queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": kind})

            async def echo(message: AbstractIncomingMessage, answers: AbstractChannel = answers) -> None:
                answer = aio_pika.Message(message.body, correlation_id=message.correlation_id)
                await answers.default_exchange.publish(answer, message.reply_to or "", mandatory=False)
                await message.ack()

            await queue.consume(echo)
            _KEPT.append(answers)  # aio-pika keeps only weak references
            _KEPT.append(queue)
        print("ready", flush=True)
        await asyncio.Event().wait()


_KEPT: list[object] = []


class EchoClient:
    """Asks as the gateway does: confirmed, over an exclusive reply queue."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def open(self, url: str) -> None:
        self._connection = await aio_pika.connect(url)
        self._channel = await self._connection.channel(on_return_raises=True)
        self._replies = await self._connection.channel(publisher_confirms=False)
        queue = await self._replies.declare_queue(exclusive=True)
        self._reply_to = queue.name
        await queue.consume(self._take, no_ack=True)

    async def close(self) -> None:
        await self._connection.close()

    async def _take(self, message: AbstractIncomingMessage) -> None:
        waiter = self._waiting.pop(message.correlation_id or "", None)
        if waiter is not None and not waiter.done():
            waiter.set_result(message.body)

    def operation(self, kind: str) -> Operation:
        durable = kind == "quorum"

        async def ask() -> None:
            identity = uuid.uuid4().hex
            waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            self._waiting[identity] = waiter
            message = aio_pika.Message(
                BODY,
                correlation_id=identity,
                reply_to=self._reply_to,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT if durable else aio_pika.DeliveryMode.NOT_PERSISTENT,
                expiration=None if durable else 10,
            )
            await self._channel.default_exchange.publish(message, QUEUES[kind], timeout=10)
            await waiter

        return ask


def http_operation(base: str, path: str) -> Operation:
    connection = Connection(base)

    async def ask() -> None:
        status, _ = await connection.ask("GET", path)
        if status != 200:  # noqa: PLR2004 - done
            raise Failed

    return ask


def insert_operation(pool: "asyncpg.Pool[asyncpg.Record]") -> Operation:
    async def insert() -> None:
        await pool.execute("INSERT INTO bench (body) VALUES ($1)", "x" * 4000)

    return insert


def bcrypt_operation(threads: ThreadPoolExecutor, cost: int) -> Operation:
    hashed = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(cost))

    async def check() -> None:
        await asyncio.get_running_loop().run_in_executor(threads, bcrypt.checkpw, b"correct horse", hashed)

    return check


if __name__ == "__main__":
    if sys.argv[1] == "http":
        serve_http(int(sys.argv[2]), sys.argv[3])
    else:
        uvloop.run(serve_echo(sys.argv[2]))
