"""A TCP proxy that does to what passes what networks do."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to each chunk on its way, in the order of the fields."""

    passes: bool = True  # False: what comes is kept until it may, as by a peer that retransmits
    slice_bytes: int = CHUNK_BYTES
    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    bytes_per_second: float | None = None


CLEAR = Weather()
BLACKHOLE = Weather(passes=False)


class Proxy:
    """Before the server of *url*, on a port of its own. ``there`` is the weather towards the server, ``back`` from it.

    ``counted`` is how many bytes met a weather that was not clear, and how many connections were reset or refused:
    a fault that touched nothing was none.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._refusing = False
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.there = CLEAR
        self.back = CLEAR
        self.counted = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def before(self, url: str) -> str:
        """*url*, whoever's credentials it has, by way of here."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(url)
        credentials, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{port}"))

    def set(self, weather: Weather) -> None:
        """In both directions; what was kept goes on in the new weather."""
        self.set_one_way(there=weather, back=weather)

    def set_one_way(self, *, there: Weather = CLEAR, back: Weather = CLEAR) -> None:
        self.there, self.back = there, back
        self._changed.set()
        self._changed = asyncio.Event()

    def clear(self) -> None:
        self._refusing = False
        self.set(CLEAR)

    def reset(self, *, refuse: bool = False) -> None:
        """Ends all connections with RST; *refuse*: every new one too, until ``clear``."""
        self._refusing = refuse
        self.counted += len(self._connections)
        for connection in list(self._connections):
            connection.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            self.counted += 1
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._join(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        # Here rather than in the task: one that is cancelled before it begins closes nothing.
        connection.add_done_callback(lambda _: writer.transport.abort())

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_writer: asyncio.StreamWriter | None = None
        with suppress(OSError):
            try:
                server_reader, server_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
                there = asyncio.create_task(self._pump(reader, server_writer, is_back=False))
                back = asyncio.create_task(self._pump(server_reader, writer, is_back=True))
                try:
                    await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    there.cancel()
                    back.cancel()
                    await asyncio.gather(there, back, return_exceptions=True)
            finally:
                if server_writer is not None:
                    server_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_back: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                rest = memoryview(data)
                while rest:
                    weather = await self._passing(is_back=is_back)
                    part, rest = rest[: weather.slice_bytes], rest[weather.slice_bytes :]
                    if weather is not CLEAR:
                        self.counted += len(part)
                        await asyncio.sleep(_delay_seconds(weather, len(part)))
                    writer.write(part)
                    await writer.drain()
        # That a connection has ended does not pass through a partition either.
        await self._passing(is_back=is_back)

    async def _passing(self, *, is_back: bool) -> Weather:
        """The weather, once it lets anything pass."""
        while True:
            weather = self.back if is_back else self.there
            if weather.passes:
                return weather
            self.counted += 1
            await self._changed.wait()


def _delay_seconds(weather: Weather, size: int) -> float:
    seconds = weather.latency_seconds + random.uniform(0, weather.jitter_seconds)  # noqa: S311 - jitter
    return seconds + (size / weather.bytes_per_second if weather.bytes_per_second else 0.0)
