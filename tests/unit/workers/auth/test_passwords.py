"""Hashing: never cut, never in the way, and as slow for nobody as for somebody."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from workers.auth.hashes import Hashes
from workers.auth.passwords import PasswordPool, PasswordsBusy


def hashes(cost: int = 4) -> Hashes:
    return Hashes(cost=cost, peppers=(b"p" * 32,), peppered=False)


@pytest.fixture
async def passwords() -> AsyncIterator[PasswordPool]:
    async with PasswordPool(hashes()) as passwords:
        yield passwords


async def matches(passwords: PasswordPool, password: str, password_hash: str | None) -> bool:
    return (await passwords.check(password, password_hash)).matches


async def test_a_password_fits_its_own_hash_only(passwords: PasswordPool) -> None:
    password_hash = await passwords.hash("correct horse")

    assert await matches(passwords, "correct horse", password_hash)
    assert not await matches(passwords, "Correct horse", password_hash)
    assert "correct horse" not in password_hash


async def test_two_hashes_of_one_password_differ(passwords: PasswordPool) -> None:
    assert await passwords.hash("correct horse") != await passwords.hash("correct horse")


async def test_what_is_behind_72_bytes_is_not_ignored(passwords: PasswordPool) -> None:
    longest = "é" * 36
    password_hash = await passwords.hash(longest)

    assert await matches(passwords, longest, password_hash)
    assert not await matches(passwords, f"{longest}x", password_hash)


@pytest.mark.parametrize("password", ["password\x00", "password\ud800"])
async def test_what_is_not_text_fits_nothing(passwords: PasswordPool, password: str) -> None:
    assert not await matches(passwords, password, await passwords.hash("password"))


async def test_no_password_fits_an_account_that_has_none(passwords: PasswordPool) -> None:
    assert not await matches(passwords, "", None)
    assert not await matches(passwords, "password", None)


async def test_no_account_costs_a_hash_too() -> None:
    async with PasswordPool(hashes(), threads=1, queue=0) as passwords:
        first = asyncio.create_task(passwords.check("password", None))
        await asyncio.sleep(0)  # lets it begin

        assert passwords.states() == {"in_hand": 1}
        await first


async def test_who_finds_the_pool_and_its_queue_full_is_turned_away() -> None:
    async with PasswordPool(hashes(), threads=1, queue=1) as passwords:
        outcomes = await asyncio.gather(*(passwords.hash("password") for _ in range(4)), return_exceptions=True)

        assert [isinstance(outcome, PasswordsBusy) for outcome in outcomes] == [False, False, True, True]
        assert await passwords.hash("password")  # and there is room again


async def test_the_event_loop_runs_while_passwords_are_hashed() -> None:
    async with PasswordPool(hashes(8), threads=1) as passwords:
        hashing = asyncio.create_task(passwords.hash("password"))
        turns = 0
        while not hashing.done():
            await asyncio.sleep(0)
            turns += 1

        assert turns > 10
