"""Finds resources of others on the broker that reach AutoGraph's queues, past the users' permissions."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from autograph.broker import Broker
from autograph.doctor.finding import Finding
from autograph.ingress import PREFIX, find_producers
from autograph.subscribers import PREFIX as SUBSCRIBER_PREFIX
from autograph.subscribers import find_subscribers
from autograph.topology import NEEDED
from chassis.bus.headers import OPERATOR_USER, producer_exchange, service_user
from chassis.bus.permissions import NOTHING
from chassis.bus.topology import EVENTS, EXCHANGES
from contracts.catalogue import WORKERS

SERVICES: Final = {OPERATOR_USER, service_user("gateway"), *map(service_user, WORKERS)}
FORWARDING_ARGUMENTS: Final = ("alternate-exchange", "dead-letter-exchange")
REMOVE: Final = "delete it, unless you know what it is for"

Row = Mapping[str, Any]


async def find_foreign_resources(broker: Broker) -> list[Finding]:
    vhost = broker.vhost
    producers = await find_producers(broker)
    findings = [
        Finding(
            "producer_rights",
            True,
            f"producer {producer.name}: {difference}",
            f"autograph migrate, or autograph producer remove {producer.name}",
        )
        for producer in producers
        for difference in producer.differences
    ]
    subscribers = await find_subscribers(broker)
    findings += [
        Finding(
            "subscriber_rights",
            True,
            f"subscriber {subscriber.name}: {difference}",
            f"autograph migrate, or autograph subscriber remove {subscriber.name}",
        )
        for subscriber in subscribers
        for difference in subscriber.differences
    ]
    subscribed = {subscriber.queue for subscriber in subscribers}
    known = {*EXCHANGES, *(producer_exchange(producer.user) for producer in producers)}
    replies = {f"reply.{user}." for user in (OPERATOR_USER, service_user("gateway"), *(p.user for p in producers))}
    exchanges = [row for row in await broker.get("exchanges", vhost) if not _is_built_in(row["name"])]
    queues = await broker.get("queues", vhost)
    policies = await broker.get("policies", vhost)
    foreign_exchanges = [row for row in exchanges if row["name"] not in known]
    foreign_queues = [
        row
        for row in queues
        if row["name"] not in NEEDED.queues.keys() | subscribed and not row["name"].startswith(tuple(replies))
    ]
    ours = known | NEEDED.queues.keys()
    findings += [*_reserved_names(foreign_exchanges, "exchange"), *_reserved_names(foreign_queues, "queue")]
    findings += _bindings(await broker.get("bindings", vhost), ours, subscribed)
    findings += _forwarding([*exchanges, *queues], policies, ours)
    findings += _users(await broker.get("vhosts", vhost, "permissions"), await broker.get("users"))
    return findings


def _is_built_in(exchange: str) -> bool:
    return exchange == "" or exchange.startswith("amq.")


def _reserved_names(rows: Iterable[Row], kind: str) -> Iterator[Finding]:
    for row in rows:
        if row["name"].startswith(("autograph.", "reply.")):
            what = f"{kind} {row['name']} uses a name that is reserved for AutoGraph"
            yield Finding("foreign_route", True, what, REMOVE)


def _bindings(bindings: Iterable[Row], ours: set[str], subscribed: set[str]) -> Iterator[Finding]:
    needed = {(b.exchange, b.queue, b.rung or b.routing_key) for b in NEEDED.bindings}
    for row in bindings:
        source, destination = row["source"], row["destination"]
        key = row["arguments"].get("rung") or row["routing_key"]
        if not source or (source, destination, key) in needed or source.startswith("autograph.producers."):
            continue
        if source == "autograph.replies" and destination == key and destination.startswith("reply."):
            continue
        if source == EVENTS and destination in subscribed:
            continue
        route = f"{source} is bound to {destination} by {key!r}"
        if destination in ours:
            yield Finding(
                "foreign_route", True, f"{route}: messages that take this route bypass the permission checks", REMOVE
            )
        elif source in ours:
            yield Finding("foreign_copy", False, f"{route}: it gets a copy of each of these messages", REMOVE)


def _forwarding(rows: Iterable[Row], policies: Iterable[Row], ours: set[str]) -> Iterator[Finding]:
    """Forwarding by arguments, and by policies of others."""
    for row in rows:
        for name in FORWARDING_ARGUMENTS:
            to = row["arguments"].get(name) or row["arguments"].get(f"x-{name}")
            if to in ours:
                what = (
                    f"{row['name']} passes messages on to {to} by its {name}:"
                    " messages that take this route bypass the permission checks"
                )
                yield Finding("foreign_route", True, what, REMOVE)
    named = {policy.name for policy in NEEDED.policies}
    for policy in policies:
        for name in FORWARDING_ARGUMENTS:
            to = policy["definition"].get(name)
            if policy["name"] not in named and to in ours:
                yield Finding("foreign_route", True, f"policy {policy['name']} passes messages on to {to}", REMOVE)


def _users(permissions: Iterable[Row], users: Iterable[Row]) -> Iterator[Finding]:
    """Other users with permissions. Programs are checked separately; administrators may do everything anyway."""
    administrators = {user["name"] for user in users if "administrator" in _tags(user)}
    for row in permissions:
        user = row["user"]
        if user in SERVICES or user in administrators or user.startswith((PREFIX, SUBSCRIBER_PREFIX)):
            continue
        may = [right for right in ("configure", "write", "read") if row[right] not in ("", NOTHING)]
        if may:
            what = f"user {user} does not belong to AutoGraph and may {' and '.join(may)} here"
            yield Finding("foreign_user", True, what, "take its permissions away, unless you know what it is for")


def _tags(user: Row) -> list[str]:
    tags = user["tags"]
    return tags if isinstance(tags, list) else re.split(r"[,\s]+", tags)
