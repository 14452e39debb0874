"""What the broker must have: computed from the messages, with no I/O.

Only a queue's type is an argument. Everything tunable is a policy, since arguments cannot be changed without deleting
the queue; one policy applies to a queue.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.bus.failures import RUNGS
from contracts.message import Event, Kind, Request

COMMANDS, QUERIES, EVENTS = "autograph.commands", "autograph.queries", "autograph.events"
REPLIES, RETRY, PARKED = "autograph.replies", "autograph.retry", "autograph.parked"
EXCHANGES: Mapping[str, str] = {
    COMMANDS: "topic", QUERIES: "topic", EVENTS: "topic", REPLIES: "topic", RETRY: "headers", PARKED: "topic",
}  # fmt: skip
TOPIC_EXCHANGES = tuple(name for name, kind in EXCHANGES.items() if kind == "topic")

RUNG_SECONDS = dict(zip(RUNGS, (1, 10, 60, 600), strict=True))
# A backstop: each crash counts for every prefetched message, so our own count of attempts decides long before.
DELIVERY_LIMIT = 100
COMMANDS_MAX, COMMANDS_MAX_BYTES = 100_000, 1 << 30  # beyond, the gateway hears of it and sheds
TRANSIENT_MAX = 10_000  # what waits longer than its deadline is dropped anyway
EVENTS_MAX = 1_000_000
RETRY_MAX = 1_000_000
# Whoever looks into a parking lot puts the messages back, which counts; since 4.0 the broker's own limit is 20.
PARKED_DELIVERY_LIMIT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Binding:
    exchange: str
    queue: str
    routing_key: str = ""
    rung: str | None = None  # for the headers exchange


@dataclass(frozen=True, slots=True)
class Policy:
    """Applies to the queues whose names match *pattern*; *definition* as RabbitMQ spells it."""

    name: str
    pattern: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Topology:
    queues: Mapping[str, str]  # name → type
    bindings: tuple[Binding, ...]
    policies: tuple[Policy, ...]
    workers: tuple[str, ...]


def topology(
    requests: Iterable[type[Request[Any]]], subscriptions: Mapping[str, Iterable[type[Event]]], workers: Iterable[str]
) -> Topology:
    workers = tuple(sorted(workers))
    queues: dict[str, str] = {}
    bindings: list[Binding] = []
    for request in requests:
        queues[request.queue()] = "quorum" if request.kind is Kind.COMMAND else "classic"
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
    return Topology(queues, tuple(bindings), (*_policies(), *_event_policies(subscriptions)), workers)


def _policies() -> list[Policy]:
    # At-least-once needs all three: a quorum queue, this strategy, and an overflow that rejects.
    safely = {"dead-letter-strategy": "at-least-once", "overflow": "reject-publish"}
    commands = {
        "dead-letter-exchange": PARKED, "delivery-limit": DELIVERY_LIMIT, "max-length": COMMANDS_MAX,
        "max-length-bytes": COMMANDS_MAX_BYTES,
    }  # fmt: skip
    retries = [
        Policy(
            f"autograph-retry-{rung}",
            rf"^retry\.{rung}$",
            # To the default exchange: a copy's routing key is the name of the queue that it came from.
            safely | {"dead-letter-exchange": "", "message-ttl": RUNG_SECONDS[rung] * 1000, "max-length": RETRY_MAX},
        )
        for rung in RUNGS
    ]
    return [
        Policy("autograph-commands", r"^[a-z]+\.commands(\.[a-z]+)?$", safely | commands),
        Policy(
            "autograph-transient",
            r"^[a-z]+\.(transient|queries)(\.[a-z]+)?$",
            {"max-length": TRANSIENT_MAX, "overflow": "reject-publish"},
        ),
        *retries,
        Policy("autograph-parked", r"^[a-z]+\.parked$", {"delivery-limit": PARKED_DELIVERY_LIMIT}),
    ]


def _event_policies(subscriptions: Iterable[str]) -> list[Policy]:
    """A dead event goes to its subscriber's parking lot, not to that of the service that announced it."""
    return [
        Policy(
            f"autograph-events-{worker}",
            rf"^{worker}\.events$",
            {
                "dead-letter-exchange": PARKED,
                "dead-letter-routing-key": f"{worker}.event",
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
                "delivery-limit": DELIVERY_LIMIT,
                "max-length": EVENTS_MAX,
            },
        )
        for worker in subscriptions
    ]
