"""``autograph parked``: lists, redrives and discards parked messages."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import aio_pika
import typer
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from pydantic_core import from_json
from rich.console import Console
from rich.table import Column, Table

from autograph.credentials import as_user, service_password
from autograph.installation import Installation, installation
from autograph.listing import print_table
from chassis.bus import headers
from contracts.catalogue import WORKERS
from contracts.outcome import OUTCOME_DAYS

MAX_TAKEN: Final = 10_000  # read from one queue at a time
WAIT_SECONDS: Final = 3.0
POLL_SECONDS: Final = 0.5
PARKING_QUEUES: Final = ("parked", "refused")
# Would be parked again: the message itself is wrong.
NEVER_REDRIVABLE: Final = ("undecodable", "untrusted", "invalid", "unsealable", "too_large")

app: Final = typer.Typer(
    no_args_is_help=True, help="Messages that could not be processed and wait for an operator's decision."
)
Ids = Annotated[list[str] | None, typer.Argument(help="As `parked list` shows them; the beginning is enough.")]
Everything = Annotated[bool, typer.Option("--all", help="All of them.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Worker = Annotated[str | None, typer.Option(help="Only this worker's.")]


@dataclass(frozen=True, slots=True)
class Parked:
    worker: str
    message: AbstractIncomingMessage

    @property
    def document(self) -> dict[str, Any] | None:
        try:
            document = from_json(self.message.body)
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    @property
    def id(self) -> str:
        document = self.document or {}
        return str(document.get("id") or hashlib.sha256(self.message.body).hexdigest()[:32])

    def header(self, name: str) -> str:
        value = self.message.headers.get(name, "")
        return value.decode() if isinstance(value, bytes) else str(value)

    def row(self) -> dict[str, Any]:
        document = self.document or {}
        return {
            "id": self.id,
            "worker": self.worker,
            "type": document.get("type"),
            "reason": self.reason,
            "detail": self.header(headers.PARKED_DETAIL),
            "parked_at": self.parked_at.isoformat() if self.parked_at else "",
            "attempts": int(self.header(headers.ATTEMPT) or 0),
            "queue": self.queue,
            "failure_told": self.header(headers.FAILURE_NOTIFIED) == "1",
        }

    @property
    def original_user(self) -> str:
        """The original sender. Workers copy it to a header; messages that the broker moved keep their user id."""
        sender = self.message.user_id or ""
        copies_others = sender in (headers.service_user(self.worker), headers.OPERATOR_USER)
        return (copies_others and self.header(headers.ORIGINAL_USER)) or sender

    @property
    def reason(self) -> str:
        return self.header(headers.PARKED_REASON) or str(self._death.get("reason", "unknown"))

    @property
    def queue(self) -> str:
        """The queue from which it was parked."""
        return self.header(headers.PARKED_FROM) or str(self._death.get("queue", ""))

    @property
    def parked_at(self) -> datetime | None:
        """When its worker, or the broker, parked it."""
        parked_at_header = self.header(headers.PARKED_AT)
        if parked_at_header:
            return datetime.fromisoformat(parked_at_header)
        time = self._death.get("time")
        return time.astimezone(UTC) if isinstance(time, datetime) else None

    @property
    def original_routing_key(self) -> str:
        dead_keys = self._death.get("routing-keys") or [self.message.routing_key or ""]
        return self.header(headers.ORIGINAL_ROUTING_KEY) or str(dead_keys[0])

    @property
    def _death(self) -> dict[str, Any]:
        """The broker's x-death entry, if the broker moved the message."""
        deaths: Any = self.message.headers.get("x-death") or [{}]
        return dict(deaths[0])

    def refusal(self, now: datetime) -> str | None:
        """Why it must not be redriven; None: it may be."""
        if self.reason in NEVER_REDRIVABLE:
            return f"it would be parked again ({self.reason})"
        # The header is not trusted: a worker must not reach another worker's queue through the operator.
        if not self.queue.startswith(f"{self.worker}."):
            return f"it was in no queue of {self.worker}'s"
        if self.parked_at is None or self.parked_at < now - timedelta(days=OUTCOME_DAYS):
            return f"it is older than the {OUTCOME_DAYS} days for which the inbox knows what was done"
        return None


@app.command("list")
def list_parked(*, worker: Worker = None, as_json: AsJson = False) -> None:
    """List what is parked."""
    rows = asyncio.run(_rows(installation(), worker))
    if as_json:
        print(json.dumps(rows, indent=1))  # noqa: T201 - this is the output
        return
    if not rows:
        Console().print("Nothing is parked.")
        return
    table = Table(
        "id", "type", "reason", Column("detail", max_width=60), "parked at", "attempts", box=None, pad_edge=False
    )
    for row in rows:
        table.add_row(
            row["id"],
            row["type"] or row["worker"],
            row["reason"],
            row["detail"],
            row["parked_at"],
            str(row["attempts"]),
        )
    print_table(table)


