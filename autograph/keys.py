"""``autograph keys``: the keys that tokens are signed with and that secrets are sealed to."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from autograph.installation import installation
from autograph.listing import print_table
from autograph.operating import tell
from chassis.database import OwnConnection
from chassis.key_pairs import CLOCK_SKEW, KeysUnreadable, PublicPart, Purpose, Safe, list_all
from chassis.key_pairs import rotate as make_next
from chassis.settings import Key, PostgresUrl, Settings, load
from compose.local.home import CannotProvide
from contracts.auth_operator import KeyWithdrawn, WithdrawKey

SCHEMA: Final = "auth"
# A key that was not withdrawn is retired no sooner after its successor came into use (AUTOGRAPH_ACCESS_TOKEN_SECONDS is
# at least 60).
SHORTEST_OUTLIVE: Final = CLOCK_SKEW + timedelta(seconds=60)

app: Final = typer.Typer(
    no_args_is_help=True, help="List, rotate and withdraw the keys that sign tokens and open sealed secrets."
)


class KeysSettings(Settings):
    """Both name the database and the secret; else they are the installation's."""

    postgres_url: PostgresUrl | None = None
    auth_secret: Key | None = None


class Row(NamedTuple):
    purpose: str
    id: str
    state: str  # next, current, former (still good for what it made), retired or withdrawn
    in_use_from: str
    retired_at: str | None


@app.command("list")
def list_keys(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")] = False
) -> None:
    """List all keys there ever were; private parts are never shown."""
    rows = described(asyncio.run(_all()), datetime.now(UTC))
    if as_json:
        print(json.dumps([row._asdict() for row in rows], indent=1))  # noqa: T201 - this is the output
        return
    if not rows:
        Console().print("There are no keys yet: the auth service makes them when it first starts.")
        return
    table = Table("purpose", "id", "state", "in use from", "retired", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(value or "" for value in row))
    print_table(table)


@app.command()
def rotate(purpose: Annotated[Purpose, typer.Argument(help="Which kind of key to make the next of.")]) -> None:
    """Make the next key now instead of when it is due. Former ones stay good for what was made with them."""
    try:
        key = asyncio.run(_rotate(purpose))
    except KeysUnreadable:
        raise CannotProvide(
            "AUTOGRAPH_AUTH_SECRET is not the one that the auth service encrypts its keys with: nothing was changed"
        ) from None
    Console().print(f"{key.purpose} key {key.id} is in use from {_told(key.active_from)}", soft_wrap=True)


@app.command()
def withdraw(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Of a signing key, as `keys list` shows it.")],
) -> None:
    """Make worthless what a signing key has signed, at every gateway before this returns: clients refresh."""
    answer = tell(installation(), WithdrawKey(key_id=key_id), KeyWithdrawn)
    Console(soft_wrap=True, highlight=False).print(
        f"withdrawn: {answer.key_id}; tokens are signed with {answer.signs_now}"
    )


def described(keys: Iterable[PublicPart], now: datetime) -> list[Row]:
    """Newest first within each purpose.

    The record does not say which were withdrawn. Where one may also have come to its end, it is ``retired``.
    """
    rows: list[Row] = []
    newest_first = sorted(keys, key=lambda key: (key.purpose, key.active_from, key.id), reverse=True)
    for place, key in enumerate(newest_first):
        is_newest = not any(row.purpose == key.purpose and row.state == "current" for row in rows)
        if key.retired_at is not None:
            newer = [other for other in newest_first[:place] if other.purpose == key.purpose]
            state = "retired" if _may_have_ended(key.retired_at, newer) else "withdrawn"
        elif key.active_from > now:
            state = "next"
        else:
            state = "current" if is_newest else "former"
        rows.append(
            Row(
                key.purpose.value,
                key.id,
                state,
                _told(key.active_from),
                _told(key.retired_at) if key.retired_at else None,
            )
        )
    return rows


def _may_have_ended(retired_at: datetime, newer: Iterable[PublicPart]) -> bool:
    return any(
        other.active_from + SHORTEST_OUTLIVE < retired_at
        and (other.retired_at is None or other.retired_at >= retired_at)
        for other in newer
    )


def _told(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


async def _all() -> list[PublicPart]:
    async with _connected() as (connection, _):
        return await list_all(connection)


async def _rotate(purpose: Purpose) -> PublicPart:
    async with _connected() as (connection, secret):
        return await make_next(connection, Safe(secret), purpose, datetime.now(UTC))


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[OwnConnection, str]]:
    """A connection to the service's schema, an administrator's or its own, and the service's secret."""
    settings = load(KeysSettings)
    if settings.postgres_url is not None and settings.auth_secret is not None:
        url, secret = settings.postgres_url.get_secret_value(), settings.auth_secret.get_secret_value()
    else:
        found = installation()
        url, secret = found.servers.postgres_url, found.own_secrets.get("auth", "")
        if not secret:
            raise CannotProvide("AUTOGRAPH_AUTH_SECRET is not set: without it no key can be read or made")
    connection = await asyncpg.connect(url, server_settings={"search_path": SCHEMA})
    try:
        yield connection, secret
    except asyncpg.UndefinedTableError:
        raise CannotProvide("There is no schema yet: `autograph migrate` makes it") from None
    finally:
        await connection.close()
