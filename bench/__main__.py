"""``python -m bench``: requests per second, latency and CPU of each process, beside the floors, in one run."""

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count, cycle
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from bench import floors
from bench.cpu import cpu_seconds, rss_mib
from bench.load import Connection, Failed, Measured, Operation, measure
from compose.local.home import DEFAULT, Home
from compose.local.stack import Servers, addresses

REPOSITORY = Path(__file__).parents[1]
ROUNDS = 5
CONCURRENCIES = (1, 16, 64)
UNREAD = 1_000  # reads a second that may be reached
MOST_MAKING_ROUNDS = 20
COUNTED = ("gateway", "auth", "diagram", "rabbitmq", "postgres", "redis")
CANVAS = json.dumps({"title": "Plan", "type": "canvas", "canvas_data": {"elements": ["x" * 4000]}}).encode()
READS = b'{"email": "reads@example.org", "password": "correct horse"}'
SIGNS_IN = b'{"email": "signs-in@example.org", "password": "correct horse"}'

Make = Callable[[], Awaitable[Operation]]


class Bench:
    def __init__(self, base: str, servers: Servers, pids: dict[str, int], floor_base: str, seconds: float) -> None:
        self._base = base
        self._servers = servers
        self._pids = pids
        self._floor_base = floor_base
        self._seconds = seconds
        self._made: list[str] = []
        self._authorized = ""
        self._numbers = count()
        self.rows: list[dict[str, Any]] = []

    async def sign_in(self) -> None:
        connection = Connection(self._base)
        await connection.ask("POST", "/api/auth/register", READS)
        status, body = await connection.ask("POST", "/api/auth/login", READS)
        assert status == 200, body  # noqa: PLR2004 - done
        self._authorized = f"Authorization: Bearer {json.loads(body)['access_token']}\r\n"

    async def row(self, name: str, make: Make, workers: int, seconds: float | None = None) -> Measured:
        before = {process: cpu_seconds(pid) for process, pid in self._pids.items()}
        measured = await measure(make, workers, seconds or self._seconds)
        spent = {process: cpu_seconds(pid) - before[process] for process, pid in self._pids.items()}
        row = {
            "what": name, "concurrency": workers, "per_second": round(measured.per_second, 1),
            "p50_ms": round(measured.p50_ms, 2), "p99_ms": round(measured.p99_ms, 2), "failed": measured.failed,
            "cpu_us": micros_of(spent, measured),
        }  # fmt: skip
        self.rows.append(row)
        cpu = " ".join(f"{process} {micros}" for process, micros in micros_of(spent, measured).items())
        figures = (name, workers, row["per_second"], row["p50_ms"], row["p99_ms"], row["failed"], cpu)
        print(f"| {' | '.join(map(str, figures))} |", flush=True)
        return measured

    async def pair(self, name: str, make: Make, floor: str, make_floor: Make, *, seconds: float | None = None) -> float:
        """Median of the ratios of interleaved rounds at concurrency 16."""
        ratios = []
        for _ in range(ROUNDS):
            bare = await self.row(floor, make_floor, 16, seconds)
            ours = await self.row(name, make, 16, seconds)
            ratios.append(ours.per_second / bare.per_second)
        return statistics.median(ratios)

    def http(self, method: str, paths: Iterator[str], body: bytes = b"", headers: str = "", *, good: int = 200) -> Make:
        async def make() -> Operation:
            connection = Connection(self._base)

            async def ask() -> None:
                path = next(paths, None)
                if path is None:
                    await asyncio.sleep(0.01)  # all that was made has been read
                    raise Failed
                status, answer = await connection.ask(method, path, body, self._authorized + headers)
                if status != good:
                    raise Failed
                if good == 201:  # noqa: PLR2004 - created
                    self._made.append(f"/api/diagrams/{json.loads(answer)['id']}")

            return ask

        return make

    async def _change(self) -> Operation:
        connection = Connection(self._base)

        async def ask() -> None:
            number = next(self._numbers)
            body = json.dumps({"canvas_data": {"n": number, "elements": ["x" * 4000]}}).encode()
            path = self._made[number % 64]
            status, _ = await connection.ask("PATCH", path, body, self._authorized + "If-Match: *\r\n")
            if status != 200:  # noqa: PLR2004 - done
                raise Failed

        return ask

    async def run(self) -> dict[str, float]:  # noqa: C901 - the list of what is measured, from top to bottom
        await self.sign_in()
        create = self.http("POST", cycle(["/api/diagrams"]), CANVAS, good=201)
        await self.row("create 4 KiB (warm-up)", create, 16)
        cached = self.http("GET", cycle(self._made[:1]))
        listing = self.http("GET", cycle(["/api/diagrams?limit=20"]))
        # Another account: of its sessions only the last five live.
        await Connection(self._base).ask("POST", "/api/auth/register", SIGNS_IN)
        login = self.http("POST", cycle(["/api/auth/login"]), SIGNS_IN)

        async def bare() -> Operation:
            return floors.http_operation(self._floor_base, "/bare")

        async def with_redis() -> Operation:
            return floors.http_operation(self._floor_base, "/redis")

        echo = floors.EchoClient()
        await echo.open(self._servers.rabbitmq_url)

        async def classic() -> Operation:
            return echo.operation("classic")

        async def quorum() -> Operation:
            return echo.operation("quorum")

        with ThreadPoolExecutor(os.cpu_count()) as threads:

            async def hashing() -> Operation:
                return floors.bcrypt_operation(threads, 12)

            ratios = {
                "create 4 KiB / echo, quorum (35 %)": await self.pair("create 4 KiB", create, "echo, quorum", quorum),
                "cached read / aiohttp + Redis (40 %)": await self.pair(
                    "read, cached", cached, "aiohttp + Redis", with_redis
                ),
            }
            for _ in range(MOST_MAKING_ROUNDS):  # each of the rounds below reads what nobody has read
                if len(self._made) >= UNREAD * self._seconds * ROUNDS:
                    break
                await self.row("create 4 KiB (to be read)", create, 16)
            unread = iter(self._made[:0:-1])
            uncached = self.http("GET", unread)
            ratios["uncached read / echo, classic (40 %)"] = await self.pair(
                "read, uncached", uncached, "echo, classic", classic
            )
            ratios["sign-in / bcrypt (80 %)"] = await self.pair(
                "sign-in", login, "bcrypt, cost 12", hashing, seconds=self._seconds * 3
            )
            await self.row("sign-in", login, 1)
        await self.row("aiohttp, bare", bare, 16)
        async with asyncpg.create_pool(self._servers.postgres_url, min_size=10, max_size=10) as pool:
            await pool.execute("CREATE TABLE IF NOT EXISTS bench (body text)")

            async def insert() -> Operation:
                return floors.insert_operation(pool)

            await self.row("asyncpg insert + commit", insert, 16)
            await pool.execute("DROP TABLE bench")
        for workers in CONCURRENCIES:
            await self.row("change 4 KiB", self._change, workers)
            await self.row("list 20", listing, workers)
            if workers != 16:  # noqa: PLR2004 - measured above
                await self.row("create 4 KiB", create, workers)
                await self.row("read, uncached", self.http("GET", iter(self._made[-3000:])), workers)
                await self.row("read, cached", cached, workers)
        await echo.close()
        return ratios


