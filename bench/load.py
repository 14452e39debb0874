"""Closed-loop load generation, with a cheap HTTP/1.1 client: it shares the cores with what it measures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from bench.cpu import Meter

MAX_OPERATIONS = 200_000  # in one round, whatever its length
OPERATION_SECONDS = 10.0
PAUSE_SECONDS = 0.01  # after a failure, so that a server that is unavailable is not hammered

Operation = Callable[[], Awaitable[None]]
Workload = Callable[[int], AbstractAsyncContextManager[Operation]]  # the operation of one loop, by the loop's number


class OperationFailed(Exception):
    """An unexpected response; counted, and excluded from the latencies."""


class Exhausted(Exception):
    """The workload has no operations left: the loop ends early."""


@dataclass(frozen=True, slots=True)
class Round:
    seconds: float
    latencies: list[float]
    failed: int
    cpu: dict[str, float]  # seconds of each process

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds


async def measure(workload: Workload, loops: int, seconds: float, meter: Meter) -> Round:
    """Runs *loops* concurrent loops for *seconds*, each without pauses. Connections are opened before."""
    latencies: list[float] = []
    failed = 0

    async def loop(operation: Operation) -> None:
        nonlocal failed
        while time.perf_counter() < end and len(latencies) + failed < MAX_OPERATIONS:
            start = time.perf_counter()
            try:
                async with asyncio.timeout(OPERATION_SECONDS):
                    await operation()
            except Exhausted:
                return
            except (OperationFailed, TimeoutError):
                failed += 1
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                latencies.append(time.perf_counter() - start)

    async with AsyncExitStack() as stack:
        operations = [await stack.enter_async_context(workload(number)) for number in range(loops)]
        before = meter.read()
        began = time.perf_counter()
        end = began + seconds
        await asyncio.gather(*map(loop, operations))
        took = time.perf_counter() - began
        cpu = meter.since(before)
    return Round(took, latencies, failed, cpu)


class LoadConnection:
    """One keep-alive connection; answers must have a Content-Length."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        assert parts.hostname == "127.0.0.1"  # the load is for this machine only
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        self._streams = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._drop()

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def send(self, method: str, path: str, body: bytes = b"", headers: str = "") -> tuple[int, bytes]:
        """Status and body. Raises ``OperationFailed`` if the connection broke; the next request opens a new one."""
        content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{content}{headers}\r\n"
        try:
            return await self._exchange(head.encode() + body)
        except (OSError, asyncio.IncompleteReadError) as error:
            self._drop()
            raise OperationFailed(str(error)) from error
        except BaseException:
            self._drop()  # a late response must not be taken for the next one
            raise

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in answer.split(b"\r\n"):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        return int(answer[9:12]), await reader.readexactly(length) if length else b""
