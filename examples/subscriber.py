"""Prints what happens, one line an event, with nothing of AutoGraph's but the contract's JSON.

Run: python examples/subscriber.py 'amqp://subscriber-…' (the address that `autograph subscriber add` printed).

It acknowledges an event after it has handled it, so that none is lost when it is killed, and goes on by itself after
the broker was restarted. Several processes of it share the events.
"""

import asyncio
import json
import sys
from collections import OrderedDict
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ProbableAuthenticationError

PREFETCH = 50  # events on their way at once
REMEMBERED = 10_000

handled: OrderedDict[str, None] = OrderedDict()  # keep them beside your own data, and they outlive the process


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
    # An event may come more than once: after a crash, on their side or on this one. Its id stays the same.
    if event["id"] not in handled:
        handle(event)
        handled[event["id"]] = None
        if len(handled) > REMEMBERED:
            handled.popitem(last=False)
    await message.ack()


def handle(event: dict[str, Any]) -> None:
    """`sequence` counts a subject's events without gaps: one that is missing was dropped, or is still on its way."""
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
