"""The exchanges, queues, bindings and policies that the broker needs, computed from the contracts. No I/O.

Only a queue's type is an argument. Everything tunable is a policy, since arguments cannot be changed without deleting
the queue; one policy applies to a queue.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from chassis.failures import RUNGS
from contracts.message import Event, Kind, Request

COMMANDS, QUERIES, EVENTS = "autograph.commands", "autograph.queries", "autograph.events"
REPLIES, RETRY, PARKED = "autograph.replies", "autograph.retry", "autograph.parked"
REFUSED = "autograph.refused"  # what producers sent and no worker can read
EXCHANGES: Mapping[str, str] = {
    COMMANDS: "topic", QUERIES: "topic", EVENTS: "topic", REPLIES: "topic", RETRY: "headers", PARKED: "topic",
    REFUSED: "topic",
}  # fmt: skip
TOPIC_EXCHANGES = tuple(name for name, kind in EXCHANGES.items() if kind == "topic")

RUNG_SECONDS = dict(zip(RUNGS, (1, 10, 60, 600), strict=True))
# A safety net: each crash counts for every prefetched message, so our own count of attempts is reached long before.
DELIVERY_LIMIT = 100
# The broker's `max_message_size`. A body of 10 MiB may take 40 when its numbers are written out (1e15 has 18
# characters), and 16 more as PostgreSQL returns it. The broker keeps an incomplete message in memory, and closes the
# channel of a larger one, with all that is in flight there.
MAX_MESSAGE_BYTES = 64 << 20
# Each queue's messages and bytes. A full queue rejects publishes: the gateway answers 503, and a delivery is not
# acknowledged. Classic queues may hold all of it in the broker's memory, quorum queues hold it on disk.
COMMANDS_MAX, COMMANDS_MAX_BYTES = 100_000, 1 << 30
TRANSIENT_MAX, TRANSIENT_MAX_BYTES = 10_000, 64 << 20  # messages past their deadline are dropped anyway
PRODUCERS_MAX, PRODUCERS_MAX_BYTES = 10_000, 128 << 20
PRODUCERS_TRANSIENT_MAX_BYTES = 16 << 20
RETRY_MAX, RETRY_MAX_BYTES = 1_000_000, 1 << 30
PARKED_MAX, PARKED_MAX_BYTES = 100_000, 1 << 30
# A full queue of these drops its oldest: no worker can read them, and a reply's outcome is in the inbox.
REFUSED_MAX, REFUSED_MAX_BYTES = 1_000, 64 << 20
REPLIES_MAX, REPLIES_MAX_BYTES, REPLIES_SECONDS = 10_000, 256 << 20, 60
# Also drops its oldest: an outside program may be stopped for days. It detects the gap by ``sequence`` (ADR 34).
SUBSCRIBERS_MAX, SUBSCRIBERS_MAX_BYTES = 100_000, 256 << 20
# Listing a parking lot requeues its messages, which counts as a delivery. The default of RabbitMQ 4.0 is 20, and beyond
# it drops messages of queues without dead-lettering.
NO_DELIVERY_LIMIT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Binding:
    exchange: str
    queue: str
    routing_key: str = ""
    rung: str | None = None  # for the headers exchange


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """Applies to the queues whose names match *pattern*; *definition* as RabbitMQ spells it."""

    name: str
    pattern: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Topology:
    queues: Mapping[str, str]  # name → type
    bindings: tuple[Binding, ...]
    policies: tuple[QueuePolicy, ...]
    workers: tuple[str, ...]


def topology(
    requests: Iterable[type[Request[Any]]],
    subscriptions: Mapping[str, Iterable[type[Event]]],
    workers: Iterable[str],
    event_bulkheads: Mapping[str, Mapping[type[Event], str]] = MappingProxyType({}),
) -> Topology:
    """*subscriptions*, *event_bulkheads*: by worker."""
    workers = tuple(sorted(workers))
    queues: dict[str, str] = {}
    bindings: list[Binding] = []
    for request in requests:
        kind = "quorum" if request.kind is Kind.COMMAND else "classic"
        queues[request.queue()] = queues[request.producers_queue()] = kind
        bindings.append(Binding(request.exchange(), request.queue(), request.routing_key()))
    for worker, events in subscriptions.items():
        bulkheads = event_bulkheads.get(worker, {})
        for event in events:
            queue = event.queue(worker, bulkheads.get(event))
            queues[queue] = "quorum"
            bindings.append(Binding(EVENTS, queue, event.routing_key()))
    for rung in RUNGS:
        queues[f"retry.{rung}"] = "quorum"
        bindings.append(Binding(RETRY, f"retry.{rung}", rung=rung))
    for worker in workers:
        queues[f"{worker}.parked"] = "quorum"
        bindings.append(Binding(PARKED, f"{worker}.parked", f"{worker}.#"))
        queues[f"{worker}.refused"] = "quorum"
        bindings.append(Binding(REFUSED, f"{worker}.refused", f"{worker}.#"))
    return Topology(queues, tuple(bindings), (*_policies(), *_event_policies(subscriptions)), workers)


def _policies() -> list[QueuePolicy]:
    # At-least-once needs all three: a quorum queue, this strategy, and an overflow that rejects.
    safely = {"dead-letter-strategy": "at-least-once", "overflow": "reject-publish"}
    commands = safely | {"dead-letter-exchange": PARKED, "delivery-limit": DELIVERY_LIMIT}
    retries = [
        QueuePolicy(
            f"autograph-retry-{rung}",
            rf"^retry\.{rung}$",
            # To the default exchange: a copy's routing key is the name of the queue that it came from.
            safely
            | {"dead-letter-exchange": "", "message-ttl": RUNG_SECONDS[rung] * 1000}
            | _bounds(RETRY_MAX, RETRY_MAX_BYTES),
        )
        for rung in RUNGS
    ]
    return [
        QueuePolicy(
            "autograph-commands",
            r"^[a-z]+\.commands(\.(?!producers$)[a-z]+)?$",
            commands | _bounds(COMMANDS_MAX, COMMANDS_MAX_BYTES),
        ),
        QueuePolicy(
            "autograph-commands-producers",
            r"^[a-z]+\.commands\.producers$",
            commands | _bounds(PRODUCERS_MAX, PRODUCERS_MAX_BYTES),
        ),
        QueuePolicy(
            "autograph-transient",
            r"^[a-z]+\.(transient|queries)(\.(?!producers$)[a-z]+)?$",
            {"overflow": "reject-publish"} | _bounds(TRANSIENT_MAX, TRANSIENT_MAX_BYTES),
        ),
        QueuePolicy(
            "autograph-transient-producers",
            r"^[a-z]+\.(transient|queries)\.producers$",
            {"overflow": "reject-publish"} | _bounds(PRODUCERS_MAX, PRODUCERS_TRANSIENT_MAX_BYTES),
        ),
        *retries,
        QueuePolicy(
            "autograph-parked",
            r"^[a-z]+\.parked$",
            {"delivery-limit": NO_DELIVERY_LIMIT, "overflow": "reject-publish"} | _bounds(PARKED_MAX, PARKED_MAX_BYTES),
        ),
        QueuePolicy(
            "autograph-refused",
            r"^[a-z]+\.refused$",
            {"delivery-limit": NO_DELIVERY_LIMIT, "overflow": "drop-head"} | _bounds(REFUSED_MAX, REFUSED_MAX_BYTES),
        ),
        QueuePolicy(
            "autograph-subscribers",
            r"^autograph\.subscribers\.",
            # To reject an event would make its publisher send it to all subscribers again (ADR 33).
            {"delivery-limit": NO_DELIVERY_LIMIT, "overflow": "drop-head"}
            | _bounds(SUBSCRIBERS_MAX, SUBSCRIBERS_MAX_BYTES),
        ),
        QueuePolicy(
            "autograph-replies",
            r"^reply\.",
            {"overflow": "drop-head", "message-ttl": REPLIES_SECONDS * 1000} | _bounds(REPLIES_MAX, REPLIES_MAX_BYTES),
        ),
    ]


def _bounds(messages: int, size: int) -> dict[str, int]:
    return {"max-length": messages, "max-length-bytes": size}


def _event_policies(subscriptions: Iterable[str]) -> list[QueuePolicy]:
    """A dead event goes to its subscriber's parking lot, not to that of the service that published it.

    No bounds: a queue that rejects an event makes its publisher send it to all subscribers again (ADR 33).
    At-least-once dead-lettering needs ``reject-publish``, which without bounds rejects nothing.
    """
    return [
        QueuePolicy(
            f"autograph-events-{worker}",
            rf"^{worker}\.events(\.[a-z]+)?$",
            {
                "dead-letter-exchange": PARKED,
                "dead-letter-routing-key": f"{worker}.event",
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
                "delivery-limit": DELIVERY_LIMIT,
            },
        )
        for worker in subscriptions
    ]
