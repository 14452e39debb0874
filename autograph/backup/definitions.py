"""The broker's definitions that `autograph migrate` does not create: programs, and the operator's own policies.

Messages in a subscriber's queue are not backed up: they are copies of events, and bounded anyway.
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
    """In RabbitMQ's export format, for our virtual host and its users. Returns the server's version."""
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
    """Creates programs with their password hashes and rights, and the operator's policies, in *broker*'s vhost."""
    backed_up: dict[str, Any] = json.loads((folder / DEFINITIONS).read_bytes())
    await _apply_programs(broker, backed_up)
    for policy in backed_up["policies"]:
        if policy["name"] not in OUR_POLICIES:
            body = {name: policy[name] for name in ("pattern", "definition", "priority", "apply-to")}
            await broker.put("policies", broker.vhost, policy["name"], body=body)


async def _apply_programs(broker: Broker, backed_up: dict[str, Any]) -> None:
    for user in backed_up["users"]:
        if user["name"].startswith(PROGRAMS):
            body = {name: user[name] for name in ("password_hash", "hashing_algorithm")}
            await broker.put("users", user["name"], body={**body, "tags": ""})
    for one in backed_up["permissions"]:
        if one["user"].startswith(PROGRAMS):
            body = {name: one[name] for name in ("configure", "write", "read")}
            await broker.put("permissions", broker.vhost, one["user"], body=body)
    for one in backed_up["topic_permissions"]:
        if one["user"].startswith(PROGRAMS):
            body = {name: one[name] for name in ("exchange", "write", "read")}
            await broker.put("topic-permissions", broker.vhost, one["user"], body=body)
    for queue in (queue["name"] for queue in backed_up["queues"] if _REPLIES.fullmatch(queue["name"])):
        await broker.put("queues", broker.vhost, queue, body=REPLY_QUEUE)
    await restore_producers(broker)  # creates their exchanges and queues from their rights
    for name in (user["name"].removeprefix(SUBSCRIBERS) for user in backed_up["users"] if _is_subscriber(user["name"])):
        queue = subscriber_queue(subscriber_user(name))
        bound = {
            one["routing_key"]
            for one in backed_up["bindings"]
            if (one["source"], one["destination"]) == (EVENTS, queue)
        }
        await make_subscriber(broker, name, bound)


async def remove_definitions(broker: Broker, folder: Path) -> None:
    """The reverse of ``apply_definitions``, for a restore that failed."""
    backed_up: dict[str, Any] = json.loads((folder / DEFINITIONS).read_bytes())
    for user in backed_up["users"]:
        if user["name"].startswith(PRODUCERS):
            await remove_producer(broker, user["name"].removeprefix(PRODUCERS))
        if _is_subscriber(user["name"]):
            await remove_subscriber(broker, user["name"].removeprefix(SUBSCRIBERS))
    for policy in backed_up["policies"]:
        if policy["name"] not in OUR_POLICIES:
            await broker.delete("policies", broker.vhost, policy["name"])


async def find_any_program(broker: Broker) -> str | None:
    """Any producer or subscriber on the broker, as ``producer reports``."""
    for user in await broker.get("users"):
        kind, _, name = user["name"].partition("-")
        if user["name"].startswith(PROGRAMS):
            return f"{kind} {name}"
    return None


def _is_subscriber(user: str) -> bool:
    return user.startswith(SUBSCRIBERS)