def micros_of(spent: dict[str, float], measured: Measured) -> dict[str, int]:
    return {process: round(s / max(1, measured.operations) * 1e6) for process, s in spent.items()}


@asynccontextmanager
async def running_stack() -> AsyncIterator[tuple[str, Servers, dict[str, int]]]:
    """The whole system as ``autograph up`` runs it, without limits, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="autograph-bench-") as folder:
        environment = os.environ | {
            "AUTOGRAPH_HOME": folder,
            "AUTOGRAPH_PROGRAMS": str(REPOSITORY / DEFAULT / "programs"),
            "AUTOGRAPH_RATE_LIMIT_PER_USER": "0",
            "AUTOGRAPH_RATE_LIMIT_PER_ADDRESS": "0",
            "AUTOGRAPH_SIGN_IN_ATTEMPTS": "0",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "autograph", "up", env=environment, stdout=subprocess.PIPE, cwd=REPOSITORY
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(300):
                async for line in process.stdout:
                    if b"is ready" in line:
                        break
                else:
                    raise SystemExit("the stack did not start")
            state = Home(Path(folder)).state()
            pids = {found.name: found.pid for found in state.processes if found.name in COUNTED}
            base = next(found.address for found in state.processes if found.name == "gateway")
            yield base, addresses(Home(Path(folder)).attach(), {}), pids
        finally:
            process.send_signal(signal.SIGINT)
            await process.communicate()


async def main(seconds: float, to: Path | None) -> None:
    async with running_stack() as (base, servers, pids):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        redis = servers.redis_url.rpartition("/")[0] + "/5"
        http = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.floors", "http", str(port), redis)
        echo = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.floors", "echo", servers.rabbitmq_url, stdout=subprocess.PIPE
        )
        assert echo.stdout is not None
        await echo.stdout.readline()
        try:
            print("| what | concurrency | per second | p50 ms | p99 ms | failed | CPU us a request |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            bench = Bench(base, servers, pids, f"http://127.0.0.1:{port}", seconds)
            ratios = await bench.run()
            memory = {name: round(rss_mib(pid)) for name, pid in pids.items() if name in ("gateway", "auth", "diagram")}
        finally:
            for process in (http, echo):
                process.terminate()
                await process.wait()
    print()
    for name, ratio in ratios.items():
        print(f"- {name}: {ratio:.0%}")
    print(f"- memory, MiB (150): {memory}")
    if to is not None:
        figures = json.dumps({"rows": bench.rows, "ratios": ratios, "memory_mib": memory}, indent=1)
        await asyncio.to_thread(to.write_text, figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="rounds too short to mean anything: does it run?")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there")
    arguments = parser.parse_args()
    uvloop.run(main(0.3 if arguments.quick else 1.5, arguments.json))
