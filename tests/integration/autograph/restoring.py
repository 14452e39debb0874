"""Servers of one's own, an installation on them with something of everything, and how to empty it again."""

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import asyncpg
from rich.console import Console

from autograph.backup import objects
from autograph.backup.definitions import PROGRAMS
from autograph.backup.make import Source, make
from autograph.backup.manifest import Manifest
from autograph.backup.messages import DURABLE, purge
from autograph.backup.progress import bars
from autograph.backup.restore import Target, restore
from autograph.broker import open_broker
from autograph.installation import Installation
from autograph.migrate import apply
from autograph.subscribers import Subscriber, find_subscribers, make_subscriber
from chassis.bus.headers import producer_user, subscriber_user
from chassis.database import DirectConnection
from chassis.objects import s3_client
from compose.local.stack import Servers
from contracts.services import BUCKETS
from tests.integration.autograph.installation import INSTALLATION_SECRET

SECRETS = {"auth": "a" * 48, "gateway": "b" * 48}
# What each queue holds when it is filled, and where a restore puts that.
WAITING = {"diagram.commands": "diagram.commands", "diagram.parked": "diagram.parked", "retry.10m": "auth.commands"}


@dataclass
class LocalSystem:
    servers: Servers
    programs: Path
    object_key: str = ""

    @property
    def installation(self) -> Installation:
        return Installation(servers=self.servers, secret=INSTALLATION_SECRET, own_secrets=SECRETS)

    async def connect(self) -> DirectConnection:
        return await asyncpg.connect(self.servers.postgres_url)

    async def execute(self, *statements: str) -> None:
        connection = await self.connect()
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def installation_with(self, **secrets: str) -> Installation:
        return Installation(servers=self.servers, secret=INSTALLATION_SECRET, own_secrets=SECRETS | secrets)

    async def fill(self) -> None:
        await apply(self.installation, Console(quiet=True))
        content = json.dumps({"canvas_data": {"elements": []}, "note_content": None}).encode()
        sha256, owner, file = hashlib.sha256(content).hexdigest(), uuid4(), uuid4()
        self.object_key = f"{file}/1/{sha256}"
        await self.put("diagrams", self.object_key, gzip.compress(content))
        await self.put("exports", "one.png", b"a picture")
        connection = await self.connect()
        try:
            await connection.execute(
                "INSERT INTO auth.users (id, email, email_key) VALUES ($1, $2, $2)", owner, "a@example.org"
            )
            await connection.execute(
                "INSERT INTO diagram.files (id, owner_id, title, type, updated_by) VALUES ($1, $2, 'A', 'canvas', $2)",
                file, owner,
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO diagram.versions (file_id, number, created_by, content_sha256, object_key)"
                " VALUES ($1, 1, $2, $3, $4)",
                file, owner, sha256, self.object_key,
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO auth.audit_log (id, actor_kind, action, outcome) VALUES ($1, 'user', 'x', 'succeeded')",
                uuid4(),
            )
        finally:
            await connection.close()
        await self.add_producer()
        await self.add_subscriber()
        for queue in WAITING:
            await self.publish(queue)

    async def add_producer(self) -> None:
        async with open_broker(self.servers.rabbitmq_url, self.servers.rabbitmq_management_url) as broker:
            await broker.make_user(producer_user("reports"), "its password")
            rights = {"configure": "^$", "write": "^$", "read": "^$"}
            await broker.put("permissions", broker.vhost, producer_user("reports"), body=rights)

    async def add_subscriber(self) -> None:
        async with open_broker(self.servers.rabbitmq_url, self.servers.rabbitmq_management_url) as broker:
            await broker.make_user(subscriber_user("search"), "its password")
            await make_subscriber(broker, "search", ["diagram.*"])

    async def publish(self, queue: str) -> None:
        connection = await aio_pika.connect(self.servers.rabbitmq_url)
        async with connection, connection.channel(on_return_raises=True) as channel:
            headers: dict[str, Any] = {"x-attempt": 2, "x-original-user": "autograph-gateway"}
            exchange, key, message_headers = channel.default_exchange, queue, headers
            if queue.startswith("retry."):
                exchange = await channel.get_exchange("autograph.retry", ensure=False)
                key, message_headers = "auth.commands", {**headers, "rung": queue.removeprefix("retry.")}
            message = aio_pika.Message(
                f"from {queue}".encode(), headers=message_headers, delivery_mode=aio_pika.DeliveryMode.PERSISTENT
            )
            await exchange.publish(message, key)

    async def waiting(self) -> dict[str, list[tuple[bytes, Any]]]:
        """Body and attempt of every message of each durable queue that has any."""
        found: dict[str, list[tuple[bytes, Any]]] = {}
        connection = await aio_pika.connect(self.servers.rabbitmq_url)
        async with connection, connection.channel() as channel:
            for name in DURABLE:
                queue = await channel.get_queue(name, ensure=False)
                while message := await queue.get(fail=False):
                    found.setdefault(name, []).append((message.body, message.headers.get("x-attempt")))
        return found

    async def put(self, bucket: str, key: str, content: bytes) -> None:
        async with s3_client(*self._store, region="us-east-1") as client:
            await client.put_object(Bucket=bucket, Key=key, Body=content)

    async def delete(self, bucket: str, key: str) -> None:
        async with s3_client(*self._store, region="us-east-1") as client:
            await client.delete_object(Bucket=bucket, Key=key)

    async def stored(self) -> set[str]:
        """Every object, also marks."""
        async with s3_client(*self._store, region="us-east-1") as client:
            return {
                f"{bucket}/{entry['Key']}"
                for bucket in BUCKETS
                for entry in (await client.list_objects_v2(Bucket=bucket)).get("Contents", ())
            }

    async def program_users(self) -> list[str]:
        """The broker users of producers and subscribers."""
        async with open_broker(self.servers.rabbitmq_url, self.servers.rabbitmq_management_url) as broker:
            return sorted(user["name"] for user in await broker.get("users") if user["name"].startswith(PROGRAMS))

    async def subscribers(self) -> list[Subscriber]:
        async with open_broker(self.servers.rabbitmq_url, self.servers.rabbitmq_management_url) as broker:
            return await find_subscribers(broker)

    async def schemas(self) -> list[str]:
        connection = await self.connect()
        try:
            rows = await connection.fetch(
                "SELECT nspname FROM pg_namespace WHERE nspname IN ('auth', 'diagram', 'autograph') ORDER BY 1"
            )
        finally:
            await connection.close()
        return [row["nspname"] for row in rows]

    async def everything(self) -> tuple[list[str], set[str], list[str], dict[str, Any]]:
        return await self.schemas(), await self.stored(), await self.program_users(), await self.waiting()

    async def waiting_if(self, expected: object) -> dict[str, list[tuple[bytes, Any]]]:
        """Nothing, if it is not as expected: messages that were held come back a moment later."""
        found = await self.waiting()
        return found if found == expected else {}

    async def is_connected(self, user: str) -> bool:
        async with open_broker(self.servers.rabbitmq_url, self.servers.rabbitmq_management_url) as broker:
            return any(connection.get("user") == user for connection in await broker.get("connections"))

    async def empty(self) -> None:
        """As servers are that nobody has used; topology and roles may stay."""
        await self.execute(*(f"DROP SCHEMA IF EXISTS {name} CASCADE" for name in ("diagram", "auth", "autograph")))
        async with open_broker(self.servers.rabbitmq_url, self.servers.rabbitmq_management_url) as broker:
            for user in await self.program_users():
                await broker.delete("users", user)
            await purge(broker)
        async with s3_client(*self._store, region="us-east-1") as client:
            await objects.clear(client)

    async def back_up(self, folder: Path) -> Manifest:
        with bars(Console(quiet=True)) as progress:
            return await make(Source(self.installation, self.programs), folder, progress, with_secrets=True)

    async def restore(self, folder: Path, manifest: Manifest) -> None:
        with bars(Console(quiet=True)) as progress:
            target = Target(self.installation, self.programs)
            await restore(target, folder, manifest, progress, keep_secrets=lambda: None)

    @property
    def _store(self) -> tuple[str, str, str]:
        account = self.servers.s3
        return account.url, account.access_key, account.secret_key
