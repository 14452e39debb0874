"""What the broker must have: computed from the messages, with no I/O.

Only a queue's type is an argument. Everything tunable is a policy, since arguments cannot be changed without deleting
the queue; one policy applies to a queue.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.failures import RUNGS
from contracts.message import Event, Kind, Request

COMMANDS, QUERIES, EVENTS = "autograph.commands", "autograph.queries", "autograph.events"
REPLIES, RETRY, PARKED = "autograph.replies", "autograph.retry", "autograph.parked"
REFUSED = "autograph.refused"  # what producers sent and no worker can carry out
EXCHANGES: Mapping[str, str] = {
    COMMANDS: "topic", QUERIES: "topic", EVENTS: "topic", REPLIES: "topic", RETRY: "headers", PARKED: "topic",
    REFUSED: "topic",
}  # fmt: skip
TOPIC_EXCHANGES = tuple(name for name, kind in EXCHANGES.items() if kind == "topic")

RUNG_SECONDS = dict(zip(RUNGS, (1, 10, 60, 600), strict=True))
# A backstop: each crash counts for every prefetched message, so our own count of attempts decides long before.
DELIVERY_LIMIT = 100
# The broker's `max_message_size`. A body of 10 MiB may be 40 when its numbers are written out (1e15 has 18 characters),
# and what PostgreSQL gives back 16 more. The broker has in memory what has come of a message, and ends the channel on
# which more comes, with all that is in flight there.
MAX_MESSAGE_BYTES = 64 << 20
# Each queue's messages and bytes. Beyond, publishing is refused: the gateway sheds, an event stays in its outbox, a
# delivery is not acknowledged. Classic queues may hold all of it in the broker's memory, quorum queues have it on disk.
COMMANDS_MAX, COMMANDS_MAX_BYTES = 100_000, 1 << 30
TRANSIENT_MAX, TRANSIENT_MAX_BYTES = 10_000, 64 << 20  # what waits longer than its deadline is dropped anyway
PRODUCERS_MAX, PRODUCERS_MAX_BYTES = 10_000, 128 << 20
PRODUCERS_TRANSIENT_MAX_BYTES = 16 << 20
EVENTS_MAX, EVENTS_MAX_BYTES = 1_000_000, 1 << 30
RETRY_MAX, RETRY_MAX_BYTES = 1_000_000, 1 << 30
PARKED_MAX, PARKED_MAX_BYTES = 100_000, 1 << 30
# From here on the oldest are dropped: nobody can carry them out, and a reply's outcome stands in the inbox.
REFUSED_MAX, REFUSED_MAX_BYTES = 1_000, 64 << 20
REPLIES_MAX, REPLIES_MAX_BYTES, REPLIES_SECONDS = 10_000, 256 << 20, 60
# Whoever looks into a parking lot puts the messages back, which counts; since 4.0 the broker's own limit is 20.
PARKED_DELIVERY_LIMIT = 1_000_000_000


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
    requests: Iterable[type[Request[Any]]], subscriptions: Mapping[str, Iterable[type[Event]]], workers: Iterable[str]
) -> Topology:
    workers = tuple(sorted(workers))
    queues: dict[str, str] = {}
    bindings: list[Binding] = []
    for request in requests:
        kind = "quorum" if request.kind is Kind.COMMAND else "classic"
        queues[request.queue()] = queues[request.producers_queue()] = kind
        bindings.append(Binding(request.exchange(), request.queue(), request.routing_key()))
    for worker, events in subscriptions.items():
        queues[f"{worker}.events"] = "quorum"
        bindings += [Binding(EVENTS, f"{worker}.events", event.routing_key()) for event in events]
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
            {"delivery-limit": PARKED_DELIVERY_LIMIT, "overflow": "reject-publish"}
            | _bounds(PARKED_MAX, PARKED_MAX_BYTES),
        ),
        QueuePolicy(
            "autograph-refused",
            r"^[a-z]+\.refused$",
            {"delivery-limit": PARKED_DELIVERY_LIMIT, "overflow": "drop-head"}
            | _bounds(REFUSED_MAX, REFUSED_MAX_BYTES),
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
    """A dead event goes to its subscriber's parking lot, not to that of the service that announced it."""
    return [
        QueuePolicy(
            f"autograph-events-{worker}",
            rf"^{worker}\.events$",
            {
                "dead-letter-exchange": PARKED,
                "dead-letter-routing-key": f"{worker}.event",
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
                "delivery-limit": DELIVERY_LIMIT,
                **_bounds(EVENTS_MAX, EVENTS_MAX_BYTES),
            },
        )
        for worker in subscriptions
    ]
