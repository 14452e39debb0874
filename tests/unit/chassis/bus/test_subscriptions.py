"""A worker's subscriptions and its handlers name the same events."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from chassis.bus.handlers import Handlers
from chassis.bus.subscriptions import SubscriptionsDiffer, check_subscriptions
from chassis.worker import _queues, consume
from contracts.catalogue import SUBSCRIPTIONS, WORKERS
from contracts.envelope import Envelope
from contracts.message import Command, Event


class Hung(Event):
    wire_name: ClassVar[str] = "autograph.wall.hung.v1"


class Fell(Event):
    wire_name: ClassVar[str] = "autograph.wall.fell.v1"


class Hang(Command[None]):
    wire_name: ClassVar[str] = "autograph.wall.hang.v1"


def handlers_of(*messages: Any) -> Handlers[None]:
    handlers: Handlers[None] = Handlers()

    async def handle(message: Any, envelope: Envelope, tools: None) -> None: ...

    for message in messages:
        (handlers.hears if issubclass(message, Event) else handlers.answers)(message)(handle)
    return handlers


@pytest.mark.parametrize("worker", WORKERS)
def test_each_worker_handles_just_the_events_that_it_subscribes_to(worker: str) -> None:
    handlers = import_module(f"workers.{worker}.handlers").handlers

    check_subscriptions(worker, SUBSCRIPTIONS.get(worker, ()), handlers)


@pytest.mark.parametrize(
    ("hears", "handled", "lacking"),
    [
        ((Hung, Fell), (Hung,), "wall: autograph.wall.fell.v1 is subscribed to and has no handler"),
        ((Hung,), (Hung, Fell), "wall: autograph.wall.fell.v1 has a handler and is not subscribed to"),
    ],
)
def test_the_side_that_lacks_an_event_is_named(hears: Any, handled: Any, lacking: str) -> None:
    with pytest.raises(SubscriptionsDiffer, match=lacking):
        check_subscriptions("wall", hears, handlers_of(*handled))


async def test_a_worker_whose_sides_differ_does_not_start() -> None:
    service: Any = None
    context: Any = SimpleNamespace(name="wall")  # nothing else of it is looked at before

    async def unseal(message: Any, envelope: Envelope) -> Any: ...

    with pytest.raises(SubscriptionsDiffer, match="fell"):
        await consume(
            service, context, handlers_of(Hung), None,
            unseal=unseal, hears=(Hung, Fell), event_bulkheads={}, delegations={},
        )  # fmt: skip


def test_a_worker_takes_an_event_with_a_bulkhead_from_that_queue() -> None:
    assert _queues("wall", handlers_of(Hung, Fell), {Fell: "slow"}) == ["wall.events", "wall.events.slow"]
    assert _queues("wall", handlers_of(Fell), {Fell: "slow"}) == ["wall.events.slow"]


def test_requests_need_no_subscription() -> None:
    check_subscriptions("wall", (Hung,), handlers_of(Hung, Hang))
