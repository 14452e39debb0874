"""A made-up worker, git, asks the diagram worker on behalf of the user whose message it handles; over the broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from aio_pika import Message as AmqpMessage
from aio_pika.exceptions import ChannelClosed
from prometheus_client import CollectorRegistry
from uuid_utils.compat import uuid7

from autograph.broker import open_broker
from autograph.credentials import service_password
from chassis.bus.delegate import Delegate, DelegatedFailure, DelegatedRefusal, delegated
from chassis.bus.delegation import Delegations, delegates
from chassis.bus.gate import Gate
from chassis.bus.handlers import Handlers
from chassis.bus.handling import Handling
from chassis.bus.permissions import worker_rights
from chassis.bus.ports import NotPublished
from chassis.bus.requester import ReplyTimeout, Requester
from chassis.failures import Failure
from chassis.jobs.job import JobEnvelope
from chassis.metrics import BusMetrics
from chassis.unit_of_work import AlreadyHandled, InboxRow
from chassis.worker import failure_of
from contracts.catalogue import DELEGATIONS, REQUESTS
from contracts.diagram.diagrams import DeleteDiagram, DiagramNotFound, RestoreDiagram, TrashDiagram
from contracts.envelope import CONTENT_TYPE, Actor, ActorKind, Envelope, encode, producer_id
from contracts.outcome import Outcome
from contracts.sealed import sealed_fields
from tests.brokers import open_channel, service_url
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.chassis.bus.broker_scene import _as_it_is, open_consumers, open_publisher, running
from tests.servers import Vhost

GIT: Delegations = {"git": (TrashDiagram,)}
USER = Actor(kind=ActorKind.USER, id=UUID(int=7), session_id=UUID(int=8), roles=("user",))


@dataclass
class Diagrams:
    """The asked worker: notes what it carries out, once for each id, as the inbox does."""

    asked: list[Envelope] = field(default_factory=list)
    outcomes: dict[UUID, Outcome] = field(default_factory=dict)
    raises: Exception | None = None

    async def find(self, _: str, message_id: UUID) -> InboxRow | None:
        outcome = self.outcomes.get(message_id)
        return None if outcome is None else InboxRow(outcome, None, ())

    async def record(self, envelope: Envelope, outcome: Outcome) -> bool:
        self.outcomes[envelope.id] = outcome
        return True


handlers: Handlers[Diagrams] = Handlers()


@handlers.answers(TrashDiagram)
async def trash(_: TrashDiagram, envelope: Envelope, tools: Diagrams) -> None:
    if envelope.id in tools.outcomes:
        raise AlreadyHandled
    tools.asked.append(envelope)
    if tools.raises is not None:
        raise tools.raises
    tools.outcomes[envelope.id] = Outcome.succeeded(None)


@handlers.answers(DeleteDiagram)
async def delete(_: DeleteDiagram, envelope: Envelope, tools: Diagrams) -> None:
    tools.asked.append(envelope)


@pytest.fixture
async def vhost(broker: Vhost) -> AsyncIterator[Vhost]:
    """With the made-up worker's user, its rights as ``autograph migrate`` would give them."""
    async with open_broker(broker.url, broker.management_url) as administered:
        await administered.make_user("autograph-git", service_password(INSTALLATION_SECRET, "rabbitmq", "git"))
        await administered.grant(worker_rights("git", GIT["git"]))
        try:
            yield broker
        finally:
            await administered.delete("users", "autograph-git")


@asynccontextmanager
async def diagram_worker(vhost: Vhost, delegations: Delegations) -> AsyncIterator[Diagrams]:
    tools = Diagrams()

    async def probe() -> None: ...

    async with open_publisher(vhost, "diagram") as publisher:
        handling: Handling[Diagrams] = Handling(
            service="diagram", handlers=handlers, tools=tools, inbox=tools, publisher=publisher, gate=Gate(probe),
            metrics=BusMetrics(CollectorRegistry()), classify=failure_of, unseal=_as_it_is,
            clock=lambda: datetime.now(UTC), delegates=delegates(delegations),
        )  # fmt: skip
        async with open_consumers(vhost, "diagram", {"diagram.commands": 4}, handling.deliver):
            yield tools


@asynccontextmanager
async def git_worker(vhost: Vhost) -> AsyncIterator[Delegate]:
    async with open_publisher(vhost, "git") as publisher:
        requester = Requester(
            service_url(vhost, "git"), user="autograph-git", name="test", publisher=publisher, seal=_as_it_is
        )
        async with running(requester.link.run()):
            await requester.link.wait_up()
            yield Delegate(requester, service="git", clock=lambda: datetime.now(UTC))


def cause(actor: Actor = USER, **given: Any) -> Envelope:
    """A command that the git worker handles."""
    return Envelope(
        id=uuid7(), source="/gateway", type="autograph.git.push.v1", time=datetime.now(UTC),
        correlationid=f"c-{uuid4().hex}", actor=actor, **given,
    )  # fmt: skip


TRASH = TrashDiagram(id=UUID(int=1))


