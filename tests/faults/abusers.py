"""Clients that mean harm: each does one kind of it, from loopback addresses of its own.

None of them knows a secret: they have what anybody on the network has, or an account or a producer of their own.
Run as ``python -m tests.faults.abusers KIND URL [ARGUMENT…]``, a process for each, so that none waits for another;
on SIGTERM it ends and prints as JSON how many answers it got, by kind and status. Status 0: no answer.
"""

import asyncio
import gzip
import io
import json
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aio_pika
import aiohttp
from aio_pika.exceptions import AMQPError, DeliveryError

from chassis.bus.headers import producer_exchange
from contracts.diagram.diagrams import CreateDiagram
from contracts.envelope import CONTENT_TYPE, producer_id
from tests.system.client import PASSWORD

REQUEST_SECONDS = 60.0
BODY_BYTES = 99 * (1 << 20) // 10  # just below the limit of 10 MiB
SLOW_CONNECTIONS = 1_010  # beyond the 1,000 requests that a gateway serves at once by default
SIGN_INS_PER_SECOND = 15
REGISTRATIONS = 400
GUESSING_ADDRESSES = 60


@dataclass(slots=True)
class Abuse:
    """One abuser, and what it was answered."""

    url: str
    answers: dict[str, Counter[int]] = field(default_factory=dict)

    def count(self, kind: str, status: int) -> None:
        self.answers.setdefault(kind, Counter())[status] += 1

    async def send(
        self, kind: str, http: aiohttp.ClientSession, path: str, *, method: str = "POST", data: bytes | None = None,
        **options: Any,
    ) -> None:  # fmt: skip
        status = 0
        body = None if data is None else io.BytesIO(data)  # aiohttp warns of large bodies that are plain bytes
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with http.request(method, f"{self.url}{path}", data=body, **options) as response:
                await response.read()
                status = response.status
        self.count(kind, status)

    async def hostile_bodies(self) -> None:
        """Anonymous registrations whose bodies are small on the wire, or costly to describe as wrong."""
        costly = b'{"email":[' + b'{"":{}},' * (BODY_BYTES // 8) + b"{}]}"
        packed = gzip.compress(costly)
        async with client_from("127.0.0.2") as http:
            while True:
                json_type = {"Content-Type": "application/json"}
                await asyncio.gather(
                    self.send("inflated body", http, "/api/auth/register", data=packed,
                              headers=json_type | {"Content-Encoding": "gzip"}),
                    self.send("costly body", http, "/api/auth/register", data=costly, headers=json_type),
                )  # fmt: skip

    async def large_canvases(self, token: str) -> None:
        """Four at once of the most that one request may carry: the most values that are let in, and all that fit."""
        bodies = [
            b'{"title":"Large","type":"canvas","canvas_data":{"elements":['
            + value * (BODY_BYTES // len(value))
            + b"0]}}"
            for value in (b"[12345678],", b"[],")
        ]
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        async with client_from("127.0.0.3") as http:
            while True:
                large = (
                    self.send("large canvas", http, "/api/diagrams", data=body, headers=sent) for body in bodies * 2
                )
                await asyncio.gather(*large)

    async def slow_bodies(self) -> None:
        """More connections than there are places, each of which sends one byte of its body and no more."""
        target = urlsplit(self.url)
        head = f"POST /api/auth/login HTTP/1.1\r\nHost: {target.netloc}\r\nContent-Type: application/json\r\n"
        begun = (head + "Content-Length: 100\r\n\r\n{").encode()

        async def hold() -> None:
            while True:
                status = 0
                with suppress(OSError, ValueError, IndexError):
                    reader, writer = await asyncio.open_connection(
                        target.hostname, target.port, local_addr=("127.0.0.4", 0)
                    )
                    try:
                        writer.write(begun)
                        await writer.drain()
                        status = int((await reader.readline()).split()[1])
                    finally:
                        writer.close()
                self.count("slow body", status)
                await asyncio.sleep(1)  # refused at once, it would only be a flood of connections

        async with asyncio.TaskGroup() as group:
            for _ in range(SLOW_CONNECTIONS):
                group.create_task(hold())

    async def sign_in_flood(self) -> None:
        """Sign-ins to accounts that do not exist, each of which costs a hash."""
        async with client_from("127.0.0.5") as http, asyncio.TaskGroup() as group:
            while True:
                body = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD}
                group.create_task(self.send("sign-in flood", http, "/api/auth/login", json=body))
                await asyncio.sleep(1 / SIGN_INS_PER_SECOND)

    async def registration_flood(self) -> None:
        """Registrations that nobody waits for: each is a durable command, and costs a hash."""
        async with client_from("127.0.0.6") as http:
            for _ in range(REGISTRATIONS):
                body = {"email": f"{uuid4().hex}@example.org", "password": uuid4().hex}
                sent = {"Prefer": "respond-async"}
                await self.send("registration flood", http, "/api/auth/register", json=body, headers=sent)

    async def guess(self, email: str) -> None:
        """Guesses at one account's password from many addresses."""
        while True:
            for number in range(GUESSING_ADDRESSES):
                async with client_from(f"127.0.2.{number + 1}") as http:
                    body = {"email": email, "password": f"guess {random.getrandbits(64)}"}
                    await self.send("guess", http, "/api/auth/login", json=body)
            await asyncio.sleep(1)

    async def change_what_is_locked(self, token: str, diagram: str) -> None:
        """Changes of a diagram whose row somebody has locked: each is a statement that takes as long as it may."""
        sent = {"Authorization": f"Bearer {token}", "Prefer": "respond-async"}
        async with client_from("127.0.0.7") as http:
            while True:
                change = {"title": uuid4().hex}
                await self.send("change of what is locked", http, f"/api/diagrams/{diagram}",
                                method="PATCH", json=change, headers=sent)  # fmt: skip
                await asyncio.sleep(2)

    async def publish_large_messages(self, address: str) -> None:
        """A producer that publishes without pause: the most that fits and is let in, and what is neither.

        Counted are the broker's answers: 200 for what it took, 503 for what a full queue rejected.
        """
        connection = await aio_pika.connect(address)
        async with connection, connection.channel() as channel:
            user = connection.url.user or ""
            ingress = await channel.get_exchange(producer_exchange(user), ensure=False)
            canvases = [
                b'{"elements":[' + value * (BODY_BYTES // len(value)) + b"0]}"
                for value in (b"[12345678],", b"[],", b'{"":{}},')
            ]
            while True:
                for canvas in canvases:
                    message = aio_pika.Message(
                        _command_of(user, canvas), content_type=CONTENT_TYPE, user_id=user,
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    )  # fmt: skip
                    status = 200
                    try:
                        await ingress.publish(message, CreateDiagram.routing_key())
                    except DeliveryError:
                        status = 503
                        await asyncio.sleep(1)  # only the queue's bound is tried, not how fast the broker says no
                    except (AMQPError, OSError):
                        self.count("large message", 0)
                        return
                    self.count("large message", status)


def _command_of(user: str, canvas: bytes) -> bytes:
    attributes = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": f"/producers/{user}",
        "type": CreateDiagram.wire_name,
        "time": datetime.now(UTC).isoformat(),
        "correlationid": str(uuid4()),
        "actor": f"producer/{producer_id(user)}?name={user}",
    }
    data = b'{"title":"Large","type":"canvas","canvas_data":%b}' % canvas
    return b'%b,"data":%b}' % (json.dumps(attributes).encode().removesuffix(b"}"), data)


@asynccontextmanager
async def client_from(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Connects from *address*, one of 127.0.0.0/8: to the gateway each is another client's."""
    connector = aiohttp.TCPConnector(limit=0, local_addr=(address, 0))
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield http


KINDS: Mapping[str, Callable[..., Awaitable[None]]] = {
    "hostile-bodies": Abuse.hostile_bodies,
    "large-canvases": Abuse.large_canvases,
    "slow-bodies": Abuse.slow_bodies,
    "sign-in-flood": Abuse.sign_in_flood,
    "registration-flood": Abuse.registration_flood,
    "guess": Abuse.guess,
    "change-what-is-locked": Abuse.change_what_is_locked,
    "publish-large-messages": Abuse.publish_large_messages,
}


async def main(kind: str, url: str, *arguments: str) -> None:
    abuse = Abuse(url)
    attack = asyncio.ensure_future(KINDS[kind](abuse, *arguments))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, attack.cancel)
    with suppress(asyncio.CancelledError):
        await attack
    print(json.dumps(abuse.answers))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
