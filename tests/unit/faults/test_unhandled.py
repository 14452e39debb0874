"""What asyncio reports when nobody took an exception is heard in a service's log."""

import asyncio
import logging

import pytest

from tests.faults.scenario import UNHANDLED


async def _raised_in_a_callback() -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)


async def _raised_in_a_task_that_nobody_awaits() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task


@pytest.mark.parametrize("what", [_raised_in_a_callback, _raised_in_a_task_that_nobody_awaits])
def test_an_exception_that_nobody_took_is_heard(what: object, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "asyncio"):
        asyncio.run(what())  # type: ignore[operator]  # either of the two

    assert any(UNHANDLED.search(record.getMessage()) for record in caplog.records)
