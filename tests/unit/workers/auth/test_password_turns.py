"""Who hashes first: a sign-in before every registration that waits."""

import asyncio
import threading

import pytest

from workers.auth.hashes import Hashes
from workers.auth.passwords import PasswordPool, Priority


async def test_a_sign_in_goes_before_the_registrations_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    may_hash = threading.Semaphore(0)
    order: list[str] = []

    def hash_slowly(password: str) -> str:
        order.append(password)
        assert may_hash.acquire(timeout=10)
        return "hash"

    hashes = Hashes(cost=4, peppers=(b"p" * 32,), peppered=False)
    monkeypatch.setattr(hashes, "make", hash_slowly)
    async with PasswordPool(hashes, threads=1) as passwords:
        registrations = [
            asyncio.create_task(passwords.hash(f"registration {number}", Priority.REGISTRATION)) for number in range(3)
        ]
        await asyncio.sleep(0)  # they begin in this order
        sign_in = asyncio.create_task(passwords.hash("sign-in", Priority.SIGN_IN))
        given_up = asyncio.create_task(passwords.hash("given up", Priority.SIGN_IN))
        await asyncio.sleep(0)
        given_up.cancel()
        may_hash.release(4)
        await asyncio.gather(sign_in, *registrations)

        assert order == ["registration 0", "sign-in", "registration 1", "registration 2"]
        assert passwords.states() == {"in_hand": 0}
        may_hash.release()
        assert await passwords.hash("the next") == "hash", "no turn was lost"