@app.command()
def show(identity: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one whole, as JSON. Secrets in it are sealed."""
    shown = asyncio.run(_shown(installation(), identity))
    if shown is None:
        raise SystemExit(f"Nothing parked has the id {identity}")
    print(json.dumps(shown, indent=1, default=str))  # noqa: T201 - this is the output


@app.command()
def redrive(
    ids: Ids = None,
    *,
    everything: Everything = False,
    worker: Worker = None,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to look for those that are parked again; a bug's two tries take 12.")
    ] = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Put messages back into their queues, each once, under the same ids: what was done is not done again."""
    _print_outcomes(
        asyncio.run(_redrive(installation(), _selected(ids, everything=everything), worker, wait_seconds=wait)),
        as_json=as_json,
    )


@app.command()
def discard(ids: Ids = None, *, everything: Everything = False, worker: Worker = None, as_json: AsJson = False) -> None:
    """Remove messages for good."""
    _print_outcomes(
        asyncio.run(_settle(installation(), _selected(ids, everything=everything), worker, put_back=False)),
        as_json=as_json,
    )


def _selected(ids: list[str] | None, *, everything: bool) -> list[str]:
    if bool(ids) == everything:
        raise typer.BadParameter("name ids, or --all")
    return ids or [""]


def _print_outcomes(outcomes: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(outcomes, indent=1))  # noqa: T201 - this is the output
    else:
        for outcome in outcomes:
            Console(soft_wrap=True).print(f"{outcome['id']}  {outcome['outcome']}", highlight=False)
    if not outcomes:
        raise SystemExit("Nothing parked has such an id")
    if any(outcome["refused"] or outcome.get("came_back") for outcome in outcomes):
        raise typer.Exit(1)


async def _rows(found: Installation, worker: str | None) -> list[dict[str, Any]]:
    async with _channel(found) as channel:
        return [parked.row() async for parked in _all(channel, worker)]


async def _shown(found: Installation, identity: str) -> dict[str, Any] | None:
    async with _channel(found) as channel:
        async for parked in _all(channel, None):
            if parked.id.startswith(identity):
                body = parked.document or {"undecodable": parked.message.body.decode("utf-8", "replace")}
                return {**parked.row(), "headers": dict(parked.message.headers), "message": body}
    return None


async def _redrive(
    found: Installation, ids: list[str], worker: str | None, *, wait_seconds: float
) -> list[dict[str, Any]]:
    """As ``_settle``; also reports messages that failed and were parked again within *wait_seconds*."""
    outcomes = await _settle(found, ids, worker, put_back=True)
    expected = {outcome["id"] for outcome in outcomes if not outcome["refused"]}
    came_back: dict[str, str] = {}
    deadline = time.monotonic() + wait_seconds
    while expected - came_back.keys() and time.monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        came_back = {row["id"]: row["reason"] for row in await _rows(found, worker) if row["id"] in expected}
    for outcome in outcomes:
        outcome["came_back"] = outcome["id"] in came_back
        if outcome["came_back"]:
            outcome["outcome"] += f"; it failed and is parked again ({came_back[outcome['id']]})"
    return outcomes


async def _settle(found: Installation, ids: list[str], worker: str | None, *, put_back: bool) -> list[dict[str, Any]]:
    outcomes = []
    async with _channel(found) as channel:
        async for parked in _all(channel, worker):
            if not parked.id.startswith(tuple(ids)):
                continue
            refusal = parked.refusal(datetime.now(UTC)) if put_back else None
            if refusal is None and put_back:
                await _put_back(channel, parked)
            if refusal is None:
                await parked.message.ack()
            done = "put back into " + parked.queue if put_back else "discarded"
            if put_back and parked.row()["failure_told"]:
                done += "; its sender was told that it had failed"
            outcomes.append(
                {"id": parked.id, "refused": refusal is not None, "outcome": f"refused: {refusal}" if refusal else done}
            )
    return outcomes


async def _put_back(channel: AbstractChannel, parked: Parked) -> None:
    """Confirmed before the parked message is acknowledged: after a crash in between, the inbox drops the duplicate."""
    message = parked.message
    await channel.default_exchange.publish(
        aio_pika.Message(
            message.body,
            content_type=message.content_type,
            type=message.type,
            correlation_id=message.correlation_id,
            user_id=headers.OPERATOR_USER,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers={
                headers.ORIGINAL_USER: parked.original_user,
                headers.ORIGINAL_ROUTING_KEY: parked.original_routing_key,
                headers.ATTEMPT: 1,
            },
        ),
        parked.queue,
        timeout=10,
    )


async def _all(channel: AbstractChannel, worker: str | None) -> AsyncIterator[Parked]:
    """Each message once: unacknowledged messages are not delivered again, and are requeued when the channel closes.

    Messages that are parked meanwhile are excluded: a redriven message may fail at once and be parked again.
    """
    queues = [
        (name, f"{name}.{queue_name}")
        for name in (WORKERS if worker is None else (worker,))
        for queue_name in PARKING_QUEUES
    ]
    for name, queue_name in queues:
        queue = await channel.get_queue(queue_name, ensure=False)
        there = (await channel.declare_queue(queue_name, passive=True)).declaration_result.message_count or 0
        for _ in range(min(there, MAX_TAKEN)):
            message = await queue.get(fail=False, timeout=10)
            if message is None:
                break
            yield Parked(name, message)


@asynccontextmanager
async def _channel(found: Installation) -> AsyncIterator[AbstractChannel]:
    password = service_password(found.secret, "rabbitmq", "operator")
    url = as_user(found.servers.rabbitmq_url, headers.OPERATOR_USER, password)
    connection = await aio_pika.connect(url, timeout=10)
    async with connection, connection.channel(on_return_raises=True) as channel:
        yield channel