async def test_a_worker_asks_for_the_user_whose_message_it_handles(vhost: Vhost) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=7)
    handled = cause(deadline=deadline)
    async with diagram_worker(vhost, GIT) as diagrams, git_worker(vhost) as git:
        await git.ask(TRASH, handled)

    [asked] = diagrams.asked
    assert (asked.actor, asked.correlationid, asked.causationid) == (USER, handled.correlationid, handled.id)
    assert asked.deadline == deadline
    assert asked.source == "/workers/git"


async def test_a_message_that_is_handled_again_asks_the_same_again(vhost: Vhost) -> None:
    handled = cause()
    async with diagram_worker(vhost, GIT) as diagrams, git_worker(vhost) as git:
        await git.ask(TRASH, handled)
        await git.ask(TRASH, handled)
        await git.ask(TRASH, handled, step="the other diagram")
        await git.ask(TRASH, cause())

    assert len(diagrams.asked) == 3


def test_two_jobs_of_one_command_ask_under_ids_of_their_own_and_each_under_the_same_again() -> None:
    document = cause().model_dump(mode="json")
    first, second = uuid7(), uuid7()

    def asked(job: UUID) -> Envelope:
        return delegated(TRASH, JobEnvelope.of(job, document), service="git", now=datetime.now(UTC))

    assert asked(first).id == asked(first).id
    assert asked(first).id != asked(second).id
    assert asked(first).causationid == UUID(document["id"])


async def test_a_command_past_its_deadline_still_asks(vhost: Vhost) -> None:
    async with diagram_worker(vhost, GIT) as diagrams, git_worker(vhost) as git:
        await git.ask(TRASH, cause(deadline=datetime.now(UTC) - timedelta(hours=1)))

    [asked] = diagrams.asked
    assert asked.deadline is not None
    assert asked.deadline > datetime.now(UTC)


async def test_a_refusal_is_the_users_and_a_failure_is_worth_a_retry(vhost: Vhost) -> None:
    async with diagram_worker(vhost, GIT) as diagrams, git_worker(vhost) as git:
        diagrams.raises = DiagramNotFound()
        with pytest.raises(DelegatedRefusal) as refused:
            await git.ask(TRASH, cause())
    assert refused.value.problem() == DiagramNotFound().problem()
    assert Outcome.refused(refused.value) == Outcome.refused(DiagramNotFound())
    assert failure_of(DelegatedFailure("internal_error")) is Failure.TRANSIENT


async def test_what_is_not_delegated_the_broker_does_not_take(vhost: Vhost) -> None:
    async with diagram_worker(vhost, GIT) as diagrams, git_worker(vhost) as git:
        with pytest.raises((NotPublished, ReplyTimeout)):
            await git.ask(DeleteDiagram(id=UUID(int=1)), cause(deadline=datetime.now(UTC) + timedelta(seconds=2)))
    assert diagrams.asked == []
    async with open_channel(service_url(vhost, "git")) as channel:
        exchange = await channel.get_exchange("autograph.commands", ensure=False)
        with pytest.raises(ChannelClosed, match="ACCESS_REFUSED"):
            await exchange.publish(AmqpMessage(b"{}", user_id="autograph-git"), DeleteDiagram.routing_key())


@pytest.mark.parametrize(
    ("delegations", "actor"),
    [
        ({}, USER),
        ({"git": (RestoreDiagram,)}, USER),
        ({"other": (TrashDiagram,)}, USER),
        (GIT, Actor(kind=ActorKind.PRODUCER, id=producer_id("producer-billing"), name="producer-billing")),
        (GIT, Actor(kind=ActorKind.SERVICE, id=producer_id("autograph-git"), name="autograph-git")),
        (GIT, Actor(kind=ActorKind.ANONYMOUS, id=UUID(int=1))),
    ],
    ids=["nothing", "another request", "another worker", "a producer", "a service", "nobody"],
)
async def test_the_asked_worker_parks_what_is_not_delegated_whatever_the_broker_let_through(
    vhost: Vhost, delegations: Delegations, actor: Actor
) -> None:
    envelope = cause(actor).model_copy(update={"type": TrashDiagram.wire_name})
    async with diagram_worker(vhost, delegations) as diagrams:
        async with open_channel(service_url(vhost, "git")) as channel:
            exchange = await channel.get_exchange("autograph.commands", ensure=False)
            message = AmqpMessage(encode(envelope, TRASH), content_type=CONTENT_TYPE, user_id="autograph-git")
            await exchange.publish(message, TrashDiagram.routing_key())
        async with open_channel(vhost.url) as channel:
            parked = await channel.get_queue("diagram.parked", ensure=False)

            async def reason() -> object:
                found = await parked.get(fail=False, no_ack=True)
                return found and found.headers["x-parked-reason"]

            assert await eventually(reason) == "untrusted"
    assert diagrams.asked == []


def test_nobody_may_delegate_what_only_the_operator_sends_or_what_has_secrets() -> None:
    for requests in DELEGATIONS.values():
        for request in requests:
            assert request in REQUESTS
            assert not request.operator_only
            assert not sealed_fields(request)
