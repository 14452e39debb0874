"""Waiting for the broker's confirm ends with the outcome, and nothing is left behind that still wants to end it."""

import asyncio
from typing import Any

import pytest

from chassis.bus.requester import _stop_waiting_on_reply
from contracts.outcome import Outcome

DONE = Outcome.succeeded(None)


@pytest.fixture
async def reported() -> Any:
    found: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: found.append(context))
    yield found
    loop.set_exception_handler(None)


async def _wait(reply: "asyncio.Future[Outcome]", *, over: bool) -> None:
    """For a confirm that never comes; *over*: the time is, as the outcome comes."""
    async with asyncio.timeout(60) as waiting:
        with _stop_waiting_on_reply(reply, waiting):
            if over:
                waiting.reschedule(asyncio.get_running_loop().time())
            reply.set_result(DONE)
            await asyncio.Event().wait()


async def test_the_outcome_ends_the_wait_for_the_confirm() -> None:
    reply: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await _wait(reply, over=False)


async def test_an_outcome_that_comes_with_the_confirm_ends_nothing(reported: list[Any]) -> None:
    reply: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(60) as waiting:  # noqa: ASYNC100 - it must be over by the loop's next turn
        with _stop_waiting_on_reply(reply, waiting):
            reply.set_result(DONE)  # its callbacks are called in the loop's next turn
    for _ in range(3):
        await asyncio.sleep(0)
    assert reported == []


async def test_an_outcome_that_comes_as_the_time_is_over_ends_nothing_more(reported: list[Any]) -> None:
    reply: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await _wait(reply, over=True)
    for _ in range(3):
        await asyncio.sleep(0)
    assert reported == []
