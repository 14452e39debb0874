"""The rights of each broker user, as RabbitMQ's regular expressions.

A topic exchange without an entry for a user allows that user everything, so every user has an entry for each.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.bus.headers import (
    OPERATOR_USER,
    producer_exchange,
    producer_user,
    service_user,
    subscriber_queue,
    subscriber_user,
)
from chassis.bus.topology import COMMANDS, EVENTS, PARKED, QUERIES, REFUSED, REPLIES, RETRY, TOPIC_EXCHANGES
from contracts.message import Request

NOTHING = "^$"


@dataclass(frozen=True, slots=True)
class Rights:
    """Rights of one user in the virtual host. *topics*: exchange → (write, read) on routing keys."""

    user: str
    configure: str
    write: str
    read: str
    topics: Mapping[str, tuple[str, str]]


def gateway_rights() -> Rights:
    return _asker(service_user("gateway"), {COMMANDS: ".*", QUERIES: ".*"})


def producer_rights(name: str, allowed: Iterable[str]) -> Rights:
    """*allowed*: routing keys of commands or queries, as ``diagram.create_diagram``.

    A producer declares and binds nothing, and writes to its ingress only: RabbitMQ checks routing keys only at a direct
    publish, not where exchange bindings, alternate exchanges and dead-lettering route a message. The ingress is bound
    to the allowed keys only, which limits CC and BCC; its topic permission limits the key that the worker sees.
    """
    user = producer_user(name)
    ingress = producer_exchange(user)
    return Rights(
        user=user,
        configure=NOTHING,
        write=_just(ingress),
        read=rf"^reply\.{re.escape(user)}\.[0-9]+$",
        topics=_topics({}) | {ingress: (_keys(allowed), NOTHING)},
    )


def subscriber_rights(name: str) -> Rights:
    """Consumes its own queue and does nothing else: the operator binds that queue."""
    user = subscriber_user(name)
    return Rights(user=user, configure=NOTHING, write=NOTHING, read=_just(subscriber_queue(user)), topics=_topics({}))


def worker_rights(worker: str, asks: Iterable[type[Request[Any]]] = ()) -> Rights:
    """*asks*: what it may send on behalf of users, for whose replies it then has a queue as the gateway has."""
    user = service_user(worker)
    topics = {
        EVENTS: (rf"^{worker}\.", NOTHING),
        REPLIES: (r"^reply\.", NOTHING),
        PARKED: (rf"^{worker}\.", NOTHING),
        REFUSED: (rf"^{worker}\.", NOTHING),
    }
    exchanges = (EVENTS, REPLIES, RETRY, PARKED, REFUSED)
    asked: dict[str, list[str]] = {}
    for request in asks:
        asked.setdefault(request.exchange(), []).append(request.routing_key())
    if not asked:
        return Rights(user, NOTHING, _just(*exchanges), rf"^{worker}\..*$", _topics(topics))
    own = rf"reply\.{re.escape(user)}\..*"
    names = "|".join(re.escape(exchange) for exchange in (*exchanges, *sorted(asked)))
    topics |= {exchange: (_keys(keys), NOTHING) for exchange, keys in asked.items()}
    topics[REPLIES] = (r"^reply\.", f"^{own}$")
    return Rights(
        user=user,
        configure=f"^{own}$",
        write=f"^({names}|{own})$",
        read=rf"^({worker}\..*|{re.escape(REPLIES)}|{own})$",
        topics=_topics(topics),
    )


def operator_rights(commands: Iterable[str]) -> Rights:
    """Consumes the parking lots, republishes to the queue that a message came from, and sends *commands*."""
    own = rf"reply\.{re.escape(OPERATOR_USER)}\..*"
    return Rights(
        user=OPERATOR_USER,
        configure=f"^{own}$",
        write=rf"^(amq\.default|{re.escape(COMMANDS)}|{own})$",
        # The queues of the parking lots, not the exchanges of those names.
        read=rf"^((?!autograph\.)[a-z]+\.(parked|refused)|{re.escape(REPLIES)}|{own})$",
        topics=_topics({COMMANDS: (_keys(commands), NOTHING), REPLIES: (NOTHING, f"^{own}$")}),
    )


def _asker(user: str, writes: Mapping[str, str]) -> Rights:
    """A client of the bus has reply queues under its own name, and can bind only these."""
    own = rf"reply\.{re.escape(user)}\..*"
    return Rights(
        user=user,
        configure=f"^{own}$",
        write=f"^({'|'.join(re.escape(exchange) for exchange in writes)}|{own})$",
        read=f"^({re.escape(REPLIES)}|{own})$",
        topics=_topics(
            {exchange: (keys, NOTHING) for exchange, keys in writes.items()} | {REPLIES: (NOTHING, f"^{own}$")}
        ),
    )


def _keys(allowed: Iterable[str]) -> str:
    return f"^({'|'.join(re.escape(key) for key in sorted(allowed))})$"


def _just(*names: str) -> str:
    return f"^({'|'.join(re.escape(name) for name in names)})$"


def _topics(allowed: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {exchange: allowed.get(exchange, (NOTHING, NOTHING)) for exchange in TOPIC_EXCHANGES}
