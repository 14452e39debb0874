"""What the chart's scaling relies on: a worker's own user may ask how many messages wait for it."""

import aio_pika

from compose.local.stack import Servers
from tests.brokers import open_channel, prepared_vhost, service_url

WAITING = 3


async def test_a_workers_user_may_ask_how_deep_its_queues_are(servers: Servers) -> None:
    """By a passive declaration, as KEDA's rabbitmq scaler does it over AMQP."""
    async with prepared_vhost(servers) as vhost:
        async with open_channel(service_url(vhost, "gateway")) as channel:
            commands = await channel.get_exchange("autograph.commands", ensure=False)
            for _ in range(WAITING):
                await commands.publish(aio_pika.Message(b"{}"), "diagram.create_diagram")

        async with open_channel(service_url(vhost, "diagram")) as channel:
            queue = await channel.declare_queue("diagram.commands", passive=True)

    assert queue.declaration_result.message_count == WAITING
