"""Producers on the broker: user, ingress exchange, reply queues and limits of each."""

import asyncio
import re
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
from chassis.bus.headers import producer_exchange, producer_user, reply_queue
from chassis.bus.permissions import producer_rights
from chassis.bus.topology import COMMANDS, REPLIES
from contracts.catalogue import REQUESTS

PREFIX: Final = producer_user("")
# Of each of a producer's processes: one to publish and one to take replies, and as many while it restarts. What has
# arrived of a message on each channel is in the broker's memory, up to the largest message.
CONNECTIONS, CHANNELS = 4, 4
# The permission pattern on the broker is the only record of what a producer may send.
_ALLOWED: Final = re.compile(r"\^\((.*)\)\$")

REPLY_QUEUE: Final = {"durable": True, "arguments": {"x-queue-type": "classic"}}
_QUEUES: Final = {request.routing_key(): request.producers_queue() for request in REQUESTS if not request.operator_only}


@dataclass(frozen=True, slots=True)
class Producer:
    """A producer on the broker. *differences* from what `autograph producer add` creates, a sentence each."""

    name: str
    allowed: tuple[str, ...]
    processes: int
    differences: tuple[str, ...]

    @property
    def user(self) -> str:
        return producer_user(self.name)


async def make_producer(broker: Broker, name: str, allowed: Iterable[str], *, processes: int) -> None:
    """Creates or corrects everything of a producer but its user. Closes its connections."""
    user, vhost = producer_user(name), broker.vhost
    ingress, allowed = producer_exchange(user), sorted(allowed)
    await broker.put("exchanges", vhost, ingress, body={"type": "topic", "durable": True, "arguments": {}})
    for number in range(1, processes + 1):
        queue = reply_queue(user, number)
        await broker.put("queues", vhost, queue, body=REPLY_QUEUE)
        await broker.bind(REPLIES, queue, queue)
    # Bound to the queues, not to the exchange of commands, which would route by the keys in CC and BCC again.
    needed = {(_QUEUES[key], key) for key in allowed if key in _QUEUES}
    for binding in await broker.get("exchanges", vhost, ingress, "bindings", "source"):
        if (binding["destination"], binding["routing_key"]) not in needed:
            await broker.unbind(binding)
    for queue, key in needed:
        await broker.bind(ingress, queue, key)
    await restrict_outside_user(broker, producer_rights(name, allowed), _limits(processes))


async def remove_producer(broker: Broker, name: str) -> bool:
    """Removes its user, connections, exchange and queues; returns whether any of them existed."""
    user, vhost = producer_user(name), broker.vhost
    was_there = await remove_outside_user(broker, user)
    for kind in ("exchanges", "queues"):
        for found in await broker.get(kind, vhost):
            if found["name"] == producer_exchange(user) or found["name"].startswith(f"reply.{user}."):
                was_there = True
                await broker.delete(kind, vhost, found["name"])
    return was_there


async def restore_producers(broker: Broker) -> list[Producer]:
    """Corrects all producers, also those of earlier releases; returns those that differed."""
    wrong = [producer for producer in await find_producers(broker) if producer.differences]
    for producer in wrong:
        await revoke_foreign_rights(broker, producer.user)
        await make_producer(broker, producer.name, producer.allowed, processes=producer.processes)
    return wrong


async def find_producers(broker: Broker) -> list[Producer]:
    """All producers whose users have permissions in this virtual host, by name."""
    users, exchanges, queues, bindings = await asyncio.gather(
        find_outside_users(broker, PREFIX),
        broker.get("exchanges", broker.vhost),
        broker.get("queues", broker.vhost),
        broker.get("bindings", broker.vhost),
    )
    return [
        _producer(
            user,
            broker.vhost,
            exchanges={one["name"]: one for one in exchanges},
            queues={one["name"]: one for one in queues},
            bindings=bindings,
        )
        for user in users
    ]


def _producer(
    found: OutsideUser,
    vhost: str,
    *,
    exchanges: Mapping[str, Mapping[str, Any]],
    queues: Mapping[str, Mapping[str, Any]],
    bindings: list[dict[str, Any]],
) -> Producer:
    user, topics = found.name, found.topics
    name, ingress = user.removeprefix(PREFIX), producer_exchange(user)
    allowed = _keys((topics.get(ingress) or topics.get(COMMANDS) or ("", ""))[0])
    replies = [queue for queue in queues if re.fullmatch(rf"reply\.{re.escape(user)}\.[0-9]+", queue)]
    processes = max(1, len(replies))
    own = [(one["destination"], one["routing_key"]) for one in bindings if one["source"] == ingress]
    differences = [
        *found.differences(producer_rights(name, allowed), _limits(processes), vhost),
        *made_differently(ingress, exchanges, {"type": "topic", "durable": True, "arguments": {}}),
    ]
    for number in range(1, processes + 1):
        queue = reply_queue(user, number)
        differences += made_differently(queue, queues, {"durable": True, "type": "classic"})
        if {"x-dead-letter-exchange"} & set(queues.get(queue, {}).get("arguments", {})):
            differences.append(f"{queue} has dead letters")
        if (REPLIES, queue, queue) not in {(b["source"], b["destination"], b["routing_key"]) for b in bindings}:
            differences.append(f"{queue} is not bound to {REPLIES}")
    if sorted(own) != sorted((_QUEUES[key], key) for key in allowed if key in _QUEUES):
        differences.append(f"{ingress} is not bound to just what it is allowed")
    return Producer(name, tuple(allowed), processes, tuple(differences))


def _limits(processes: int) -> dict[str, int]:
    return {"max-connections": CONNECTIONS * processes, "max-channels": CHANNELS * processes}


def _keys(pattern: str) -> list[str]:
    match = _ALLOWED.fullmatch(pattern)
    return sorted(key.replace("\\", "") for key in match[1].split("|")) if match and match[1] else []
