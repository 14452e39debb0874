"""Copies the messages of the durable queues (accepted, not yet carried out) without consuming them.

For a moment the backup receives all of them: its consumers have a higher priority than the workers', and the workers'
connections are closed, so that the broker requeues what they have in flight. Each message is written to the backup and
none is acknowledged; when the backup disconnects, all go back to the workers. A message that was in flight may be
delivered a second time, which the inbox handles.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import aio_pika
import aiormq
from aiormq import spec
from aiormq.abc import DeliveredMessage
from pydantic import BaseModel, ConfigDict

from autograph.backup.manifest import MESSAGES, read_lines
from autograph.broker import Broker
from autograph.credentials import as_user, service_password
from autograph.topology import NEEDED
from chassis.bus import headers
from chassis.bus.topology import RUNG_SECONDS
from compose.local.home import OperatorError

DURABLE: Final = tuple(sorted(name for name, kind in NEEDED.queues.items() if kind == "quorum"))
RUNGS: Final = frozenset(f"retry.{rung}" for rung in RUNG_SECONDS)
CONSUMER_PRIORITY: Final = 100  # higher than the workers', which is 0
PREFETCH: Final = 65_535  # AMQP's maximum
CONSUMING: Final = " consuming"  # suffix of the names of the workers' consuming connections
CHECKS_PER_ROUND: Final = 10  # some 10 ms each: workers reconnect after 0.2 s at the earliest
CAPTURE_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.02


class QueuedMessage(BaseModel):
    """A line of ``messages.jsonl``; bytes are base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queue: str
    routing_key: str
    user: str | None
    type: str | None
    content_type: str | None
    correlation_id: str | None
    headers: dict[str, Any]
    body: str


class Capture:
    """Writes the messages of every durable queue to a file as they are delivered."""

    def __init__(self, channel: aiormq.Channel, file: IO[str]) -> None:
        self.counts = dict.fromkeys(DURABLE, 0)
        self._channel = channel
        self._file = file
        self._our_consumers: dict[str, int] = {}  # consumers of a queue

    async def begin(self) -> None:
        await self._channel.basic_qos(prefetch_count=PREFETCH)
        for queue in DURABLE:
            waiting = (await self._declare_passive(queue)).message_count or 0
            self._our_consumers[queue] = (
                2 + waiting // PREFETCH
            )  # room for what workers have in flight and for new messages
            for _ in range(self._our_consumers[queue]):
                await self._channel.basic_consume(
                    queue, partial(self._take, queue), no_ack=False, arguments={"x-priority": CONSUMER_PRIORITY}
                )

    async def reclaim_in_flight(self, broker: Broker) -> None:
        """Closes the workers' consuming connections, so that what they have in flight is requeued.

        A queue without their consumers has all of its messages back; the workers reconnect half a second later.
        """
        not_reclaimed = set(DURABLE)
        while not_reclaimed:
            for connection in await broker.get("vhosts", broker.vhost, "connections"):
                name = connection.get("client_properties", {}).get("connection_name", "")
                if connection.get("user", "").startswith(headers.service_user("")) and name.endswith(CONSUMING):
                    await broker.delete("connections", connection["name"])
            for _ in range(CHECKS_PER_ROUND):
                for queue in sorted(not_reclaimed):
                    if (await self._declare_passive(queue)).consumer_count == self._our_consumers[queue]:
                        not_reclaimed.discard(queue)

    async def wait_until_empty(self) -> None:
        """Returns once all messages that were in the queues when it was called are written."""
        for queue in DURABLE:
            while (await self._declare_passive(queue)).message_count:  # noqa: ASYNC110 - the broker has no event for it
                await asyncio.sleep(POLL_SECONDS)
        # Deliveries that the broker sent before this response have arrived before it.
        await self._channel.basic_qos(prefetch_count=PREFETCH)

    async def _declare_passive(self, queue: str) -> spec.Queue.DeclareOk:
        return await self._channel.queue_declare(queue, passive=True)

    def _take(self, queue: str, message: DeliveredMessage) -> Coroutine[Any, Any, None]:
        """Not a coroutine: it has run before the client processes any later frame of the broker."""
        self._file.write(_to_record(queue, message).model_dump_json() + "\n")
        self.counts[queue] += 1
        return _nothing()


async def _nothing() -> None:
    return None


