"""Creates the broker's topology from the contracts, and finds differences from it."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import aio_pika
import aiormq
from aiormq.abc import FieldTable

from autograph.broker import Broker, open_broker
from autograph.credentials import service_password
from autograph.ingress import Producer, restore_producers
from autograph.subscribers import Subscriber, restore_subscribers
from chassis.bus.headers import OPERATOR_USER, service_user
from chassis.bus.permissions import Rights, gateway_rights, operator_rights, worker_rights
from chassis.bus.topology import EVENTS, EXCHANGES, Topology, topology
from contracts.catalogue import DELEGATIONS, EVENT_BULKHEADS, REQUESTS, SUBSCRIPTIONS, WORKERS

NEEDED = topology(REQUESTS, SUBSCRIPTIONS, WORKERS, EVENT_BULKHEADS)


async def apply_topology(amqp_url: str, management_url: str, installation_secret: str) -> list[Producer | Subscriber]:
    """Creates or corrects exchanges, queues, bindings, policies, users and permissions. Safe to repeat.

    Returns the programs that were corrected. Raises for a queue of another type, which is not replaced since it may
    hold messages.
    """
    async with open_broker(amqp_url, management_url) as broker:
        await broker.make_vhost()
        for policy in NEEDED.policies:
            await broker.put(
                "policies", broker.vhost, policy.name,
                body={"pattern": policy.pattern, "definition": dict(policy.definition), "apply-to": "queues"},
            )  # fmt: skip
        await _declare(amqp_url, NEEDED)
        await _unbind_moved_events(broker)
        await asyncio.gather(*(_user(broker, rights, installation_secret) for rights in _all_rights()))
        return [*await restore_producers(broker), *await restore_subscribers(broker)]


async def _unbind_moved_events(broker: Broker) -> None:
    """Unbind events from the queue that a worker consumed them from before they got a bulkhead, or another one.

    An event that a worker no longer subscribes to stays bound: a process of the previous release may still handle it.
    The doctor names such a binding.
    """
    heard = {(binding.queue.partition(".")[0], binding.routing_key): binding.queue for binding in NEEDED.bindings
             if binding.exchange == EVENTS}  # fmt: skip
    for found in await broker.get("exchanges", broker.vhost, EVENTS, "bindings", "source"):
        worker, _, kind = found["destination"].partition(".")
        queue = heard.get((worker, found["routing_key"]))
        if kind.startswith("events") and queue not in (None, found["destination"]):
            await broker.unbind(found)


async def check_topology(amqp_url: str, management_url: str) -> list[str]:
    """The differences between the broker and the topology, a sentence each."""
    async with open_broker(amqp_url, management_url) as broker:
        vhost = broker.vhost
        exchanges = {found["name"]: found["type"] for found in await broker.get("exchanges", vhost)}
        queues = {found["name"]: found.get("type", "classic") for found in await broker.get("queues", vhost)}
        bound = {
            (found["source"], found["destination"], found["arguments"].get("rung") or found["routing_key"])
            for found in await broker.get("bindings", vhost)
        }
        policies = {found["name"]: found for found in await broker.get("policies", vhost)}
        rights = {
            found["user"]: (found["configure"], found["write"], found["read"])
            for found in await broker.get("vhosts", vhost, "permissions")
        }
        topics = {
            (found["user"], found["exchange"]): (found["write"], found["read"])
            for found in await broker.get("vhosts", vhost, "topic-permissions")
        }
    differences = [
        f"exchange {name} is {exchanges.get(name, 'missing')}, not {kind}"
        for name, kind in EXCHANGES.items()
        if exchanges.get(name) != kind
    ]
    differences += [
        f"queue {name} is {queues.get(name, 'missing')}, not {kind}"
        for name, kind in NEEDED.queues.items()
        if queues.get(name) != kind
    ]
    differences += [
        f"queue {binding.queue} is not bound to {binding.exchange} by {binding.rung or binding.routing_key}"
        for binding in NEEDED.bindings
        if (binding.exchange, binding.queue, binding.rung or binding.routing_key) not in bound
    ]
    differences += _policy_differences(policies)
    for needed in _all_rights():
        if rights.get(needed.user) != (needed.configure, needed.write, needed.read):
            differences.append(f"user {needed.user} is missing or has other permissions")
        differences += [
            f"user {needed.user} has other topic permissions on {exchange}"
            for exchange, keys in needed.topics.items()
            if topics.get((needed.user, exchange)) != keys
        ]
    return differences


def _policy_differences(policies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    ours = {policy.name for policy in NEEDED.policies}
    differences = []
    for policy in NEEDED.policies:
        found = policies.get(policy.name)
        if found is None or (found["pattern"], found["definition"]) != (policy.pattern, dict(policy.definition)):
            differences.append(f"policy {policy.name} is missing or differs")
    # Only one policy applies to a queue: another one of the same or a higher priority replaces ours.
    for name, found in policies.items():
        if name in ours or found["apply-to"] == "exchanges" or found["priority"] < 0:
            continue
        taken = [queue for queue in NEEDED.queues if re.search(found["pattern"], queue)]
        if taken:
            differences.append(f"policy {name} may apply to {', '.join(taken)} instead of ours")
    return differences


def _all_rights() -> list[Rights]:
    operators = [request.routing_key() for request in REQUESTS if request.operator_only]
    workers = [worker_rights(worker, DELEGATIONS.get(worker, ())) for worker in WORKERS]
    return [gateway_rights(), operator_rights(operators), *workers]


async def _user(broker: Broker, rights: Rights, installation_secret: str) -> None:
    service = "operator" if rights.user == OPERATOR_USER else rights.user.removeprefix(service_user(""))
    await broker.make_user(rights.user, service_password(installation_secret, "rabbitmq", service))
    await broker.grant(rights)


async def _declare(amqp_url: str, needed: Topology) -> None:
    connection = await aio_pika.connect(amqp_url, timeout=10)
    async with connection:
        channel = connection.channel()
        await channel.initialize()
        underlay = await channel.get_underlay_channel()
        assert isinstance(underlay, aiormq.Channel)
        for name, kind in EXCHANGES.items():
            await underlay.exchange_declare(name, exchange_type=kind, durable=True)
        for name, kind in needed.queues.items():
            await underlay.queue_declare(name, durable=True, arguments={"x-queue-type": kind})
        for binding in needed.bindings:
            arguments: FieldTable | None = {"x-match": "all", "rung": binding.rung} if binding.rung else None
            await underlay.queue_bind(
                binding.queue, binding.exchange, routing_key=binding.routing_key, arguments=arguments
            )
