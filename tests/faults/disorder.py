"""A proxy between an exchange and a queue: delivers each message one to three times, late and out of order."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from tests.eventually import eventually
from tests.faults.stack import FaultStack

LATE_SECONDS = 0.3
TIMES = (1, 2, 3)


@dataclass(slots=True)
class Disorder:
    copies: int = 0  # beyond the first of each


@asynccontextmanager
async def disordered(stack: FaultStack, exchange: str, queue: str, keys: Iterable[str]) -> AsyncIterator[Disorder]:
    """Route messages of *exchange* for *queue* under *keys* through the proxy, with their original users."""
    url = stack.installation.servers.rabbitmq_url
    seen = Disorder()
    await _may_speak_for_others(stack)
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.set_qos(prefetch_count=200)
        mine = await channel.declare_queue(
            f"faults.twisted.{queue}", durable=True, arguments={"x-queue-type": "quorum"}
        )
        onward = await channel.declare_exchange(f"faults.twisted.{queue}", aio_pika.ExchangeType.TOPIC)
        theirs = await channel.get_queue(queue, ensure=False)
        await theirs.bind(onward, "#")
        for key in keys:
            await mine.bind(exchange, key)
            await theirs.unbind(exchange, key)
        in_flight: set[asyncio.Task[None]] = set()

        async def pass_on(message: AbstractIncomingMessage) -> None:
            times = random.choice(TIMES)  # noqa: S311 - disorder
            for _ in range(times):
                await asyncio.sleep(random.uniform(0, LATE_SECONDS))  # noqa: S311 - disorder
                await onward.publish(_copy(message), message.routing_key or "")
            seen.copies += times - 1
            await message.ack()

        async def take(message: AbstractIncomingMessage) -> None:
            task = asyncio.create_task(pass_on(message))
            in_flight.add(task)
            task.add_done_callback(in_flight.discard)

        tag = await mine.consume(take)
        try:
            yield seen
        finally:
            for key in keys:
                await theirs.bind(exchange, key)
                await mine.unbind(exchange, key)

            async def all_passed_on() -> bool:
                left = await channel.declare_queue(mine.name, passive=True)
                return not in_flight and not left.declaration_result.message_count

            await eventually(all_passed_on)
            await mine.cancel(tag)
            await theirs.unbind(onward, "#")
            await channel.queue_delete(mine.name)
            await channel.exchange_delete(onward.name)


def _copy(message: AbstractIncomingMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        headers=message.headers,
        content_type=message.content_type,
        delivery_mode=message.delivery_mode,
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        type=message.type,
        user_id=message.user_id,
        app_id=message.app_id,
    )


async def _may_speak_for_others(stack: FaultStack) -> None:
    """Otherwise the broker refuses a message that names another user."""
    parts = urlsplit(stack.installation.servers.rabbitmq_url)
    body = {"password": unquote(parts.password or ""), "tags": "administrator,impersonator"}
    async with stack.broker() as broker:
        await broker.put("users", unquote(parts.username or ""), body=body)
