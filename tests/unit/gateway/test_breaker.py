"""A worker that plainly does not answer is not waited for."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from chassis.bus.ports import MessageTooLarge, NotPublished, QueueFull, Unroutable
from chassis.bus.requester import ReplyTimeout
from chassis.metrics import GatewayMetrics
from contracts.auth.accounts import GetMe
from contracts.diagram.diagrams import CreateDiagram, DiagramNotFound, GetDiagram
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.message import Request
from contracts.outcome import Outcome
from gateway.breaker import FAILURES_TO_OPEN, PROBE_SECONDS, Breaker, BreakerState
from gateway.command_client import CommandClient, OutcomePending, envelope_of
from gateway.problems import HttpProblem

ANNA = Actor(kind=ActorKind.USER, id=UUID(int=1))
READ = GetDiagram(id=UUID(int=2))
CREATE = CreateDiagram(title="Plan", type="canvas")


class OneAnswer:
    """A bus on which the same happens to every request, and time passes while there is no answer."""

    def __init__(self, answer: Outcome | Exception) -> None:
        self.answer = answer
        self.asked = 0
        self.now = 1_000.0
        self.passing = 1.0  # of a timeout

    async def request(self, request: Request[Any], envelope: Envelope, *, timeout_seconds: float) -> Outcome:  # noqa: ARG002 - the seam's
        self.asked += 1
        if isinstance(self.answer, Exception):
            if isinstance(self.answer, ReplyTimeout):
                self.now += timeout_seconds * self.passing
            raise self.answer
        return self.answer

    async def submit(self, request: Request[Any], envelope: Envelope, *, timeout_seconds: float) -> None:
        await self.request(request, envelope, timeout_seconds=timeout_seconds)


class Bench:
    def __init__(self, answer: Outcome | Exception) -> None:
        self.registry = CollectorRegistry()
        self.bus = OneAnswer(answer)
        metrics = GatewayMetrics(self.registry)
        self.breakers = {name: Breaker(name, metrics, clock=self.clock) for name in ("auth", "diagram")}
        self.commands = CommandClient(self.bus, self.breakers, clock=self.clock)

    def clock(self) -> float:
        return self.bus.now

    async def ask(self, request: Request[Any] = READ, **more: Any) -> Outcome | Exception:
        try:
            return await self.commands.call(request, envelope_of(request, ANNA, correlation_id="c-1"), **more)
        except (HttpProblem, OutcomePending) as ended:
            return ended

    async def fail(self, times: int) -> None:
        for _ in range(times):
            await self.ask()

    def metric(self, name: str) -> float:
        value = self.registry.get_sample_value(f"api_gateway_circuit_breaker_{name}", {"service": "diagram"})
        assert value is not None
        return value


SILENCE = ReplyTimeout(confirmed=True)
DONE = Outcome.succeeded(None)


@pytest.mark.parametrize("failure", [SILENCE, QueueFull("full"), Unroutable("nobody")])
async def test_five_in_a_row_open_it_and_then_nobody_waits(failure: Exception) -> None:
    bench = Bench(failure)
    await bench.fail(FAILURES_TO_OPEN)
    assert bench.metric("state") == BreakerState.OPEN
    assert bench.metric("failures_total") == FAILURES_TO_OPEN
    ended = await bench.ask()
    assert isinstance(ended, HttpProblem)
    assert (ended.status, ended.code) == (503, "unavailable")
    assert int(ended.headers["Retry-After"]) == PROBE_SECONDS
    assert bench.bus.asked == FAILURES_TO_OPEN


async def test_four_do_not_and_an_answer_begins_anew() -> None:
    bench = Bench(SILENCE)
    for _ in range(3):
        bench.bus.answer = SILENCE
        await bench.fail(FAILURES_TO_OPEN - 1)
        bench.bus.answer = DONE
        assert await bench.ask() == DONE
    assert bench.metric("state") == BreakerState.CLOSED


async def test_what_is_larger_than_the_broker_takes_is_the_clients_matter() -> None:
    bench = Bench(MessageTooLarge("67108865 bytes"))
    await bench.fail(50)
    ended = await bench.ask(CREATE)
    assert isinstance(ended, HttpProblem)
    assert (ended.status, ended.code) == (413, "body_too_large")
    assert bench.metric("state") == BreakerState.CLOSED


async def test_a_refusal_is_an_answer() -> None:
    bench = Bench(Outcome.refused(DiagramNotFound()))
    await bench.fail(50)
    assert bench.metric("state") == BreakerState.CLOSED
    assert bench.metric("failures_total") == 0


async def test_our_own_lost_connection_says_nothing_of_a_worker() -> None:
    bench = Bench(NotPublished("no connection"))
    await bench.fail(50)
    assert bench.metric("state") == BreakerState.CLOSED
    ended = await bench.ask()
    assert isinstance(ended, HttpProblem)
    assert (ended.status, ended.headers["Retry-After"]) == (503, "1")


async def test_replies_that_were_lost_with_our_own_connection_say_nothing_of_a_worker() -> None:
    bench = Bench(SILENCE)
    bench.bus.passing = 0.1
    await bench.fail(50)
    assert bench.metric("state") == BreakerState.CLOSED


async def test_a_client_s_impatience_says_nothing_of_a_worker() -> None:
    bench = Bench(SILENCE)
    for _ in range(50):
        assert isinstance(await bench.ask(CREATE, wait_seconds=1), OutcomePending)
    assert bench.metric("state") == BreakerState.CLOSED


async def test_an_open_one_lets_a_single_request_through_to_see() -> None:
    bench = Bench(SILENCE)
    await bench.fail(FAILURES_TO_OPEN)
    bench.bus.now += PROBE_SECONDS
    asked = bench.bus.asked
    breaker = bench.breakers["diagram"]
    assert [breaker.allows() for _ in range(5)] == [True, False, False, False, False]
    assert bench.metric("state") == BreakerState.HALF_OPEN
    bench.bus.now += PROBE_SECONDS  # that probe never ended
    await bench.ask()
    assert bench.bus.asked == asked + 1
    assert bench.metric("state") == BreakerState.OPEN
    bench.bus.now += PROBE_SECONDS
    bench.bus.answer = DONE
    assert await bench.ask() == DONE
    assert bench.metric("state") == BreakerState.CLOSED
    assert await bench.ask() == DONE


async def test_each_worker_has_its_own() -> None:
    bench = Bench(SILENCE)
    await bench.fail(FAILURES_TO_OPEN)
    bench.bus.answer = DONE
    assert await bench.ask(GetMe()) == DONE
    assert bench.metric("state") == BreakerState.OPEN


async def test_an_impatient_client_whose_command_was_not_confirmed_is_told_only_what_is_known() -> None:
    bench = Bench(ReplyTimeout(confirmed=False))
    ended = await bench.ask(CREATE, wait_seconds=1)
    assert isinstance(ended, OutcomePending)
    assert not ended.confirmed
    assert bench.bus.asked == 2  # sent again as the same message, to hear of its confirm


async def test_a_breaker_that_opens_meanwhile_keeps_nobody_from_his_answer() -> None:
    bench = Bench(SILENCE)
    ended = await asyncio.gather(*(bench.ask() for _ in range(20)))
    assert all(isinstance(one, HttpProblem) for one in ended)
    assert bench.metric("state") == BreakerState.OPEN


@pytest.mark.parametrize("make", [lambda: READ, lambda: CREATE])
def test_an_envelope_says_until_when_anybody_waits(make: Callable[[], Request[Any]]) -> None:
    request = make()
    envelope = envelope_of(request, ANNA, correlation_id="c-1")
    assert envelope.deadline is not None
    assert envelope.deadline - envelope.time == request.timeout
    assert envelope.time.tzinfo is UTC
    assert envelope.time <= datetime.now(UTC)
    # Built unvalidated for speed: validating it finds nothing to change.
    assert Envelope.model_validate(envelope.model_dump()) == envelope
