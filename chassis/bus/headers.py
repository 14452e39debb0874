"""AMQP header names, broker users and queue names that several services use."""

ATTEMPT = "x-attempt"  # int, from 1; absent on the first
ORIGINAL_USER = "x-original-user"  # its first publisher; trusted only from the service itself and the operator
ORIGINAL_ROUTING_KEY = "x-original-routing-key"
RUNG = "rung"  # the retry exchange routes by it
PARKED_REASON = "x-parked-reason"
PARKED_DETAIL = "x-parked-detail"
PARKED_FROM = "x-parked-from"  # queue
PARKED_AT = "x-parked-at"  # RFC 3339
FAILURE_NOTIFIED = "x-failure-told"  # int, 1: a reply told the caller that it failed

OPERATOR_USER = "autograph-operator"


def service_user(service: str) -> str:
    """The broker user of one of our services: ``gateway``, or a worker's name."""
    return f"autograph-{service}"


def producer_user(name: str) -> str:
    return f"producer-{name}"


def producer_exchange(user: str) -> str:
    """The ingress exchange of the producer with this broker user: the only exchange that it may write to."""
    return f"autograph.producers.{user.removeprefix(producer_user(''))}"


def subscriber_user(name: str) -> str:
    """The broker user of an outside program that consumes events."""
    return f"subscriber-{name}"


def subscriber_queue(user: str) -> str:
    """The queue of the subscriber with this broker user: the only one that it may read."""
    return f"autograph.subscribers.{user.removeprefix(subscriber_user(''))}"


def reply_queue(user: str, number: int) -> str:
    """A reply queue of a producer, from 1. The operator declares it: a producer must not declare queues (ADR 21)."""
    return f"reply.{user}.{number}"
