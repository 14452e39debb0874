"""Processes that die, or leave, while they are at work."""

import asyncio
import os
import signal
import time
from collections import Counter

import aiohttp
import pytest

from tests.eventually import eventually
from tests.system.client import Client, somebody
from tests.system.stack import Stack

CREATES = 500
KILL_AFTER = (20, 120, 220)  # creates that were told
GIVE_UP_SECONDS = 60.0
AGAIN_SECONDS = 0.2


async def _create_until_told(person: Client, number: int, met: Counter[int]) -> str:
    """The diagram's id. One client repeats with its key until it knows; the other believes a 202 and asks after it."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    trusts = number % 2 == 0
    while True:
        try:
            answer = await person.create(f"Number {number}", Idempotency_Key=f'"create-{number}"')
        except (aiohttp.ClientError, TimeoutError):
            met[0] += 1
        else:
            met[answer.status] += 1
            if answer.status == 201:
                told: str = answer.body["id"]
                return told
            assert answer.status in (202, 409, 500, 502, 503, 504), answer
            assert answer.body.get("code") != "idempotency_key_reused"
            if answer.status == 202 and trusts:
                return await _outcome(person, answer.headers["Location"], deadline)
        assert time.monotonic() < deadline, f"create {number} was never told: {met}"
        await asyncio.sleep(AGAIN_SECONDS)


async def _outcome(person: Client, address: str, deadline: float) -> str:
    while True:
        answer = await person.ask("GET", address)
        assert answer.status in (200, 503, 504), answer
        if answer.body["status"] == "succeeded":
            told: str = answer.body["outcome"]["id"]
            return told
        assert answer.body["status"] in ("accepted", 503, 504), answer
        assert time.monotonic() < deadline, f"{address} was accepted and never carried out"
        await asyncio.sleep(AGAIN_SECONDS)


async def _create_many(person: Client, count: int, met: Counter[int], told: list[str]) -> None:
    async def create(number: int) -> None:
        told.append(await _create_until_told(person, number, met))

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(create(number))


async def _started(stack: Stack, name: str, *, other_than: int) -> int:
    """Its pid, though it may not be ready: it takes work before somebody has seen that it is."""

    async def pid() -> int:
        row = stack.row(name)
        return row["pid"] if row["state"] in ("starting", "running") and row["pid"] != other_than else 0

    return await eventually(pid, within_seconds=30)


async def _running(stack: Stack, name: str, *, other_than: int) -> int:
    async def pid() -> int:
        row = stack.row(name)
        return row["pid"] if row["state"] == "running" and row["pid"] != other_than else 0

    return await eventually(pid, within_seconds=30)


async def _at_least(told: list[str], count: int) -> None:
    async def so_many() -> bool:
        await asyncio.sleep(0)
        return len(told) >= count

    await eventually(so_many, within_seconds=60)


@pytest.mark.slow("500 creates, and a worker that is killed three times")
async def test_each_create_is_carried_out_exactly_once_while_its_worker_is_killed_again_and_again(
    stack: Stack, gateway: str
) -> None:
    met: Counter[int] = Counter()
    told: list[str] = []
    pid = (await stack.status())["diagram"]["pid"]
    async with somebody(gateway, connections=CREATES) as person:
        creating = asyncio.create_task(_create_many(person, CREATES, met, told))
        for count in KILL_AFTER:
            await _at_least(told, count)
            assert not creating.done()
            os.kill(pid, signal.SIGKILL)
            pid = await _started(stack, "diagram", other_than=pid)
        await creating
        assert len(set(told)) == CREATES
        kept = await person.all_diagrams()
        assert sorted(diagram["id"] for diagram in kept) == sorted(told)
        assert len({diagram["title"] for diagram in kept}) == CREATES


async def test_a_worker_that_is_asked_to_leave_finishes_what_it_holds(stack: Stack, gateway: str) -> None:
    met: Counter[int] = Counter()
    told: list[str] = []
    pid = (await stack.status())["diagram"]["pid"]
    async with somebody(gateway, connections=CREATES) as person:
        creating = asyncio.create_task(_create_many(person, 200, met, told))
        await _at_least(told, 40)
        os.kill(pid, signal.SIGTERM)
        await creating
        assert await _running(stack, "diagram", other_than=pid)
        assert len(await person.all_diagrams()) == 200 == len(set(told))
    assert {status for status in met if status >= 500 or status == 0} == set()
    assert any(line["event"] == "service_stopped" and line["pid"] == pid for line in stack.log("diagram"))


@pytest.mark.parametrize("service", ["auth", "gateway"])
async def test_a_service_that_was_killed_is_started_again(stack: Stack, person: Client, service: str) -> None:
    place = (await person.create()).headers["Location"]
    pid = (await stack.status())[service]["pid"]
    os.kill(pid, signal.SIGKILL)
    await _running(stack, service, other_than=pid)
    assert (await person.ask("GET", place)).status == 200
    await person.sign_in()
