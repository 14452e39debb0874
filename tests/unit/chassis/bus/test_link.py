"""A link's end."""

import gc
from typing import Any

import pytest

from chassis.bus.connection import AmqpConnection
from chassis.bus.link import Link


async def nothing(_: Link) -> None:
    pass


@pytest.mark.filterwarnings("error")
def test_a_link_that_is_thrown_away_without_its_loop_ends_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a process that was stopped in the middle: its ``finally`` runs where no loop does."""

    async def close(_: AmqpConnection, *_args: Any) -> None:
        raise AssertionError("there is nobody to wait for it")

    monkeypatch.setattr(AmqpConnection, "close", close)
    link = Link("amqp://127.0.0.1:1", "test", nothing)
    link._connection = AmqpConnection.__new__(AmqpConnection)
    closing = link._close()
    with pytest.raises(StopIteration):
        closing.send(None)
    del closing
    gc.collect()
