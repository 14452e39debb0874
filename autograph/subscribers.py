"""Outside subscribers on the broker: their users, queues, bindings and limits."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from autograph.broker import Broker
from autograph.outside_users import (
    OutsideUser,
    find_outside_users,
    made_differently,
    remove_outside_user,
    restrict_outside_user,
    revoke_foreign_rights,
)
from chassis.bus.headers import subscriber_queue, subscriber_user
from chassis.bus.permissions import subscriber_rights
from chassis.bus.topology import EVENTS

PREFIX: Final = subscriber_user("")
# For all processes of one subscriber: one connection each, and another while it restarts.
LIMITS: Final = {"max-connections": 8, "max-channels": 8}
QUEUE: Final = {"durable": True, "arguments": {"x-queue-type": "quorum"}}


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscriber as found on the broker.

    *events*: patterns of routing keys. *differences*: one sentence for each difference from what `autograph subscriber
    add` creates.
    """

    name: str
    events: tuple[str, ...]
    waiting: int
    differences: tuple[str, ...]

    @property
    def user(self) -> str:
        return subscriber_user(self.name)

    @property
    def queue(self) -> str:
        return subscriber_queue(self.user)


async def make_subscriber(broker: Broker, name: str, events: Iterable[str]) -> None:
    """Creates or corrects everything of a subscriber but its user, and closes its connections.

    Messages in its queue stay, unless the queue itself must be replaced.
    """
    user, vhost = subscriber_user(name), broker.vhost
    queue, events = subscriber_queue(user), set(events)
    found = {row["name"]: row for row in await broker.get("queues", vhost)}.get(queue)
    if found is not None and _queue_differences(queue, {queue: found}):
        await broker.delete("queues", vhost, queue)
    await broker.put("queues", vhost, queue, body=QUEUE)
    for pattern in sorted(events):
        await broker.bind(EVENTS, queue, pattern)
    for binding in await broker.get("queues", vhost, queue, "bindings"):
        if binding["source"] and (binding["source"], binding["routing_key"]) not in {(EVENTS, key) for key in events}:
            await broker.unbind(binding)
    await restrict_outside_user(broker, subscriber_rights(name), LIMITS)


async def remove_subscriber(broker: Broker, name: str) -> bool:
    """Removes its user, connections and queue. Returns whether any existed."""
    user, vhost = subscriber_user(name), broker.vhost
    queue = subscriber_queue(user)
    was_there = any(one["name"] == queue for one in await broker.get("queues", vhost))
    was_there |= await remove_outside_user(broker, user)
    await broker.delete("queues", vhost, queue)
    return was_there


async def restore_subscribers(broker: Broker) -> list[Subscriber]:
    """Corrects every subscriber; returns those that differed."""
    wrong = [subscriber for subscriber in await find_subscribers(broker) if subscriber.differences]
    for subscriber in wrong:
        await revoke_foreign_rights(broker, subscriber.user)
        await make_subscriber(broker, subscriber.name, subscriber.events)
    return wrong


async def find_subscribers(broker: Broker) -> list[Subscriber]:
    """All subscribers whose users have a permission in this virtual host, by name."""
    users, queues, bindings = await asyncio.gather(
        find_outside_users(broker, PREFIX),
        broker.get("queues", broker.vhost),
        broker.get("bindings", broker.vhost),
    )
    by_name = {one["name"]: one for one in queues}
    return [_subscriber(user, broker.vhost, queues=by_name, bindings=bindings) for user in users]


def _subscriber(
    found: OutsideUser,
    vhost: str,
    *,
    queues: Mapping[str, Mapping[str, Any]],
    bindings: list[dict[str, Any]],
) -> Subscriber:
    name, queue = found.name.removeprefix(PREFIX), subscriber_queue(found.name)
    bound = [(one["source"], one["routing_key"]) for one in bindings if one["destination"] == queue and one["source"]]
    events = tuple(sorted(key for source, key in bound if source == EVENTS))
    differences = [
        *found.differences(subscriber_rights(name), LIMITS, vhost),
        *_queue_differences(queue, queues),
        *(f"{queue} is bound to {source}, too" for source, _ in bound if source != EVENTS),
    ]
    waiting = int(queues.get(queue, {}).get("messages_ready") or 0)
    return Subscriber(name, events, waiting, tuple(differences))


def _queue_differences(queue: str, queues: Mapping[str, Mapping[str, Any]]) -> list[str]:
    differences = made_differently(queue, queues, {"durable": True, "type": "quorum"})
    extra = sorted(set(queues.get(queue, {}).get("arguments", {})) - {"x-queue-type"})
    return differences + ([f"{queue} has the arguments {', '.join(extra)}"] if extra else [])
