"""What is so at the end: read from Postgres and from the broker's queues, when all is quiet."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import aio_pika

from tests.eventually import eventually
from tests.faults.clients import digest_of
from tests.faults.history import BEGUN, OVER
from tests.faults.stack import FaultStack

QUIET_SECONDS = 60.0
PARKING = ("auth", "diagram")  # workers with a lot of their own


@dataclass(frozen=True, slots=True)
class Heard:
    """An event on the wire; the same one may come again."""

    id: UUID
    type: str
    cause: UUID | None
    subject: str
    sequence: int
    owner: str  # the user whose diagram or session it is about


@dataclass(slots=True)
class Observation:
    inbox: dict[UUID, str] = field(default_factory=dict)  # command → status
    diagrams: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # → revision, version, sequence
    owners: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)  # of each diagram's content
    versions: dict[str, dict[int, str | None]] = field(default_factory=dict)  # digests, where the content is in its row
    sessions: dict[str, int] = field(default_factory=dict)  # → whether they have begun, or are over
    users: dict[str, int] = field(default_factory=dict)  # → sequence
    heard: list[Heard] = field(default_factory=list)
    audited: set[UUID] = field(default_factory=set)
    audit_broken_at: int | None = None
    outbox: int = 0
    parked: int = 0
    set_aside: set[UUID] = field(default_factory=set)  # messages in the parking lots
    waiting: int = 0  # commands and copies on the retry ladder


class Tap:
    """A durable queue on every event: a subscriber that reads when all is over, and so misses nothing meanwhile.

    A classic queue: a quorum queue that nobody reads keeps its whole log, and after twenty kills of RabbitMQ 3.10.8
    had no leader for a minute (measured 2026-11-24), which would be the tap's own fault and not the platform's.
    """

    def __init__(self, stack: FaultStack, queue: str) -> None:
        self._stack = stack
        self._queue = queue

    async def read(self) -> list[Heard]:
        connection = await aio_pika.connect(self._stack.installation.servers.rabbitmq_url, timeout=10)
        heard: list[Heard] = []
        async with connection, connection.channel() as channel:
            queue = await channel.get_queue(self._queue, ensure=False)
            while (message := await queue.get(no_ack=True, fail=False)) is not None:
                document = json.loads(message.body)
                cause = document.get("causationid")
                heard.append(
                    Heard(
                        id=UUID(document["id"]),
                        type=document["type"],
                        cause=UUID(cause) if cause else None,
                        subject=document["subject"],
                        sequence=int(document["sequence"]),
                        owner=document["data"].get("owner_id") or document["data"].get("user_id", ""),
                    )
                )
        return heard


@asynccontextmanager
async def tapped(stack: FaultStack) -> AsyncIterator[Tap]:
    name = f"faults.{uuid4().hex}"
    url = stack.installation.servers.rabbitmq_url
    async with await aio_pika.connect(url, timeout=10) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "classic"})
        await queue.bind("autograph.events", "#")
    try:
        yield Tap(stack, name)
    finally:
        async with await aio_pika.connect(url, timeout=10) as connection, connection.channel() as channel:
            await channel.queue_delete(name)


async def quiet(stack: FaultStack, *, within_seconds: float = QUIET_SECONDS) -> None:
    """Returns once nothing is on its way any more: no command waits or is in hand, no event is left in an outbox."""

    async def nothing_left() -> bool:
        counts = await _queues(stack)
        left = {name: count for name, count in counts.items() if count and _is_on_its_way(name)}
        connection = await stack.postgres()
        try:
            for schema in ("auth", "diagram"):
                left[f"{schema}.outbox"] = await connection.fetchval(f"SELECT count(*) FROM {schema}.outbox")
        finally:
            await connection.close()
        assert not any(left.values()), f"still on its way: {left}"
        return True

    await eventually(nothing_left, within_seconds=within_seconds)


def _is_on_its_way(queue: str) -> bool:
    return not queue.startswith("faults.") and not queue.endswith(".parked")


async def _queues(stack: FaultStack) -> dict[str, int]:
    """Messages in each, ready or unacknowledged. Asked of AMQP's own counts: the management API's are seconds old."""
    told = await stack.rabbitmqctl("--vhost", "autograph", "--silent", "list_queues", "name", "messages")
    rows = (line.split("\t") for line in told.splitlines() if "\t" in line)
    return {name: int(count) for name, count in rows if count.isdecimal()}


async def parked(stack: FaultStack) -> int:
    """Asked of the queues themselves: what `list_queues` says of a quorum queue is seconds old."""
    url, count = stack.installation.servers.rabbitmq_url, 0
    async with await aio_pika.connect(url, timeout=10) as connection, connection.channel() as channel:
        for worker in PARKING:
            queue = await channel.declare_queue(f"{worker}.parked", passive=True)
            count += queue.declaration_result.message_count or 0
    return count


async def set_aside(stack: FaultStack) -> set[UUID]:
    """The messages in the parking lots, which stay there. What has no id is nobody's command."""
    url = stack.installation.servers.rabbitmq_url
    found = set()
    async with await aio_pika.connect(url, timeout=10) as connection, connection.channel() as channel:
        for worker in PARKING:
            queue = await channel.get_queue(f"{worker}.parked", ensure=False)
            while (message := await queue.get(fail=False)) is not None:  # put back when the channel closes
                with suppress(ValueError, TypeError, KeyError):
                    found.add(UUID(json.loads(message.body)["id"]))
    return found


