"""A TCP proxy in front of a real server that can freeze or cut what passes."""

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Stands between a client and a server; `url` is the server's, by way of the proxy."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.most_connections = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        credentials, at, _ = self._target.netloc.rpartition("@")
        return urlunsplit(self._target._replace(netloc=f"{credentials}{at}127.0.0.1:{port}"))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def freeze(self) -> None:
        """Nothing passes until `thaw`: then everything that was held does."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._refusing = False
        self._flowing.set()

    def cut(self) -> None:
        """Ends all connections; what was held is lost."""
        for connection in list(self._connections):
            connection.cancel()

    def refuse(self) -> None:
        """Ends all connections and, until `thaw`, every new one."""
        self._refusing = True
        self.cut()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._pass(reader, writer))
        self._connections.add(connection)
        self.most_connections = max(self.most_connections, len(self._connections))
        connection.add_done_callback(self._connections.discard)
        # Here rather than in the task: one that is cancelled before it begins closes nothing.
        connection.add_done_callback(lambda _: writer.transport.abort())

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_writer: asyncio.StreamWriter | None = None
        try:
            server_reader, server_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
            there = asyncio.create_task(self._pump(reader, server_writer))
            back = asyncio.create_task(self._pump(server_reader, writer))
            try:
                await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
            finally:
                there.cancel()
                back.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        finally:
            if server_writer is not None:
                server_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
