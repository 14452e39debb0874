"""Bytes that one process holds at once: no more than the budget, first come, first served."""

import asyncio

import pytest

from chassis.byte_budget import ByteBudget, SharedBudget


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_does_not_fit_waits_until_enough_is_free() -> None:
    budget = ByteBudget(10)
    assert await budget.acquire(6) == 6
    second = asyncio.create_task(budget.acquire(6))
    await _settled()
    assert not second.done()
    budget.release(6)
    assert await second == 6
    assert budget.held_bytes == 6


async def test_a_large_one_is_not_overtaken_by_small_ones() -> None:
    budget = ByteBudget(10)
    await budget.acquire(5)
    large, small = asyncio.create_task(budget.acquire(8)), asyncio.create_task(budget.acquire(1))
    await _settled()
    assert not small.done()
    budget.release(5)
    assert (await large, await small) == (8, 1)


async def test_what_is_larger_than_the_budget_goes_alone() -> None:
    budget = ByteBudget(10)
    held = await budget.acquire(50)
    assert held == 10
    budget.release(held)
    assert budget.held_bytes == 0


async def test_who_gives_up_waiting_holds_up_nobody_and_keeps_nothing() -> None:
    budget = ByteBudget(10)
    await budget.acquire(9)
    first, second, third = (asyncio.create_task(budget.acquire(count)) for count in (8, 1, 1))
    await _settled()
    first.cancel()
    await _settled()
    assert second.done()
    assert not third.done()
    third.cancel()
    await _settled()
    budget.release(10)
    assert budget.held_bytes == 0


async def test_who_is_cancelled_as_its_turn_comes_gives_it_back() -> None:
    budget = ByteBudget(10)
    await budget.acquire(10)
    waiting = asyncio.create_task(budget.acquire(10))
    await _settled()
    budget.release(10)
    waiting.cancel()
    await _settled()
    assert budget.held_bytes == 0


async def test_who_has_its_share_waits_and_holds_up_nobody_else() -> None:
    budget = SharedBudget(30, 10)
    mine = await budget.acquire("me", 8)
    again = asyncio.create_task(budget.acquire("me", 8))
    others = await asyncio.wait_for(budget.acquire("you", 8), 1)
    await _settled()
    assert not again.done()
    budget.release(mine)
    budget.release(await again)
    budget.release(others)
    assert budget.held_bytes == 0


async def test_an_owner_that_holds_nothing_is_forgotten_also_if_it_gave_up_waiting() -> None:
    budget = SharedBudget(10, 10)
    mine = await budget.acquire("me", 10)
    waiting = [asyncio.create_task(budget.acquire(owner, 5)) for owner in ("me", "you")]
    await _settled()
    for task in waiting:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    budget.release(mine)
    assert budget.held_bytes == 0
    assert not budget._owners
