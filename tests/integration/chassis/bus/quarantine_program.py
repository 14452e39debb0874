"""A worker of one queue, whose messages say what they do to it: ``python -m … AMQP_URL REDIS_URL SERVICE QUEUE``.

It writes a line for each that it begins and for each that it has done.
"""

import asyncio
import os
import signal
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry

from chassis.bus.amqp import AmqpPublisher
from chassis.bus.consumers import WATCH_SECONDS, Consumers
from chassis.bus.gate import Gate
from chassis.bus.handlers import Handlers
from chassis.bus.handling import Handling
from chassis.bus.ports import Delivery
from chassis.bus.quarantine import Quarantine
from chassis.delivery_marks import RedisMarks
from chassis.failures import Failure
from chassis.loops import Loops
from chassis.metrics import BusMetrics
from chassis.redis import Redis
from contracts.envelope import Envelope
from contracts.message import Message
from contracts.outcome import Outcome

BLOCKED_SECONDS = 6.0  # longer than what the broker waits for, at a heartbeat of one second
LIVE_MARK_SECONDS, ISOLATION_SECONDS = 3.0, 1.0


class NoInbox:
    async def find(self, actor: str, message_id: UUID) -> None: ...
    async def record(self, envelope: Envelope, outcome: Outcome) -> bool:
        raise NotImplementedError


async def _as_it_is(message: Message, envelope: Envelope) -> Message:  # noqa: ARG001 - nothing is sealed here
    return message


def say(word: str, delivery: Delivery) -> None:
    sys.stdout.write(f"{word} {name_of(delivery)}\n")
    sys.stdout.flush()


def name_of(delivery: Delivery) -> str:
    return delivery.body.strip(b" ").decode()


async def deliver(delivery: Delivery) -> None:
    say("begun", delivery)
    await asyncio.sleep(0.3)  # so that all that were handed over are in hand together
    match name_of(delivery):
        case "kills":
            os.kill(os.getpid(), signal.SIGKILL)
        case "blocks":
            time.sleep(BLOCKED_SECONDS)  # noqa: ASYNC251 - that it blocks the loop is the fault
        case _:
            await asyncio.sleep(0.1)
    say("done", delivery)


async def main(amqp_url: str, redis_url: str, service: str, queue: str) -> None:
    registry = CollectorRegistry()
    metrics = BusMetrics(registry)
    publisher = AmqpPublisher(amqp_url, user=f"autograph-{service}", name="test")
    redis = Redis(redis_url)

    async def probe() -> None: ...

    handling: Handling[Any] = Handling(
        service=service, handlers=Handlers(), tools=None, inbox=NoInbox(), publisher=publisher, gate=Gate(probe),
        metrics=metrics, classify=lambda _: Failure.BUG, unseal=_as_it_is, clock=lambda: datetime.now(UTC),
    )  # fmt: skip
    quarantine = Quarantine(
        deliver, marks=RedisMarks(redis, service, live_mark_seconds=LIVE_MARK_SECONDS), give_up=handling.give_up,
        ready=handling.gate.wait, isolation_seconds=ISOLATION_SECONDS, live_mark_seconds=LIVE_MARK_SECONDS,
    )  # fmt: skip
    consumers = Consumers(amqp_url, name="test", prefetch={queue: 16}, deliver=quarantine.deliver, metrics=metrics)
    consumers.link._heartbeat_seconds = 1
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publisher.link.run())
        await publisher.link.wait_up()
        tasks.create_task(consumers.link.run())
        tasks.create_task(Loops(registry).run(WATCH_SECONDS, consumers.watch, name="watch", at_once=False))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
