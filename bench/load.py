"""A closed loop of workers, and a client of HTTP/1.1 that costs little: it shares the cores with what it measures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

Operation = Callable[[], Awaitable[None]]
MOST_OPERATIONS = 200_000  # in one round, whatever its length


@dataclass(frozen=True, slots=True)
class Measured:
    operations: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int

    @property
    def per_second(self) -> float:
        return self.operations / self.seconds


class Failed(Exception):  # noqa: N818 - states the outcome
    """An answer that is not the wanted one; counted, and not among the latencies."""


async def measure(make: Callable[[], Awaitable[Operation]], workers: int, seconds: float) -> Measured:
    """*workers* loops, each with its own operation from *make*, for *seconds*."""
    operations = [await make() for _ in range(workers)]
    latencies: list[float] = []
    failed = 0
    began = time.perf_counter()
    end = began + seconds

    async def loop(operation: Operation) -> None:
        nonlocal failed
        while time.perf_counter() < end and len(latencies) + failed < MOST_OPERATIONS:
            start = time.perf_counter()
            try:
                await operation()
            except Failed:
                failed += 1
            else:
                latencies.append(time.perf_counter() - start)

    await asyncio.gather(*map(loop, operations))
    took = time.perf_counter() - began
    latencies.sort()
    return Measured(
        operations=len(latencies),
        seconds=took,
        p50_ms=_percentile(latencies, 0.50),
        p99_ms=_percentile(latencies, 0.99),
        failed=failed,
    )


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


class Connection:
    """One keep-alive connection; answers must have a Content-Length."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", headers: str = "") -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{content}{headers}\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in answer.split(b"\r\n"):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        return int(answer[9:12]), await reader.readexactly(length) if length else b""
