"""The broker's part: what `autograph migrate` does not make anew: producers, subscribers, policies of one's own.

What waits in a subscriber's queue is not kept: it is the program's, and bounded anyway.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from autograph.backup.manifest import DEFINITIONS, write_private
from autograph.broker import Broker
from autograph.ingress import REPLY_QUEUE, remove_producer, restore_producers
from autograph.subscribers import make_subscriber, remove_subscriber
from autograph.topology import NEEDED
from chassis.bus.headers import producer_user, subscriber_queue, subscriber_user
from chassis.bus.topology import EVENTS

PRODUCERS: Final = producer_user("")
SUBSCRIBERS: Final = subscriber_user("")
PROGRAMS: Final = (PRODUCERS, SUBSCRIBERS)
_REPLIES: Final = re.compile(rf"reply\.{re.escape(PRODUCERS)}.+\.[0-9]+")
OUR_POLICIES: Final = frozenset(policy.name for policy in NEEDED.policies)


async def write_definitions(broker: Broker, folder: Path) -> str:
    """As RabbitMQ exports them, of our virtual host and the users that may enter it; returns the server's version."""
    whole: dict[str, Any] = await broker.get("definitions")
    users = {one["user"] for one in whole["permissions"] if one["vhost"] == broker.vhost}
    ours = {
        part: [one for one in whole.get(part, ()) if one.get("vhost") == broker.vhost]
        for part in ("permissions", "topic_permissions", "policies", "exchanges", "queues", "bindings")
    }
    ours["users"] = [one for one in whole["users"] if one["name"] in users]
    version = str((await broker.get("overview"))["rabbitmq_version"])
    write_private(folder / DEFINITIONS, json.dumps({"rabbitmq_version": version, **ours}, indent=1).encode())
    return version


async def apply_definitions(broker: Broker, folder: Path) -> None:
    """Programs with their passwords' hashes and rights, and policies that are not ours; in whichever vhost this is."""
    kept: dict[str, Any] = json.loads((folder / DEFINITIONS).read_bytes())
    await _apply_programs(broker, kept)
    for policy in kept["policies"]:
        if policy["name"] not in OUR_POLICIES:
            body = {name: policy[name] for name in ("pattern", "definition", "priority", "apply-to")}
            await broker.put("policies", broker.vhost, policy["name"], body=body)


async def _apply_programs(broker: Broker, kept: dict[str, Any]) -> None:
    for user in kept["users"]:
        if user["name"].startswith(PROGRAMS):
            body = {name: user[name] for name in ("password_hash", "hashing_algorithm")}
            await broker.put("users", user["name"], body={**body, "tags": ""})
    for one in kept["permissions"]:
        if one["user"].startswith(PROGRAMS):
            body = {name: one[name] for name in ("configure", "write", "read")}
            await broker.put("permissions", broker.vhost, one["user"], body=body)
    for one in kept["topic_permissions"]:
        if one["user"].startswith(PROGRAMS):
            body = {name: one[name] for name in ("exchange", "write", "read")}
            await broker.put("topic-permissions", broker.vhost, one["user"], body=body)
    for queue in (queue["name"] for queue in kept["queues"] if _REPLIES.fullmatch(queue["name"])):
        await broker.put("queues", broker.vhost, queue, body=REPLY_QUEUE)
    await restore_producers(broker)  # their exchanges and queues, which follow from their rights
    for name in (user["name"].removeprefix(SUBSCRIBERS) for user in kept["users"] if _is_subscriber(user["name"])):
        queue = subscriber_queue(subscriber_user(name))
        bound = {
            one["routing_key"] for one in kept["bindings"] if (one["source"], one["destination"]) == (EVENTS, queue)
        }
        await make_subscriber(broker, name, bound)


async def forget_definitions(broker: Broker, folder: Path) -> None:
    """The reverse of ``apply_definitions``, for a restore that did not come to its end."""
    kept: dict[str, Any] = json.loads((folder / DEFINITIONS).read_bytes())
    for user in kept["users"]:
        if user["name"].startswith(PRODUCERS):
            await remove_producer(broker, user["name"].removeprefix(PRODUCERS))
        if _is_subscriber(user["name"]):
            await remove_subscriber(broker, user["name"].removeprefix(SUBSCRIBERS))
    for policy in kept["policies"]:
        if policy["name"] not in OUR_POLICIES:
            await broker.delete("policies", broker.vhost, policy["name"])


async def a_program(broker: Broker) -> str | None:
    """Any producer or subscriber that the broker knows, as ``producer reports``."""
    for user in await broker.get("users"):
        kind, _, name = user["name"].partition("-")
        if user["name"].startswith(PROGRAMS):
            return f"{kind} {name}"
    return None


def _is_subscriber(user: str) -> bool:
    return user.startswith(SUBSCRIBERS)
