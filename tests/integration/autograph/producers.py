"""Producers as an operator makes them, and as release 0.1 did; and what an attacker does with their addresses."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiormq
from aio_pika.abc import AbstractIncomingMessage

from autograph.broker import Broker, open_broker
from autograph.ingress import make_producer
from chassis.bus.permissions import Rights
from contracts.envelope import CONTENT_TYPE, producer_id
from tests.brokers import open_channel, url_of
from tests.servers import Vhost

CREATE, REGISTER = "diagram.create_diagram", "auth.register_user"


@dataclass(frozen=True, slots=True)
class Address:
    vhost: Vhost
    user: str

    @property
    def url(self) -> str:
        return url_of(self.vhost, self.user, "secret")

    @property
    def ingress(self) -> str:
        return f"autograph.producers.{self.user.removeprefix('producer-')}"

    def envelope(self, wire_name: str) -> bytes:
        return json.dumps(
            {
                "specversion": "1.0", "id": str(uuid4()), "source": "/test", "type": wire_name,
                "time": datetime.now(UTC).isoformat(), "correlationid": "c-1",
                "actor": f"producer/{producer_id(self.user)}?name={self.user}",
                "data": {"title": "Plan", "type": "note"},
            }
        ).encode()  # fmt: skip


@asynccontextmanager
async def producers(vhost: Vhost, *names: str) -> AsyncIterator[None]:
    """Users are the whole server's: those of these *names* are gone at the end."""
    try:
        yield
    finally:
        async with open_broker(vhost.url, vhost.management_url) as broker:
            for name in names:
                await broker.delete("users", f"producer-{name}")


async def add_producer(vhost: Vhost, name: str, *allowed: str, processes: int = 1) -> Address:
    async with open_broker(vhost.url, vhost.management_url) as broker:
        await broker.make_user(f"producer-{name}", "secret")
        await make_producer(broker, name, allowed, processes=processes)
    return Address(vhost, f"producer-{name}")


async def add_producer_of_0_1(vhost: Vhost, name: str, *allowed: str) -> Address:
    """With the right to make whatever has a name like its reply queues, and to write to the commands' exchange."""
    user = f"producer-{name}"
    own = rf"reply\.{user}\..*"
    keys = "^(" + "|".join(key.replace(".", r"\.") for key in sorted(allowed)) + ")$"
    topics = {
        "autograph.commands": (keys, "^$"), "autograph.queries": (keys, "^$"), "autograph.events": ("^$", "^$"),
        "autograph.replies": ("^$", f"^{own}$"), "autograph.parked": ("^$", "^$"),
    }  # fmt: skip
    async with open_broker(vhost.url, vhost.management_url) as broker:
        await broker.make_user(user, "secret")
        await broker.grant(
            Rights(
                user,
                f"^{own}$",
                rf"^(autograph\.commands|autograph\.queries|{own})$",
                rf"^(autograph\.replies|{own})$",
                topics,
            )
        )
    return Address(vhost, user)


async def permit(broker: Broker, user: str, **rights: str) -> None:
    """By hand, as an administrator."""
    everything = {"configure": "^$", "write": "^$", "read": "^$"}
    await broker.put("permissions", broker.vhost, user, body=everything | rights)


async def is_refused(url: str, act: Callable[[aiormq.abc.AbstractChannel], Awaitable[object]]) -> bool:
    """Whether the broker says no to what *act* does on a channel of its own."""
    try:
        async with open_channel(url) as channel:
            await act(await channel.get_underlay_channel())
    except (aiormq.exceptions.ChannelAccessRefused, aiormq.exceptions.ChannelPreconditionFailed):
        return True
    except aiormq.exceptions.ChannelClosed as closed:  # of a publish
        return "ACCESS_REFUSED" in str(closed) or "PRECONDITION_FAILED" in str(closed)
    return False


async def publish(
    channel: aiormq.abc.AbstractChannel, exchange: str, key: str, body: bytes = b"{}", **properties: Any
) -> None:
    """Confirmed; what no queue takes is no error."""
    await channel.basic_publish(
        body, exchange=exchange, routing_key=key, mandatory=False,
        properties=aiormq.spec.Basic.Properties(**{"content_type": CONTENT_TYPE, **properties}),
    )  # fmt: skip


async def take(vhost: Vhost, queue: str) -> AbstractIncomingMessage | None:
    """One message of *queue*, as an administrator; it is gone then."""
    async with open_channel(vhost.url) as channel:
        return await (await channel.get_queue(queue, ensure=False)).get(no_ack=True, fail=False)
