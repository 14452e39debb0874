"""The connection's socket: what is written in one turn of the event loop goes out as one.

Written one by one, as aiormq does, each publish, reply and acknowledgement is a system call of ours and a wake-up of
the broker's, also in a busy process, where several are always ready together.
"""

import asyncio
from typing import Any

import aio_pika
from aiormq import AMQPConnectionError
from aiormq.connection import TransportFactory
from yarl import URL


class GatheringWriter(asyncio.StreamWriter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gathered: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._write_out)
        self._gathered.append(data)

    def close(self) -> None:
        self._write_out()
        super().close()

    def _write_out(self) -> None:
        if self._gathered:
            super().write(b"".join(self._gathered))
            self._gathered.clear()


class GatheringTransport(TransportFactory):
    """Raises ``AMQPConnectionError`` where no connection can be made."""

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
        return reader, GatheringWriter(transport, protocol, reader, loop)


class Connection(aio_pika.Connection):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kwargs["transport_factory"] = GatheringTransport()
