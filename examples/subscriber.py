"""Prints events, one line each, with nothing of AutoGraph's but the contract's JSON.

Run: python examples/subscriber.py 'amqp://subscriber-…' (the address that `autograph subscriber add` printed).

It acknowledges an event after handling it, so that none is lost when it is killed, and reconnects when the broker
restarts. Several processes share the events.
"""

import asyncio
import json
import sys
from collections import OrderedDict
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ProbableAuthenticationError

PREFETCH = 50  # unacknowledged events at once
REMEMBERED = 10_000

handled: OrderedDict[str, None] = OrderedDict()  # a real program stores them with its own data


async def main(address: str) -> None:
    connection = await aio_pika.connect_robust(address, reconnect_interval=1)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        user = connection.url.user or ""
        queue = await channel.get_queue(f"autograph.subscribers.{user.removeprefix('subscriber-')}")
        await queue.consume(take)
        await asyncio.Future()  # until it is stopped


async def take(message: AbstractIncomingMessage) -> None:
    event = json.loads(message.body)
    # An event may be delivered more than once, after a crash of a service or of this program, with the same id.
    if event["id"] not in handled:
        handle(event)
        handled[event["id"]] = None
        if len(handled) > REMEMBERED:
            handled.popitem(last=False)
    await message.ack()


def handle(event: dict[str, Any]) -> None:
    """`sequence` numbers a subject's events without gaps: a missing one was dropped, or is not delivered yet."""
    print(json.dumps({name: event.get(name) for name in ("type", "subject", "sequence", "time", "data")}), flush=True)


if len(sys.argv) != 2:  # noqa: PLR2004 - itself and the address
    sys.exit("usage: python examples/subscriber.py 'amqp://subscriber-…', the address of `autograph subscriber add`")
try:
    asyncio.run(main(sys.argv[1]))
except KeyboardInterrupt:
    pass
except ValueError as error:
    sys.exit(f"This is no AMQP address ({error}): take the one that `autograph subscriber add` printed")
except ProbableAuthenticationError:
    sys.exit("The broker knows no such user and password: `autograph subscriber add … --rotate` gives new ones")
except (OSError, AMQPError) as error:
    sys.exit(f"The broker cannot be used ({error}): is the address right, and does the stack run (`autograph status`)?")
