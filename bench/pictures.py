"""``python -m bench.pictures``: docs/pictures, from ten minutes of a running system in which a few things go wrong."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Any

import aio_pika
import aiohttp

from bench.people import people
from bench.prometheus import running_prometheus
from bench.stack import REPOSITORY, Stack, running_stack
from compose.grafana.build import dashboards
from compose.grafana.picture import Note, Run, draw
from compose.grafana.prometheus_queries import Window, run_queries

PICTURES = REPOSITORY / "docs" / "pictures"
PEOPLE = 16
SCRAPE_SECONDS = 5
LIMITS = {
    "AUTOGRAPH_RATE_LIMIT_PER_USER": "400",  # above those who pause, below the one who does not
    "AUTOGRAPH_SIGN_IN_ATTEMPTS": "5",
    # An hour is longer than the run.
    "AUTOGRAPH_ARCHIVE_AFTER_SECONDS": "60",
    "AUTOGRAPH_ARCHIVE_EVERY_SECONDS": "20",
}


class Story:
    """What happens, and when it did."""

    def __init__(self, stack: Stack) -> None:
        self.notes: list[Note] = []
        self._stack = stack

    def note(self, what: str) -> None:
        self.notes.append(Note(time.time(), what))
        print(f"{datetime.now(UTC):%H:%M:%S} {what}", flush=True)

    async def quiet(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def during(self, seconds: float, what: str, doing: Coroutine[Any, Any, None]) -> None:
        self.note(what)
        task = asyncio.create_task(doing)
        await asyncio.wait({task}, timeout=seconds)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def freeze(self, name: str, seconds: float) -> None:
        self.note(f"{name} frozen for {seconds:.0f} s")
        os.kill(self._stack.pids[name], signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(self._stack.pids[name], signal.SIGCONT)

    def kill(self, name: str) -> None:
        """Its supervisor starts it again."""
        self.note(f"{name} killed")
        os.kill(self._stack.pids[name], signal.SIGKILL)

    async def send_nonsense(self) -> None:
        self.note("3 unreadable messages")
        connection = await aio_pika.connect(self._stack.servers.rabbitmq_url)
        async with connection:
            channel = await connection.channel()
            for _ in range(3):
                message = aio_pika.Message(b"no JSON", type="autograph.diagram.create_diagram.v1")
                await channel.default_exchange.publish(message, "diagram.commands")


async def main() -> None:
    async with AsyncExitStack() as opened:
        stack = await opened.enter_async_context(running_stack(settings=LIMITS))
        http = await opened.enter_async_context(aiohttp.ClientSession())
        prometheus = await opened.enter_async_context(running_prometheus(http, _configuration(stack.metrics)))
        persons = await opened.enter_async_context(people(stack.base, PEOPLE))
        working = [asyncio.create_task(person.work()) for person in persons[1:]]
        story = Story(stack)
        began = time.time()
        try:
            await story.quiet(90)
            await story.during(30, "one client hurries", persons[0].rush())
            await story.quiet(30)
            await story.freeze("diagram", 100)
            await story.quiet(80)
            story.kill("diagram")
            await story.quiet(30)
            await story.during(30, "passwords guessed", persons[0].guess())
            await story.send_nonsense()
            await story.quiet(30)
            await story.freeze("redis", 40)
            await story.quiet(30)
            await story.send_nonsense()
            await story.quiet(90)
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
        window = Window(began, time.time(), SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)
        asked: Counter[int] = sum((person.answers for person in persons), Counter())
        print("answers by status:", dict(sorted(asked.items())))
        run = Run(window, tuple(story.notes), _caption(window))
        PICTURES.mkdir(exist_ok=True)
        for name, board in dashboards().items():
            picture = draw(await run_queries(http, prometheus, board, window), run)
            (PICTURES / name).with_suffix(".svg").write_text(picture, encoding="utf-8")


def _caption(window: Window) -> str:
    return (
        f"A run of {window.seconds / 60:.0f} minutes on {datetime.fromtimestamp(window.start, UTC):%Y-%m-%d}, UTC: "
        f"{PEOPLE} people on one machine of two cores, scraped every {SCRAPE_SECONDS} s. "
        "Drawn by bench/pictures.py from Prometheus' answers to the dashboard's own queries; Grafana's look differs."
    )


def _configuration(metrics: Mapping[str, str]) -> dict[str, Any]:
    """The rules of the compose stack, read more often: the run is short."""

    def job(name: str, services: list[str]) -> dict[str, Any]:
        targets = [
            {"targets": [metrics[service].split("/")[2]], "labels": {"service": service}} for service in services
        ]
        return {"job_name": name, "honor_labels": True, "static_configs": targets}

    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"},
        "rule_files": [str(REPOSITORY / "compose" / "prometheus" / "rules" / "*.yaml")],
        "scrape_configs": [job("autograph", ["gateway", "auth", "diagram"]), job("rabbitmq", ["rabbitmq"])],
    }


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
