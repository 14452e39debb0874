"""Checks that a worker has handlers for the events that it subscribes to, and for no others."""

from collections.abc import Iterable
from typing import Any

from chassis.bus.handlers import Handlers
from contracts.message import Event


class SubscriptionsDiffer(Exception):
    """Names each event that lacks a handler or a subscription."""


def check_subscriptions(worker: str, hears: Iterable[type[Event]], handlers: Handlers[Any]) -> None:
    """Raises ``SubscriptionsDiffer``.

    An event without a handler would be parked each time that it is published; a handler without a subscription would
    never be called.
    """
    subscribed = {event.wire_name for event in hears}
    handled = {name for name, (message, _) in handlers.by_wire_name.items() if issubclass(message, Event)}
    lacking = [
        *(f"{name} is subscribed to and has no handler" for name in sorted(subscribed - handled)),
        *(f"{name} has a handler and is not subscribed to" for name in sorted(handled - subscribed)),
    ]
    if lacking:
        raise SubscriptionsDiffer(f"{worker}: {'; '.join(lacking)}")
