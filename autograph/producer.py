"""``autograph producer``: programs that publish commands themselves, each with its own broker user."""

import asyncio
import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Final

import asyncpg
import typer
from rich.console import Console

from autograph.broker import open_broker
from autograph.credentials import as_user
from autograph.ingress import find_producers, make_producer, remove_producer
from autograph.installation import Installation, installation
from autograph.listing import AsJson, show
from chassis.bus.headers import producer_exchange, producer_user, reply_queue
from contracts.catalogue import REQUESTS
from contracts.envelope import Actor, ActorKind, producer_id

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
MAX_PROCESSES: Final = 32

app: Final = typer.Typer(no_args_is_help=True, help="Programs that publish commands with credentials of their own.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    allow: Annotated[list[str], typer.Option(help="A command or query, as diagram.create_diagram. May be repeated.")],
    *,
    processes: Annotated[
        int,
        typer.Option(min=1, max=MAX_PROCESSES, help="How many processes take replies, each from a queue of its own."),
    ] = 1,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Give one that exists a new password and these rights.")
    ] = False,
) -> None:
    """Make a producer, and print its AMQP address, which is shown only now."""
    if not NAME.fullmatch(name):
        raise typer.BadParameter("a name has 1 to 40 lower-case letters, digits and hyphens")
    known = {request.routing_key() for request in REQUESTS if not request.operator_only}
    unknown = sorted(set(allow) - known)
    if unknown:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    address, actor = asyncio.run(_add(installation(), name, allow, rotate=rotate, processes=processes))
    console, user = Console(soft_wrap=True, highlight=False), producer_user(name)
    console.print(f"address   {address}")
    console.print(f"actor     {actor}")
    console.print(f"exchange  {producer_exchange(user)}")
    console.print(f"replies   {' '.join(reply_queue(user, number) for number in range(1, processes + 1))}")


@app.command("list")
def list_producers(*, as_json: AsJson = False) -> None:
    """List the producers, what each may send, and how the broker differs from that."""
    show(asyncio.run(_list(installation())), as_json=as_json, nothing="There are no producers.", cells=_cells)


@app.command()
def remove(name: str) -> None:
    """Take a producer's credentials away, end its connections, and remove its exchange and queues.

    What it made stays, and so does its account, locked.
    """
    if not asyncio.run(_remove(installation(), name)):
        raise SystemExit(f"There is no producer {name}")
    Console().print(f"removed: {name}")


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": row["name"],
        "allowed": ", ".join(row["allowed"]),
        "actor": row["actor"],
        "since": row["since"],
        "differs": "; ".join(row["differs"]),
    }


async def _add(
    found: Installation, name: str, allowed: list[str], *, rotate: bool, processes: int = 1
) -> tuple[str, str]:
    user = producer_user(name)
    actor = Actor(kind=ActorKind.PRODUCER, id=producer_id(user), name=user)
    servers = found.servers
    password = secrets.token_urlsafe(24)
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        exists = any(one["name"] == user for one in await broker.get("users"))
        if exists and not rotate:
            raise SystemExit(f"There is a producer {name} already: --rotate gives it a new password")
        connection = await asyncpg.connect(servers.postgres_url)
        try:
            # Before the broker user exists: its first command needs the account.
            await connection.execute(_ACCOUNT, actor.id, f"{user}@producers.invalid", name)
        finally:
            await connection.close()
        if exists:  # including rights that it no longer has
            await remove_producer(broker, name)
        await broker.make_user(user, password)
        await make_producer(broker, name, allowed, processes=processes)
    return as_user(servers.rabbitmq_url, user, password), str(actor)


async def _list(found: Installation) -> list[dict[str, Any]]:
    servers = found.servers
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        producers = {producer.name: producer for producer in await find_producers(broker)}
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        accounts = {
            account["name"]: account["created_at"].isoformat(timespec="seconds")
            for account in await connection.fetch(
                "SELECT name, created_at FROM auth.users WHERE kind = 'service' AND locked_at IS NULL"
            )
        }
    finally:
        await connection.close()
    rows = []
    for name in sorted(producers.keys() | accounts.keys()):
        producer, user = producers.get(name), producer_user(name)
        differs = list(producer.differences) if producer else [f"there is no user {user} on the broker"]
        if name not in accounts:
            differs.append("it has no account, or a locked one")
        rows.append(
            {
                "name": name,
                "allowed": list(producer.allowed) if producer else [],
                "actor": str(Actor(kind=ActorKind.PRODUCER, id=producer_id(user), name=user)),
                "since": accounts.get(name, ""),
                "processes": producer.processes if producer else 0,
                "differs": differs,
            }
        )
    return rows


async def _remove(found: Installation, name: str) -> bool:
    servers, user = found.servers, producer_user(name)
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        exists = await remove_producer(broker, name)
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        await connection.execute(
            "UPDATE auth.users SET locked_at = coalesce(locked_at, now()) WHERE id = $1 AND kind = 'service'",
            producer_id(user),
        )
    finally:
        await connection.close()
    return exists


_ACCOUNT: Final = """
    INSERT INTO auth.users (id, email, email_key, name, kind, roles) VALUES ($1, $2, $2, $3, 'service', '{service}')
    ON CONFLICT (id) DO UPDATE SET locked_at = NULL, updated_at = now()
"""
