"""``autograph subscriber``: outside programs that consume events, each with its own queue and broker user."""

import asyncio
import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from autograph.broker import open_broker
from autograph.credentials import as_user
from autograph.installation import Installation, installation
from autograph.listing import AsJson, show
from autograph.producer import NAME
from autograph.subscribers import find_subscribers, make_subscriber, remove_subscriber
from chassis.bus.headers import subscriber_queue, subscriber_user
from contracts.catalogue import EVENTS

_PATTERN: Final = re.compile(r"[a-z_]+|\*|#")  # each word of it

app: Final = typer.Typer(no_args_is_help=True, help="Outside programs that consume events with their own credentials.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    events: Annotated[
        list[str],
        typer.Option(help="An event, as diagram.diagram_created, or a pattern, as diagram.*. May be repeated."),
    ],
    *,
    rotate: Annotated[
        bool,
        typer.Option("--rotate", help="Give an existing subscriber a new password and these events. Its queue stays."),
    ] = False,
) -> None:
    """Create a subscriber, and print its AMQP address, which is shown only once."""
    if not NAME.fullmatch(name):
        raise typer.BadParameter("a name has 1 to 40 lower-case letters, digits and hyphens")
    known = {event.routing_key() for event in EVENTS}
    unknown = sorted(pattern for pattern in set(events) if not any(matches(pattern, key) for key in known))
    if unknown:
        raise typer.BadParameter(f"no event is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    address = asyncio.run(_add(installation(), name, events, rotate=rotate))
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"address  {address}")
    console.print(f"queue    {subscriber_queue(subscriber_user(name))}")
    console.print(f"events   {' '.join(sorted(set(events)))}", markup=False)


@app.command("list")
def list_subscribers(*, as_json: AsJson = False) -> None:
    """List the subscribers, their events, how many messages wait, and differences on the broker."""
    show(asyncio.run(_list(installation())), as_json=as_json, nothing="There are no subscribers.", cells=_cells)


@app.command()
def remove(name: str) -> None:
    """Remove a subscriber's credentials, close its connections, and delete its queue with all messages."""
    if not asyncio.run(_remove(installation(), name)):
        raise SystemExit(f"There is no subscriber {name}")
    Console().print(f"removed: {name}")


def matches(pattern: str, routing_key: str) -> bool:
    """As a topic exchange matches: ``*`` is one word, ``#`` zero or more."""
    return _match(pattern.split("."), routing_key.split("."))


def _match(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    first, rest = pattern[0], pattern[1:]
    if first == "#":
        return any(_match(rest, words[skipped:]) for skipped in range(len(words) + 1))
    return (
        bool(words) and _PATTERN.fullmatch(first) is not None and first in ("*", words[0]) and _match(rest, words[1:])
    )


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": row["name"],
        "events": ", ".join(row["events"]),
        "waiting": str(row["waiting"]),
        "differs": "; ".join(row["differs"]),
    }


async def _add(found: Installation, name: str, events: list[str], *, rotate: bool) -> str:
    servers, user, password = found.servers, subscriber_user(name), secrets.token_urlsafe(24)
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        if not rotate and any(one["name"] == user for one in await broker.get("users")):
            raise SystemExit(f"There is a subscriber {name} already: --rotate gives it a new password")
        await broker.make_user(user, password)
        await make_subscriber(broker, name, events)
    return as_user(servers.rabbitmq_url, user, password)


async def _list(found: Installation) -> list[dict[str, Any]]:
    servers = found.servers
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        return [
            {
                "name": subscriber.name,
                "events": list(subscriber.events),
                "queue": subscriber.queue,
                "waiting": subscriber.waiting,
                "differs": list(subscriber.differences),
            }
            for subscriber in await find_subscribers(broker)
        ]


async def _remove(found: Installation, name: str) -> bool:
    servers = found.servers
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        return await remove_subscriber(broker, name)
