"""The connection's socket: all frames of one event loop turn are written by one system call.

aiormq writes each frame by itself: a system call here and a wake-up of the broker for each publish, reply and
acknowledgement, even if several are ready together.
"""

import asyncio
from typing import Any, Final

import aio_pika
from aiormq import AMQPConnectionError
from aiormq.connection import TransportFactory
from yarl import URL

LARGE_BYTES: Final = 64 * 1024


class BatchingWriter(asyncio.StreamWriter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._buffered: list[bytes | bytearray | memoryview] = []
        self._buffered_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether so much is buffered that a caller should ``drain`` before it writes more."""
        return self.transport.get_write_buffer_size() + self._buffered_bytes > LARGE_BYTES

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if len(data) > LARGE_BYTES:  # copying it would cost more than a system call
            self._write_out()
            super().write(data)
            return
        if not self._buffered:
            asyncio.get_running_loop().call_soon(self._write_out)
        self._buffered.append(data)
        self._buffered_bytes += len(data)

    async def drain(self) -> None:
        self._write_out()
        await super().drain()

    def write_eof(self) -> None:
        self._write_out()
        super().write_eof()

    def close(self) -> None:
        try:
            self._write_out()
        finally:
            super().close()

    def _write_out(self) -> None:
        buffered, self._buffered, self._buffered_bytes = self._buffered, [], 0
        if buffered and not self.is_closing():
            super().write(b"".join(buffered))


class BatchingTransport(TransportFactory):
    """Raises ``AMQPConnectionError`` if no connection can be made."""

    writer: BatchingWriter | None = None  # of the last connection

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = options.pop("ssl_context_provider")
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        assert url.host is not None
        assert url.port is not None
        try:
            context = await tls.get_context() if url.scheme == "amqps" else None
            transport, _ = await loop.create_connection(lambda: protocol, url.host, url.port, ssl=context, **options)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        transport.set_write_buffer_limits(high=LARGE_BYTES)  # with TLS the default is eight times that
        self.writer = BatchingWriter(transport, protocol, reader, loop)
        return reader, self.writer


class AmqpConnection(aio_pika.Connection):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._transport_factory = self.kwargs["transport_factory"] = BatchingTransport()

    @property
    def writer(self) -> BatchingWriter:
        """Available once connected."""
        assert self._transport_factory.writer is not None
        return self._transport_factory.writer

    def __del__(self) -> None:
        """Nothing: its link closes it, and aio-pika would make a coroutine that nobody awaits outside an event loop."""

    def abort(self) -> None:
        """Close the connection at once, without sending what is buffered."""
        if self._transport_factory.writer is not None:
            self._transport_factory.writer.transport.abort()
