"""Creates a diagram through the broker. Uses only the JSON of the contract, and no code of AutoGraph.

Run: python examples/producer.py 'amqp://producer-…' (the address that `autograph producer add` printed).
"""

import asyncio
import json
import sys
import uuid
from datetime import UTC, datetime

import aio_pika
from aio_pika.exceptions import AMQPError, ProbableAuthenticationError

USER_IDS = uuid.UUID("6ba1c9f0-4d2e-5c1b-9a57-0d5b1f6e2a11")  # a producer's id is derived from its broker user


async def main(address: str) -> None:
    connection = await aio_pika.connect(address)
    async with connection, connection.channel() as channel:
        user = connection.url.user or ""
        replies = await channel.get_queue(f"reply.{user}.1", ensure=False)  # each further process uses the next number
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),  # a repeat with the same id is carried out only once
            "source": f"/producers/{user}",
            "type": "autograph.diagram.create_diagram.v1",
            "time": datetime.now(UTC).isoformat(),
            "correlationid": str(uuid.uuid4()),
            "actor": f"producer/{uuid.uuid5(USER_IDS, user)}?name={user}",
            "data": {"title": "Made by a program", "type": "note", "note_content": "Hello"},
        }
        message = aio_pika.Message(
            json.dumps(event).encode(), content_type="application/cloudevents+json", user_id=user,
            reply_to=replies.name, delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )  # fmt: skip
        ingress = f"autograph.producers.{user.removeprefix('producer-')}"  # the only exchange that it may publish to
        exchange = await channel.get_exchange(ingress, ensure=False)
        await exchange.publish(message, "diagram.create_diagram")
        async with replies.iterator(no_ack=True, exclusive=True, timeout=10) as incoming:
            async for reply in incoming:
                answer = json.loads(reply.body)
                if answer["causationid"] == event["id"]:  # not a reply to an earlier run
                    print(json.dumps(answer["data"], indent=1))
                    break


if len(sys.argv) != 2:  # noqa: PLR2004 - itself and the address
    sys.exit(
        "usage: python examples/producer.py 'amqp://producer-…', the address that `autograph producer add` printed"
    )
try:
    asyncio.run(main(sys.argv[1]))
except ValueError as error:
    sys.exit(f"This is not an AMQP address ({error}): use the one that `autograph producer add` printed")
except ProbableAuthenticationError:
    sys.exit("The broker rejects this user or password: `autograph producer add … --rotate` gives new ones")
except TimeoutError:
    sys.exit("No reply within 10 s: `autograph status` shows whether the diagram worker runs")
except (OSError, AMQPError) as error:
    sys.exit(f"The broker cannot be used ({error}): is the address right, and does the stack run (`autograph status`)?")
