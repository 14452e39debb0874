"""What the broker is told to have follows from the contracts."""

import re

import pytest

from chassis.bus.topology import (
    COMMANDS,
    EXCHANGES,
    MAX_MESSAGE_BYTES,
    PARKED,
    QUERIES,
    RETRY,
    RUNG_SECONDS,
    QueuePolicy,
    topology,
)
from chassis.failures import RUNGS
from contracts.catalogue import LARGEST_MESSAGE_BYTES, LARGEST_REQUEST_BYTES, REQUESTS, SUBSCRIPTIONS, WORKERS
from contracts.message import Kind

NEEDED = topology(REQUESTS, SUBSCRIPTIONS, WORKERS)


def policy_of(queue: str) -> QueuePolicy:
    (policy,) = (policy for policy in NEEDED.policies if re.search(policy.pattern, queue))
    return policy


@pytest.mark.parametrize("queue", NEEDED.queues)
def test_exactly_one_policy_is_for_each_queue(queue: str) -> None:
    assert sum(bool(re.search(policy.pattern, queue)) for policy in NEEDED.policies) == 1


@pytest.mark.parametrize("name", ["reply.autograph-gateway.0192", "reply.producer-reports.1"])
def test_a_reply_queue_keeps_the_newest_for_as_long_as_somebody_may_wait(name: str) -> None:
    assert policy_of(name).definition["overflow"] == "drop-head"
    assert policy_of(name).definition["message-ttl"] >= 60_000


OTHERS = ["reply.producer-reports.1", "reply.autograph-gateway.0192", "autograph.subscribers.reports"]
EVENTS_OF_OURS = [queue for queue in NEEDED.queues if ".events" in queue]


@pytest.mark.parametrize("queue", [*sorted(NEEDED.queues.keys() - set(EVENTS_OF_OURS)), *OTHERS])
def test_every_queue_is_bounded_in_messages_and_bytes(queue: str) -> None:
    definition = policy_of(queue).definition
    assert 0 < definition["max-length"] <= 1_000_000
    assert 0 < definition["max-length-bytes"] <= 1 << 30


@pytest.mark.parametrize("queue", EVENTS_OF_OURS)
def test_no_worker_refuses_an_event_which_the_others_would_then_be_sent_again(queue: str) -> None:
    assert not {"max-length", "max-length-bytes", "message-ttl"} & policy_of(queue).definition.keys()


def test_a_subscriber_outside_refuses_no_event_either_but_loses_its_oldest() -> None:
    definition = policy_of("autograph.subscribers.reports").definition
    assert definition["overflow"] == "drop-head"
    assert "dead-letter-exchange" not in definition
    assert definition["delivery-limit"] >= 1_000_000  # since RabbitMQ 4.0 the default is 20, and then it drops


@pytest.mark.parametrize("queue", NEEDED.queues)
def test_no_bound_loses_what_was_accepted(queue: str) -> None:
    """Whoever publishes beyond it is told no. Only what no worker can carry out gives way."""
    assert policy_of(queue).definition["overflow"] == ("drop-head" if queue.endswith(".refused") else "reject-publish")


def test_what_a_producer_sends_waits_apart_from_what_users_send() -> None:
    for request in REQUESTS:
        queue = request.producers_queue()
        assert queue != request.queue()
        assert NEEDED.queues[queue] == NEEDED.queues[request.queue()]
        assert not any(binding.queue == queue for binding in NEEDED.bindings)  # but to producers' own exchanges
        assert (
            policy_of(queue).definition["max-length-bytes"] < policy_of(request.queue()).definition["max-length-bytes"]
        )


def test_every_request_gets_to_its_own_queue_and_no_other() -> None:
    for request in REQUESTS:
        bound = [
            binding.queue
            for binding in NEEDED.bindings
            if (binding.exchange, binding.routing_key) == (request.exchange(), request.routing_key())
        ]
        assert bound == [request.queue()]


def test_what_must_not_be_lost_is_in_quorum_queues_and_what_is_worthless_late_is_not() -> None:
    for request in REQUESTS:
        assert NEEDED.queues[request.queue()] == ("quorum" if request.kind is Kind.COMMAND else "classic")
    for queue, kind in NEEDED.queues.items():
        if queue.startswith("retry.") or queue.endswith((".parked", ".events")):
            assert kind == "quorum"


def test_every_subscriber_hears_its_events_in_a_queue_of_its_own() -> None:
    for worker, events in SUBSCRIPTIONS.items():
        heard = {binding.routing_key for binding in NEEDED.bindings if binding.queue == f"{worker}.events"}
        assert heard == {event.routing_key() for event in events}


def test_an_event_with_a_bulkhead_goes_to_a_queue_of_its_own_and_nowhere_else() -> None:
    slow, *others = SUBSCRIPTIONS["auth"]
    needed = topology(REQUESTS, SUBSCRIPTIONS, WORKERS, {"auth": {slow: "pictures"}})
    bound = {
        (binding.queue, binding.routing_key) for binding in needed.bindings if binding.queue.startswith("auth.events")
    }
    assert bound == {
        ("auth.events.pictures", slow.routing_key()),
        *(("auth.events", event.routing_key()) for event in others),
    }
    assert needed.queues["auth.events.pictures"] == "quorum"
    assert policy_of("auth.events.pictures") == policy_of("auth.events")


def test_what_leaves_a_command_queue_by_itself_goes_to_parking_and_safely() -> None:
    for queue in NEEDED.queues:
        if queue.endswith((".commands", ".events")):
            definition = policy_of(queue).definition
            assert definition["dead-letter-exchange"] == PARKED
            assert definition["delivery-limit"] == 100
            assert definition["dead-letter-strategy"] == "at-least-once"
            assert definition["overflow"] == "reject-publish"  # at-least-once needs it


def test_what_is_worthless_late_is_bounded_and_dies_where_it_is() -> None:
    for request in REQUESTS:
        if request.kind is not Kind.COMMAND:
            definition = policy_of(request.queue()).definition
            assert "dead-letter-exchange" not in definition
            assert definition["overflow"] == "reject-publish"
            assert definition["max-length"] > 0


def test_every_rung_waits_its_time_and_gives_back_to_the_queue_that_the_copy_names() -> None:
    assert list(RUNG_SECONDS) == list(RUNGS)
    for rung, seconds in RUNG_SECONDS.items():
        definition = policy_of(f"retry.{rung}").definition
        assert definition["message-ttl"] == seconds * 1000
        assert definition["dead-letter-exchange"] == ""  # the default one routes by queue name
        assert definition["dead-letter-strategy"] == "at-least-once"
        (binding,) = (binding for binding in NEEDED.bindings if binding.queue == f"retry.{rung}")
        assert (binding.exchange, binding.rung) == (RETRY, rung)


def test_what_is_parked_stays_however_often_one_looks() -> None:
    for worker in WORKERS:
        definition = policy_of(f"{worker}.parked").definition
        assert "message-ttl" not in definition
        assert definition["delivery-limit"] >= 1_000_000  # since RabbitMQ 4.0 the default is 20


def test_routing_is_by_topic_except_up_the_ladder() -> None:
    assert {name for name, kind in EXCHANGES.items() if kind != "topic"} == {RETRY}
    assert {request.exchange() for request in REQUESTS} == {COMMANDS, QUERIES}


def test_the_broker_takes_the_largest_message_that_a_contract_allows() -> None:
    assert LARGEST_REQUEST_BYTES < LARGEST_MESSAGE_BYTES <= MAX_MESSAGE_BYTES