async def observe(stack: FaultStack, tap: Tap, users: list[str]) -> Observation:
    seen = Observation()
    connection = await stack.postgres()
    try:
        for schema in ("auth", "diagram"):
            for row in await connection.fetch(f"SELECT id, status FROM {schema}.inbox"):
                seen.inbox[row["id"]] = row["status"]
            seen.outbox += await connection.fetchval(f"SELECT count(*) FROM {schema}.outbox")
        rows = await connection.fetch(
            "SELECT id, owner_id, revision, version, sequence, canvas_data::text AS canvas FROM diagram.files"
            " WHERE owner_id = ANY($1::uuid[])",
            users,
        )
        for row in rows:
            diagram = str(row["id"])
            seen.diagrams[diagram] = (row["revision"], row["version"], row["sequence"])
            seen.owners[diagram] = str(row["owner_id"])
            seen.digests[diagram] = digest_of(json.loads(row["canvas"]))
        for row in await connection.fetch(
            "SELECT file_id, number, canvas_data::text AS canvas FROM diagram.versions"
            " WHERE file_id = ANY($1::uuid[]) ORDER BY number",
            list(seen.diagrams),
        ):
            digest = None if row["canvas"] is None else digest_of(json.loads(row["canvas"]))
            seen.versions.setdefault(str(row["file_id"]), {})[row["number"]] = digest
        for row in await connection.fetch(
            "SELECT id, revoked_at FROM auth.sessions WHERE user_id = ANY($1::uuid[])", users
        ):
            seen.sessions[str(row["id"])] = BEGUN if row["revoked_at"] is None else OVER
        for row in await connection.fetch("SELECT id, sequence FROM auth.users WHERE id = ANY($1::uuid[])", users):
            seen.users[str(row["id"])] = row["sequence"]
        seen.audited = {row["id"] for row in await connection.fetch("SELECT id FROM auth.audit_log")}
        seen.audit_broken_at = await connection.fetchval("SELECT auth.audit_log_broken_at()")
    finally:
        await connection.close()
    counts = await _queues(stack)
    seen.parked = await parked(stack)
    seen.set_aside = await set_aside(stack)
    seen.waiting = sum(count for name, count in counts.items() if "commands" in name or name.startswith("retry."))
    seen.heard = [heard for heard in await tap.read() if heard.owner in users]
    return seen


def repeated(heard: list[Heard]) -> int:
    """How many came more than once, which the wire may do."""
    return sum(count - 1 for count in Counter(event.id for event in heard).values())
