"""One whole stack for all tests that only talk to it."""

import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.system.client import Client, somebody
from tests.system.stack import Stack, gone


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        stack.up()
        await stack.ready()
        yield stack
        identities = await stack.identities()
        assert await stack.end(signal.SIGINT) == 0
        await gone(identities)
        assert (await stack.run("status")).returncode == 3
        assert stack.left_in_tmp() == []
    finally:
        stack.clean_up()


@pytest.fixture(scope="session")
async def gateway(stack: Stack) -> str:
    address: str = (await stack.status())["gateway"]["url"]
    return address


@pytest.fixture
async def person(gateway: str) -> AsyncIterator[Client]:
    async with somebody(gateway) as person:
        yield person


@pytest.fixture
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that is not started, for tests of the launcher itself."""
    stack = Stack(tmp_path_factory.mktemp("another"))
    try:
        yield stack
    finally:
        stack.clean_up()
