"""Producers on the broker: user, ingress exchange, reply queues and limits of each."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from autograph.broker import Broker
from chassis.bus.headers import producer_exchange, producer_user, reply_queue
from chassis.bus.permissions import Rights, producer_rights
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
    for limit, value in _limits(processes).items():
        await broker.put("user-limits", user, limit, body={"value": value})
    await broker.grant(producer_rights(name, allowed))
    await broker.close_connections(user)  # channels cache permissions


async def remove_producer(broker: Broker, name: str) -> bool:
    """Removes its user, connections, exchange and queues; returns whether any of them existed."""
    user, vhost = producer_user(name), broker.vhost
    was_there = any(one["name"] == user for one in await broker.get("users"))
    await broker.delete("users", user)
    await broker.close_connections(user)
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
        found = await broker.get("users", producer.user)
        if found["tags"]:
            kept = {name: found[name] for name in ("password_hash", "hashing_algorithm")}
            await broker.put("users", producer.user, body={**kept, "tags": ""})
        for other in await broker.get("users", producer.user, "permissions"):
            if other["vhost"] != broker.vhost:
                await broker.delete("permissions", other["vhost"], producer.user)
        await make_producer(broker, producer.name, producer.allowed, processes=producer.processes)
    return wrong


async def find_producers(broker: Broker) -> list[Producer]:
    """All producers whose users have permissions in this virtual host, by name."""
    users, permissions, topics, limits, exchanges, queues, bindings = await asyncio.gather(
        broker.get("users"),
        broker.get("permissions"),
        broker.get("vhosts", broker.vhost, "topic-permissions"),
        broker.get("user-limits"),
        broker.get("exchanges", broker.vhost),
        broker.get("queues", broker.vhost),
        broker.get("bindings", broker.vhost),
    )
    here = {one["user"] for one in permissions if one["vhost"] == broker.vhost}
    return [
        _producer(
            user,
            broker.vhost,
            permissions=[one for one in permissions if one["user"] == user["name"]],
            topics={one["exchange"]: (one["write"], one["read"]) for one in topics if one["user"] == user["name"]},
            limits=next((one["value"] for one in limits if one["user"] == user["name"]), {}),
            exchanges={one["name"]: one for one in exchanges},
            queues={one["name"]: one for one in queues},
            bindings=bindings,
        )
        for user in sorted(users, key=lambda user: str(user["name"]))
        if user["name"].startswith(PREFIX) and user["name"] in here
    ]


def _producer(
    found: Mapping[str, Any],
    vhost: str,
    *,
    permissions: list[dict[str, Any]],
    topics: Mapping[str, tuple[str, str]],
    limits: Mapping[str, int],
    exchanges: Mapping[str, Mapping[str, Any]],
    queues: Mapping[str, Mapping[str, Any]],
    bindings: list[dict[str, Any]],
) -> Producer:
    user: str = found["name"]
    name, ingress = user.removeprefix(PREFIX), producer_exchange(user)
    allowed = _keys((topics.get(ingress) or topics.get(COMMANDS) or ("", ""))[0])
    replies = [queue for queue in queues if re.fullmatch(rf"reply\.{re.escape(user)}\.[0-9]+", queue)]
    processes = max(1, len(replies))
    own = [(one["destination"], one["routing_key"]) for one in bindings if one["source"] == ingress]
    differences = [
        *rights_differences(producer_rights(name, allowed), permissions, topics, vhost),
        *([f"user {user} has the tags {found['tags']}"] if found["tags"] else ()),
        *([f"user {user} has other limits"] if dict(limits) != _limits(processes) else ()),
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


def rights_differences(
    needed: Rights,
    permissions: list[dict[str, Any]],
    topics: Mapping[str, tuple[str, str]],
    vhost: str,
) -> list[str]:
    differences = []
    for one in permissions:
        if one["vhost"] != vhost:
            differences.append(f"user {needed.user} has rights in virtual host {one['vhost']}, too")
        elif (one["configure"], one["write"], one["read"]) != (needed.configure, needed.write, needed.read):
            differences.append(
                f"user {needed.user} may configure {one['configure']!r}, write {one['write']!r}"
                f" and read {one['read']!r}, which is not what a producer may"
            )
    if dict(topics) != dict(needed.topics):
        differences.append(f"user {needed.user} has other topic permissions")
    return differences


def made_differently(name: str, found: Mapping[str, Mapping[str, Any]], needed: Mapping[str, Any]) -> list[str]:
    one = found.get(name)
    if one is None:
        return [f"{name} is missing"]
    return [f"{name} has {key} {one.get(key)!r}" for key, value in needed.items() if one.get(key) != value]


def _limits(processes: int) -> dict[str, int]:
    return {"max-connections": CONNECTIONS * processes, "max-channels": CHANNELS * processes}


def _keys(pattern: str) -> list[str]:
    match = _ALLOWED.fullmatch(pattern)
    return sorted(key.replace("\\", "") for key in match[1].split("|")) if match and match[1] else []
