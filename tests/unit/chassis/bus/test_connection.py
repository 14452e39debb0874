"""What is written in one turn of the event loop goes out as one, and none of it is lost."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aio_pika import Connection as TheirConnection
from yarl import URL

from chassis.bus.connection import LARGE_BYTES, AmqpConnection, BatchingTransport, BatchingWriter


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False
        self.ended = False
        self.waiting = 0

    def write(self, data: Any) -> None:
        assert not self.closed
        assert not self.ended
        self.written.append(data if isinstance(data, bytes) else bytes(data))

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def writer(wire: Wire) -> AsyncIterator[BatchingWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    writer = BatchingWriter(wire, asyncio.StreamReaderProtocol(reader, loop=loop), reader, loop)
    yield writer
    writer.close()


async def test_writes_of_one_turn_go_out_as_one_in_their_order(wire: Wire, writer: BatchingWriter) -> None:
    writer.write(b"a")
    writer.write(bytearray(b"b"))
    await asyncio.sleep(0)
    assert wire.written == [b"ab"]

    writer.write(b"c")
    await asyncio.sleep(0)
    assert wire.written == [b"ab", b"c"]


async def test_what_is_large_goes_out_at_once_behind_what_came_before_and_uncopied(
    wire: Wire, writer: BatchingWriter
) -> None:
    large = b"b" * (LARGE_BYTES + 1)
    writer.write(b"a")
    writer.write(large)
    writer.write(b"c")
    assert wire.written == [b"a", large]
    assert wire.written[1] is large

    await asyncio.sleep(0)
    assert wire.written == [b"a", large, b"c"]


async def test_what_is_gathered_counts_as_waiting_and_goes_out_before_anybody_waits(
    wire: Wire, writer: BatchingWriter
) -> None:
    wire.waiting = LARGE_BYTES - 1
    full = [writer.is_full]
    writer.write(b"ab")
    full.append(writer.is_full)

    await writer.drain()
    assert wire.written == [b"ab"]
    assert [*full, writer.is_full] == [False, True, False]


async def test_what_is_written_before_a_close_goes_out(wire: Wire, writer: BatchingWriter) -> None:
    writer.write(b"a")
    writer.close()
    await asyncio.sleep(0)

    assert wire.written == [b"a"]
    assert wire.closed


async def test_what_is_written_before_the_end_goes_out_before_it(wire: Wire, writer: BatchingWriter) -> None:
    """Aiormq answers a broker that says goodbye, ends its side, and closes, all in one turn."""
    writer.write(b"goodbye")
    writer.write_eof()
    assert (wire.written, wire.ended) == ([b"goodbye"], True)


async def test_what_is_written_after_the_connection_was_lost_is_dropped(wire: Wire, writer: BatchingWriter) -> None:
    wire.closed = True
    writer.write(b"a")
    await asyncio.sleep(0)
    writer.write(b"b")
    await asyncio.sleep(0)
    assert wire.written == []


def test_a_link_connects_by_it() -> None:
    """Reads what aio-pika keeps for aiormq: an attribute of theirs that could go."""
    loop = asyncio.new_event_loop()
    try:
        connection = AmqpConnection(URL("amqp://127.0.0.1:1"), loop=loop)
        assert isinstance(connection.kwargs["transport_factory"], BatchingTransport)
        assert isinstance(connection, TheirConnection)
    finally:
        loop.close()


def test_a_connection_that_was_never_made_is_collected_without_a_sound() -> None:
    """aio-pika would make a coroutine that nobody awaits, and that is a warning in whatever runs then."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        loop = asyncio.new_event_loop()
        connection = loop.run_until_complete(_made())
        del connection
        gc.collect()
        loop.close()
    assert [str(warning.message) for warning in heard] == []


async def _made() -> AmqpConnection:
    return AmqpConnection(URL("amqp://127.0.0.1:1"))
