"""Rights as regular expressions: what they let through and what they do not."""

import re

import pytest

from chassis.bus.permissions import (
    Rights,
    gateway_rights,
    operator_rights,
    producer_rights,
    subscriber_rights,
    worker_rights,
)
from chassis.bus.topology import COMMANDS, EVENTS, EXCHANGES, PARKED, QUERIES, REFUSED, REPLIES, RETRY, TOPIC_EXCHANGES
from contracts.diagram.diagrams import ChangeDiagram, GetDiagram

INGRESS = "autograph.producers.billing"
PRODUCER = producer_rights("billing", ["diagram.create_diagram"])
EVERYBODY = [
    gateway_rights(),
    operator_rights(["auth.lock_user"]),
    worker_rights("auth"),
    worker_rights("diagram"),
    worker_rights("git", (GetDiagram, ChangeDiagram)),
    PRODUCER,
    subscriber_rights("reports"),
]
QUEUES = ["diagram.commands", "diagram.parked", "auth.commands", "auth.parked", "retry.1s", "reply.other.1"]


def may(pattern: str, names: list[str]) -> list[str]:
    return [name for name in names if re.search(pattern, name)]


@pytest.mark.parametrize("rights", EVERYBODY, ids=lambda rights: rights.user)
def test_every_user_has_a_word_on_every_topic_exchange(rights: Rights) -> None:
    assert set(rights.topics) >= set(TOPIC_EXCHANGES)  # without one the broker would allow everything


@pytest.mark.parametrize("rights", EVERYBODY, ids=lambda rights: rights.user)
def test_nobody_makes_or_changes_exchanges_or_others_queues(rights: Rights) -> None:
    assert may(rights.configure, [*EXCHANGES, *QUEUES]) == []


def test_an_asker_writes_only_to_what_workers_read() -> None:
    assert may(gateway_rights().write, [*EXCHANGES, "amq.default", *QUEUES]) == [COMMANDS, QUERIES]
    assert may(gateway_rights().read, [*EXCHANGES, *QUEUES]) == [REPLIES]


def test_an_asker_has_reply_queues_under_its_own_name_only() -> None:
    rights = gateway_rights()
    names = [
        "reply.autograph-gateway.1",
        "reply.autograph-gateway2.1",
        "reply.producer-billing.1",
        "xreply.autograph-gateway.1",
    ]
    for pattern in (rights.configure, rights.read, rights.write, rights.topics[REPLIES][1]):
        assert may(pattern, names) == ["reply.autograph-gateway.1"]
    assert may(rights.topics[REPLIES][0], names) == []


def test_a_worker_announces_and_parks_only_what_is_its_own() -> None:
    rights = worker_rights("diagram")
    assert may(rights.write, [*EXCHANGES, "amq.default", *QUEUES]) == [EVENTS, REPLIES, RETRY, PARKED, REFUSED]
    keys = ["diagram.diagram_created", "auth.user_registered", "xdiagram.y"]
    assert may(rights.topics[EVENTS][0], keys) == ["diagram.diagram_created"]
    assert may(rights.topics[PARKED][0], keys) == ["diagram.diagram_created"]


def test_a_worker_reads_its_own_queues_only() -> None:
    assert may(worker_rights("diagram").read, [*EXCHANGES, *QUEUES]) == ["diagram.commands", "diagram.parked"]


def test_a_worker_sends_for_users_what_is_delegated_to_it_and_takes_the_replies() -> None:
    rights = worker_rights("git", (GetDiagram, ChangeDiagram))
    written = [EVENTS, REPLIES, RETRY, PARKED, REFUSED, COMMANDS, QUERIES]
    assert sorted(may(rights.write, [*EXCHANGES, "amq.default", *QUEUES])) == sorted(written)
    keys = ["diagram.get_diagram", "diagram.change_diagram", "diagram.change_diagram2", "diagram.delete_diagram"]
    assert may(rights.topics[QUERIES][0], keys) == ["diagram.get_diagram"]
    assert may(rights.topics[COMMANDS][0], keys) == ["diagram.change_diagram"]
    assert may(rights.read, [*EXCHANGES, *QUEUES, "git.commands"]) == [REPLIES, "git.commands"]
    replies = ["reply.autograph-git.1", "reply.autograph-gateway.1", "reply.autograph-git2.1"]
    for pattern in (rights.configure, rights.read, rights.topics[REPLIES][1]):
        assert may(pattern, replies) == ["reply.autograph-git.1"]
    assert may(rights.topics[EVENTS][0], ["git.pushed", "diagram.diagram_created"]) == ["git.pushed"]


def test_a_producer_sends_what_it_is_allowed_and_nothing_like_it() -> None:
    keys = [
        "diagram.create_diagram",
        "diagram.create_diagram2",
        "diagramXcreate_diagram",
        "diagram.delete_diagram",
        "#",
    ]
    assert may(PRODUCER.topics[INGRESS][0], keys) == ["diagram.create_diagram"]
    for exchange in TOPIC_EXCHANGES:
        assert may(PRODUCER.topics[exchange][0], keys) == []


def test_a_producer_writes_to_its_ingress_only_and_makes_nothing() -> None:
    others = [*EXCHANGES, "amq.default", "amq.topic", "autograph.producers.billing2", "autograph.producers.x", *QUEUES]
    assert may(PRODUCER.write, [INGRESS, *others]) == [INGRESS]
    own = ["reply.producer-billing.1", "reply.producer-billing.x"]
    assert may(PRODUCER.configure, [INGRESS, *own, *others]) == []
    assert may(PRODUCER.read, [INGRESS, *own, "reply.producer-billing2.1", *others]) == ["reply.producer-billing.1"]


def test_a_producer_that_is_allowed_nothing_sends_nothing() -> None:
    assert may(producer_rights("idle", []).topics["autograph.producers.idle"][0], ["diagram.create_diagram", "x"]) == []


def test_a_subscriber_takes_from_its_own_queue_and_does_nothing_else() -> None:
    rights = subscriber_rights("reports")
    queue = "autograph.subscribers.reports"
    others = [f"{queue}2", f"x{queue}", "autograph.subscribers.x", "amq.default", "auth.events", *EXCHANGES, *QUEUES]
    assert may(rights.read, [queue, *others]) == [queue]
    assert may(rights.write, [queue, *others]) == may(rights.configure, [queue, *others]) == []
    for write, read in rights.topics.values():
        assert may(write, ["diagram.diagram_created", "#"]) == may(read, ["diagram.diagram_created", "#"]) == []


def test_no_worker_reads_what_waits_for_a_subscriber_outside() -> None:
    for rights in (worker_rights("auth"), worker_rights("diagram"), operator_rights([]), gateway_rights()):
        assert may(rights.read, ["autograph.subscribers.reports", "autograph.subscribers.parked"]) == []


def test_the_operator_takes_from_parking_lots_puts_back_into_queues_and_sends_its_own_commands() -> None:
    rights = operator_rights(["auth.lock_user"])
    assert may(rights.read, [*EXCHANGES, *QUEUES]) == [REPLIES, "diagram.parked", "auth.parked"]
    assert may(rights.write, [*EXCHANGES, "amq.default", *QUEUES]) == [COMMANDS, "amq.default"]
    assert may(rights.topics[COMMANDS][0], ["auth.lock_user", "auth.lock_users", "auth.register_user", "#"]) == [
        "auth.lock_user"
    ]
