"""The in-process bus of the other tests does what the real one does: the same tests on both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from chassis.bus.amqp import AmqpPublisher
from chassis.bus.ports import NotPublished
from chassis.bus.requester import ReplyTimeout, Requester
from contracts.auth.accounts import RegisterUser, User
from contracts.auth.keys import GetPublicKeys, PublicKeys
from contracts.diagram.diagrams import CreateDiagram, DiagramNotFound, DiagramPage, GetDiagram, ListDiagrams
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.message import Message, Request
from contracts.outcome import Outcome, Status
from contracts.refusal import RefusalKind
from gateway.command_client import envelope_of
from gateway.ports import Bus
from gateway.tokens import PublicKeyCache
from tests.integration.gateway.local_system import LocalSystem, apply_to, broker_url
from tests.integration.gateway.scene import LONG_AGO, USER, open_scene
from tests.servers import Vhost, fresh_vhost

SOMEBODY = Actor(kind=ActorKind.USER, id=uuid7(), roles=("user",))
CREATE = CreateDiagram(title="Plan", type="canvas")


@asynccontextmanager
async def real(vhost: Vhost, *, connected: bool = True) -> AsyncIterator[Bus]:
    url = broker_url(vhost, "gateway")
    publisher = AmqpPublisher(url, user="autograph-gateway", name="test")

    async def seal(message: Message, envelope: Envelope) -> Message:
        return await keys.seal(message, envelope)

    async def fetch() -> PublicKeys:
        return PublicKeys.model_validate((await ask(requester, GetPublicKeys())).parsed())

    requester = Requester(url, user="autograph-gateway", name="test", publisher=publisher, seal=seal)
    keys = PublicKeyCache(fetch)
    links = [publisher.link, requester.link] if connected else []
    running = [asyncio.create_task(link.run()) for link in links]
    try:
        for link in links:
            await link.wait_up()
        yield requester
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@asynccontextmanager
async def in_process(*, answers: bool = True, away: bool = False) -> AsyncIterator[Bus]:
    async with open_scene() as scene:
        user = User(id=USER, email="a@b", name=None, roles=("user",), email_verified=False, created_at=LONG_AGO)
        scene.on(RegisterUser, user)
        scene.on(ListDiagrams, DiagramPage(items=(), next_cursor=None, total=0))
        scene.on(GetDiagram, DiagramNotFound())
        scene.bus.answers, scene.bus.away = answers, away
        yield scene.bus


@pytest.fixture(params=["in process", "real"])
async def bus(request: pytest.FixtureRequest, system: LocalSystem) -> AsyncIterator[Bus]:
    """With workers behind it."""
    async with in_process() if request.param == "in process" else real(system.vhost) as bus:
        yield bus


@pytest.fixture(params=["in process", "real"])
async def silent_bus(request: pytest.FixtureRequest, system: LocalSystem) -> AsyncIterator[Bus]:
    """The broker is there, and no worker."""
    async with AsyncExitStack() as stack:
        if request.param == "in process":
            yield await stack.enter_async_context(in_process(answers=False))
            return
        vhost = await stack.enter_async_context(fresh_vhost(system.servers))
        await apply_to(vhost)
        yield await stack.enter_async_context(real(vhost))


@pytest.fixture(params=["in process", "real"])
async def unconnected_bus(request: pytest.FixtureRequest, system: LocalSystem) -> AsyncIterator[Bus]:
    async with in_process(away=True) if request.param == "in process" else real(system.vhost, connected=False) as bus:
        yield bus


async def ask(bus: Bus, request: Request[Any], *, timeout_seconds: float = 5.0) -> Outcome:
    envelope = envelope_of(request, SOMEBODY, correlation_id="c-1")
    return await bus.request(request, envelope, timeout_seconds=timeout_seconds)


async def test_a_reply_comes_back_as_json(bus: Bus) -> None:
    outcome = await ask(bus, ListDiagrams())
    assert outcome == Outcome(status=Status.SUCCEEDED, reply=b'{"items":[],"next_cursor":null,"total":0}')


async def test_a_refusal_comes_back_with_its_kind_and_code(bus: Bus) -> None:
    outcome = await ask(bus, GetDiagram(id=uuid4()))
    assert outcome.status is Status.REFUSED
    assert outcome.problem is not None
    assert (outcome.problem.kind, outcome.problem.code) == (RefusalKind.NOT_FOUND, "diagram_not_found")


async def test_a_secret_gets_to_its_worker(bus: Bus) -> None:
    outcome = await ask(bus, RegisterUser(email=f"{uuid4().hex}@example.org", password=SecretStr("correct horse")))
    assert outcome.status is Status.SUCCEEDED
    assert UUID(outcome.parsed()["id"]).version == 7


async def test_many_at_once_each_get_their_own(bus: Bus) -> None:
    requests: list[Request[Any]] = [ListDiagrams(), GetDiagram(id=uuid4())] * 20
    outcomes = await asyncio.gather(*(ask(bus, request) for request in requests))
    assert [outcome.status for outcome in outcomes] == [Status.SUCCEEDED, Status.REFUSED] * 20


async def test_silence_says_whether_the_broker_has_it(silent_bus: Bus) -> None:
    with pytest.raises(ReplyTimeout) as unanswered:
        await ask(silent_bus, CREATE, timeout_seconds=1.0)
    assert unanswered.value.confirmed


async def test_who_waits_for_the_broker_only_does_not_wait_for_a_worker(silent_bus: Bus) -> None:
    await silent_bus.submit(CREATE, envelope_of(CREATE, SOMEBODY, correlation_id="c-1"), timeout_seconds=5.0)


async def test_without_a_connection_it_is_certain_that_nothing_was_sent(unconnected_bus: Bus) -> None:
    with pytest.raises(NotPublished):
        await ask(unconnected_bus, CREATE)
    with pytest.raises(NotPublished):
        await unconnected_bus.submit(CREATE, envelope_of(CREATE, SOMEBODY, correlation_id="c-1"), timeout_seconds=5.0)
