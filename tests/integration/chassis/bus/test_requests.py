"""A request's outcome comes back, or it is plain what is known instead."""

import asyncio
import time

import pytest
from aio_pika.abc import AbstractIncomingMessage

from chassis.bus.ports import NotPublished, Unroutable
from chassis.bus.requester import ReplyTimeout, Requester
from contracts.auth.accounts import GetMe
from contracts.auth.sessions import SignOut
from contracts.diagram.diagrams import CreateDiagram, ListDiagrams
from contracts.outcome import Outcome, Status
from tests.brokers import close_connections, limit_queue, open_channel
from tests.eventually import eventually
from tests.integration.chassis.bus.broker_scene import (
    DONE,
    Worker,
    envelope_of,
    open_publisher,
    open_requester,
    open_worker,
)
from tests.servers import Vhost

CREATE = CreateDiagram(title="Plan", type="canvas")


async def asked(requester: Requester, *, seconds: float = 5.0) -> Outcome:
    return await requester.request(CREATE, envelope_of(CREATE), timeout_seconds=seconds)


async def ends(asking: asyncio.Task[Outcome]) -> BaseException | None:
    await asyncio.wait((asking,))
    return asking.exception()


async def test_a_command_is_kept_and_a_query_runs_out(broker: Vhost) -> None:
    async with open_requester(broker) as requester, open_channel(broker.url) as channel:
        await requester.submit(CREATE, envelope_of(CREATE), timeout_seconds=5.0)
        command = await (await channel.get_queue("diagram.commands", ensure=False)).get()
        assert (command.delivery_mode, command.expiration, command.reply_to) == (2, None, None)
        query = ListDiagrams()
        with pytest.raises(ReplyTimeout):
            await requester.request(query, envelope_of(query), timeout_seconds=0.3)
        queries = await channel.get_queue("diagram.queries", ensure=False)

        async def is_gone() -> bool:
            return await queries.get(fail=False) is None

        assert await eventually(is_gone)


async def test_a_query_is_not_kept_on_disk_and_expires_with_its_askers_patience(broker: Vhost) -> None:
    query = ListDiagrams()
    async with open_requester(broker) as requester, open_channel(broker.url) as channel:
        asking = asyncio.create_task(requester.request(query, envelope_of(query), timeout_seconds=4.0))
        queue = await channel.get_queue("diagram.queries", ensure=False)

        async def taken() -> AbstractIncomingMessage | None:
            return await queue.get(fail=False)

        message = await eventually(taken)
        assert message is not None
        assert message.delivery_mode == 1
        assert isinstance(message.expiration, float)
        assert 3.0 < message.expiration <= 4.0
        asking.cancel()
        await asyncio.wait((asking,))


async def test_a_query_that_a_full_queue_drops_has_no_answer_and_commands_go_on(broker: Vhost) -> None:
    await limit_queue(broker, "diagram.queries", 0)
    query = ListDiagrams()
    async with (
        open_worker(broker, "diagram.commands"),
        open_channel(broker.url) as channel,
        open_requester(broker) as requester,
    ):
        queries = await channel.get_queue("diagram.queries", ensure=False)

        async def is_dropped() -> bool:
            with pytest.raises(ReplyTimeout):
                await requester.request(query, envelope_of(query), timeout_seconds=0.3)
            return await queries.get(fail=False) is None

        assert await eventually(is_dropped)
        assert await asked(requester) == DONE


async def test_a_reply_is_the_outcome(broker: Vhost) -> None:
    async with open_worker(broker, "diagram.commands"), open_requester(broker) as requester:
        assert await asked(requester) == DONE


async def test_who_asks_the_same_twice_is_told_twice(broker: Vhost) -> None:
    envelope = envelope_of(CREATE)
    async with open_worker(broker, "diagram.commands", silent=True) as worker, open_requester(broker) as requester:
        asking = [
            asyncio.create_task(requester.request(CREATE, envelope, timeout_seconds=10.0)) for _ in range(2)
        ]  # fmt: skip
        await eventually(lambda: _all_taken(worker, 2))
        await worker.tell(worker.taken[0], DONE)
        assert await asyncio.gather(*asking) == [DONE, DONE]
        worker.answers.set()


