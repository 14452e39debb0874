"""``autograph producer``: programs that publish to the queues by themselves, each with its own broker user."""

import asyncio
import json
import re
import secrets
from typing import Annotated, Any, Final

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from autograph.broker import open_broker
from autograph.credentials import as_user
from autograph.installation import Installation, installation
from chassis.bus.headers import producer_user
from chassis.bus.permissions import producer_rights
from chassis.bus.topology import COMMANDS
from contracts.catalogue import REQUESTS
from contracts.envelope import Actor, ActorKind, producer_id

NAME: Final = re.compile(r"^[a-z0-9][a-z0-9-]{0,39}$")
# Says who is allowed what in the broker's own words, so that nothing else has to keep it.
_ALLOWED: Final = re.compile(r"^\^\((.*)\)\$$")

app: Final = typer.Typer(no_args_is_help=True, help="Programs that publish commands with credentials of their own.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    allow: Annotated[list[str], typer.Option(help="A command or query, as diagram.create_diagram. May be repeated.")],
    *,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Give one that exists a new password and these rights.")
    ] = False,
) -> None:
    """Make a producer, and print its AMQP address, which is shown only now."""
    if not NAME.match(name):
        raise typer.BadParameter("a name has 1 to 40 lower-case letters, digits and hyphens")
    known = {request.routing_key() for request in REQUESTS if not request.operator_only}
    unknown = sorted(set(allow) - known)
    if unknown:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    address, actor = asyncio.run(_add(installation(), name, allow, rotate=rotate))
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"address  {address}")
    console.print(f"actor    {actor}")
    console.print(f"replies  reply.{producer_user(name)}.<anything>")


@app.command("list")
def list_producers(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")] = False
) -> None:
    """List the producers and what each may send."""
    rows = asyncio.run(_list(installation()))
    if as_json:
        print(json.dumps(rows, indent=1))  # noqa: T201 - this is the output
        return
    table = Table("name", "allowed", "actor", "since", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["name"], ", ".join(row["allowed"]), row["actor"], row["since"])
    Console().print(table if rows else "There are no producers.")


@app.command()
def remove(name: str) -> None:
    """Take a producer's credentials away. What it made stays, and so does its account, locked."""
    if not asyncio.run(_remove(installation(), name)):
        raise SystemExit(f"There is no producer {name}")
    Console().print(f"removed: {name}")


async def _add(found: Installation, name: str, allowed: list[str], *, rotate: bool) -> tuple[str, str]:
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
            # Before the broker lets it in: what it sends must find its account.
            await connection.execute(_ACCOUNT, actor.id, f"{user}@producers.invalid", name)
        finally:
            await connection.close()
        await broker.make_user(user, password)
        await broker.grant(producer_rights(name, allowed))
    return as_user(servers.rabbitmq_url, user, password), str(actor)


async def _list(found: Installation) -> list[dict[str, Any]]:
    servers = found.servers
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        rights = {
            one["user"]: one["write"]
            for one in await broker.get("vhosts", broker.vhost, "topic-permissions")
            if one["exchange"] == COMMANDS
        }
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        accounts = await connection.fetch(
            "SELECT id, name, created_at FROM auth.users WHERE kind = 'service' AND locked_at IS NULL ORDER BY name"
        )
    finally:
        await connection.close()
    return [
        {
            "name": account["name"],
            "allowed": _keys(rights.get(producer_user(account["name"]), "")),
            "actor": str(Actor(kind=ActorKind.PRODUCER, id=account["id"], name=producer_user(account["name"]))),
            "since": account["created_at"].isoformat(timespec="seconds"),
        }
        for account in accounts
    ]


async def _remove(found: Installation, name: str) -> bool:
    servers, user = found.servers, producer_user(name)
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        exists = any(one["name"] == user for one in await broker.get("users"))
        await broker.delete("users", user)
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        await connection.execute(
            "UPDATE auth.users SET locked_at = coalesce(locked_at, now()) WHERE id = $1 AND kind = 'service'",
            producer_id(user),
        )
    finally:
        await connection.close()
    return exists


def _keys(pattern: str) -> list[str]:
    match = _ALLOWED.match(pattern)
    return sorted(key.replace("\\", "") for key in match[1].split("|")) if match else []


_ACCOUNT: Final = """
    INSERT INTO auth.users (id, email, email_key, name, kind, roles) VALUES ($1, $2, $2, $3, 'service', '{service}')
    ON CONFLICT (id) DO UPDATE SET locked_at = NULL, updated_at = now()
"""
