"""Who may do what on the broker, as regular expressions of RabbitMQ's.

A topic exchange that has no entry for a user allows that user everything, so every user has one for each of them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chassis.bus.headers import (
    OPERATOR_USER,
    producer_exchange,
    producer_user,
    service_user,
    subscriber_queue,
    subscriber_user,
)
from chassis.bus.topology import COMMANDS, EVENTS, PARKED, QUERIES, REFUSED, REPLIES, RETRY, TOPIC_EXCHANGES

NOTHING = "^$"


@dataclass(frozen=True, slots=True)
class Rights:
    """Of one user in the virtual host. *topics*: exchange → (write, read) on routing keys."""

    user: str
    configure: str
    write: str
    read: str
    topics: Mapping[str, tuple[str, str]]


def gateway_rights() -> Rights:
    return _asker(service_user("gateway"), {COMMANDS: ".*", QUERIES: ".*"})


def producer_rights(name: str, allowed: Iterable[str]) -> Rights:
    """*allowed*: routing keys of commands or queries, as ``diagram.create_diagram``.

    It makes and binds nothing, and writes to its ingress only: RabbitMQ checks routing keys for a direct publish alone,
    and not on the ways that exchanges, alternate exchanges and dead letters take. The ingress is bound to just what is
    allowed, for the keys in CC and BCC; its topic permission is for the key that the worker sees.
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
    """It takes from its own queue and does nothing else: the operator binds that to the events which it may have."""
    user = subscriber_user(name)
    return Rights(user=user, configure=NOTHING, write=NOTHING, read=_just(subscriber_queue(user)), topics=_topics({}))


def worker_rights(worker: str) -> Rights:
    return Rights(
        user=service_user(worker),
        configure=NOTHING,
        write=_just(EVENTS, REPLIES, RETRY, PARKED, REFUSED),
        read=rf"^{worker}\..*$",
        topics=_topics(
            {
                EVENTS: (rf"^{worker}\.", NOTHING),
                REPLIES: (r"^reply\.", NOTHING),
                PARKED: (rf"^{worker}\.", NOTHING),
                REFUSED: (rf"^{worker}\.", NOTHING),
            }
        ),
    )


def operator_rights(commands: Iterable[str]) -> Rights:
    """Takes from the parking lots, puts back into the queue that a message was taken from, and sends *commands*."""
    own = rf"reply\.{re.escape(OPERATOR_USER)}\..*"
    return Rights(
        user=OPERATOR_USER,
        configure=f"^{own}$",
        write=rf"^(amq\.default|{re.escape(COMMANDS)}|{own})$",
        # Of the parking lots the queues, not the exchanges of those names.
        read=rf"^((?!autograph\.)[a-z]+\.(parked|refused)|{re.escape(REPLIES)}|{own})$",
        topics=_topics({COMMANDS: (_keys(commands), NOTHING), REPLIES: (NOTHING, f"^{own}$")}),
    )


def _asker(user: str, writes: Mapping[str, str]) -> Rights:
    """Whoever asks has a reply queue under its own name, and can bind only that."""
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