async def _all_taken(worker: Worker, count: int) -> bool:
    return len(worker.taken) == count


async def test_a_reply_that_is_late_reaches_nobody_and_hurts_nobody(broker: Vhost) -> None:
    async with open_worker(broker, "diagram.commands", silent=True) as worker, open_requester(broker) as requester:
        with pytest.raises(ReplyTimeout) as unanswered:
            await asked(requester, seconds=0.5)
        assert unanswered.value.confirmed
        worker.answers.set()
        assert await asked(requester) == DONE


async def test_a_reply_of_another_worker_is_not_believed(broker: Vhost) -> None:
    lie = Outcome(status=Status.SUCCEEDED, reply=b'"a lie"')
    async with (
        open_worker(broker, "diagram.commands", silent=True) as worker,
        open_publisher(broker, "auth") as stranger,
        open_requester(broker) as requester,
    ):
        asking = asyncio.create_task(asked(requester))
        delivery = await eventually(worker.has_taken)
        assert delivery is not None
        await Worker(stranger, "diagram").tell(delivery, lie)
        # Its own reply comes behind the lie, on the way to the same queue.
        await asyncio.wait((asking,), timeout=0.3)
        assert not asking.done()
        worker.answers.set()
        assert await asking == DONE


async def test_what_no_queue_takes_is_certainly_not_taken(broker: Vhost) -> None:
    async with open_channel(broker.url) as channel:
        await channel.queue_delete("diagram.commands")
        async with open_requester(broker) as requester:
            with pytest.raises(Unroutable):
                await asked(requester)


async def test_a_query_whose_queue_is_gone_is_refused_at_once_and_answered_once_it_is_back(broker: Vhost) -> None:
    query = ListDiagrams()
    async with open_channel(broker.url) as channel, open_requester(broker) as requester:
        await channel.queue_delete("diagram.queries")
        for _ in range(3):  # also on the channel that one came back on
            asking = [requester.request(query, envelope_of(query), timeout_seconds=8.0) for _ in range(5)]
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Unroutable] * 5
        queue = await channel.declare_queue("diagram.queries", durable=True)
        await queue.bind("autograph.queries", query.routing_key())
        async with open_worker(broker, "diagram.queries"):
            assert await requester.request(query, envelope_of(query), timeout_seconds=8.0) == DONE


async def test_a_full_queue_is_heard_of_at_once(broker: Vhost) -> None:
    await limit_queue(broker, "diagram.commands", 1)
    async with open_requester(broker) as requester:

        async def is_refused() -> bool:
            try:
                await asked(requester, seconds=0.5)
            except NotPublished:
                return True
            except ReplyTimeout:
                return False
            return False

        assert await eventually(is_refused)


async def test_who_waits_when_the_reply_queue_is_lost_hears_so_and_the_next_is_answered(broker: Vhost) -> None:
    async with open_worker(broker, "diagram.commands", silent=True) as worker, open_requester(broker) as requester:
        asking = asyncio.create_task(asked(requester, seconds=60.0))
        await eventually(worker.has_taken)
        began = time.monotonic()
        await close_connections(broker, "autograph-gateway", count=2)
        lost = await ends(asking)
        assert isinstance(lost, ReplyTimeout)
        assert lost.confirmed
        assert time.monotonic() - began < 20
        worker.answers.set()

        async def is_answered() -> bool:
            try:
                return await asked(requester) == DONE
            except NotPublished:
                return False

        assert await eventually(is_answered)


async def test_requests_to_two_workers_do_not_wait_for_each_other(broker: Vhost) -> None:
    question, order = GetMe(), SignOut()
    async with (
        open_worker(broker, "diagram.commands", silent=True) as slow,
        open_worker(broker, "auth.queries", "auth.commands", service="auth"),
        open_requester(broker) as requester,
    ):
        asking = asyncio.create_task(asked(requester, seconds=20.0))
        await eventually(slow.has_taken)
        assert await requester.request(question, envelope_of(question), timeout_seconds=5.0) == DONE
        assert await requester.request(order, envelope_of(order), timeout_seconds=5.0) == DONE
        assert not asking.done()
        slow.answers.set()
        assert await asking == DONE