@asynccontextmanager
async def capture_messages(amqp_url: str, broker: Broker, folder: Path) -> AsyncIterator[Capture]:
    """While the block runs, every accepted command and event is either carried out or written to the capture.

    Raises ``OperatorError`` if it takes too long: the workers receive nothing meanwhile.
    """
    path = folder / MESSAGES
    path.touch(mode=0o600)
    connection = await aio_pika.connect(amqp_url, timeout=10, client_properties={"connection_name": "backup"})
    try:
        with path.open("w", encoding="utf-8") as file:
            async with asyncio.timeout(CAPTURE_SECONDS), connection:
                channel = connection.channel(publisher_confirms=False)
                await channel.initialize()
                underlay = await channel.get_underlay_channel()
                assert isinstance(underlay, aiormq.Channel)
                capture = Capture(underlay, file)
                await capture.begin()
                await capture.reclaim_in_flight(broker)
                await capture.wait_until_empty()
                yield capture
    except TimeoutError:
        raise OperatorError(f"The queues could not be captured within {CAPTURE_SECONDS:.0f} s: try again") from None


def _to_record(queue: str, message: DeliveredMessage) -> QueuedMessage:
    properties = message.header.properties
    return QueuedMessage(
        queue=queue,
        routing_key=message.routing_key or "",
        user=properties.user_id,
        type=properties.message_type,
        content_type=properties.content_type,
        correlation_id=properties.correlation_id,
        headers=_plain(properties.headers or {}),
        body=base64.b64encode(message.body).decode("ascii"),
    )


def _plain(value: Any) -> Any:
    """As JSON values; types that JSON lacks are marked for ``_table``."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, datetime):
        return {"$time": value.astimezone(UTC).isoformat()}
    return value


def _table(value: Any) -> Any:
    """The reverse of ``_plain``."""
    if isinstance(value, list):
        return [_table(part) for part in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"$bytes"}:
        return base64.b64decode(value["$bytes"])
    if set(value) == {"$time"}:
        return datetime.fromisoformat(value["$time"])
    return {key: _table(part) for key, part in value.items()}


async def replay(amqp_url: str, installation_secret: str, folder: Path) -> None:
    """Publishes each message to its queue, confirmed, as the operator's broker user.

    Messages that waited for a retry go to their original queue at once. Nobody waits for their replies.
    """
    password = service_password(installation_secret, "rabbitmq", "operator")
    connection = await aio_pika.connect(as_user(amqp_url, headers.OPERATOR_USER, password), timeout=10)
    async with connection, connection.channel(on_return_raises=True) as channel:
        underlay = await channel.get_underlay_channel()
        for message in read_lines(QueuedMessage, folder / MESSAGES):
            await underlay.basic_publish(
                base64.b64decode(message.body),
                exchange="",
                routing_key=message.routing_key if message.queue in RUNGS else message.queue,
                mandatory=True,
                properties=spec.Basic.Properties(
                    content_type=message.content_type,
                    headers=_replay_headers(message),
                    delivery_mode=2,
                    correlation_id=message.correlation_id,
                    message_type=message.type,
                    user_id=headers.OPERATOR_USER,
                ),
                timeout=10,
            )


def _replay_headers(message: QueuedMessage) -> dict[str, Any]:
    table: dict[str, Any] = _table(message.headers)
    table.pop(headers.RUNG, None)
    if message.user is not None:
        table.setdefault(headers.ORIGINAL_USER, message.user)
        table.setdefault(headers.ORIGINAL_ROUTING_KEY, message.routing_key)
    return table


async def find_queue_with_messages(amqp_url: str, broker: Broker) -> str | None:
    """A durable queue with messages, if any. By AMQP: the management API's figures are seconds old."""
    if not any(vhost["name"] == broker.vhost for vhost in await broker.get("vhosts")):
        return None
    there = {queue["name"] for queue in await broker.get("queues", broker.vhost)}
    connection = await aio_pika.connect(amqp_url, timeout=10)
    async with connection, connection.channel() as channel:
        for name in sorted(there & set(DURABLE)):
            if (await channel.declare_queue(name, passive=True)).declaration_result.message_count:
                return str(name)
    return None


async def purge(broker: Broker) -> None:
    for queue in DURABLE:
        await broker.delete("queues", broker.vhost, queue, "contents")
