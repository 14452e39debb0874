"""``autograph keys``: the key pairs that sign tokens and open sealed secrets."""

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
from autograph.operator_requests import send_request
from chassis.database import DirectConnection
from chassis.key_pairs import CLOCK_SKEW, KeyCipher, KeysUnreadable, PublicKey, Purpose, list_all
from chassis.key_pairs import rotate as make_next
from chassis.settings import Key, PostgresUrl, Settings, load
from compose.local.home import OperatorError
from contracts.auth.operator import KeyWithdrawn, WithdrawKey

SCHEMA: Final = "auth"
# A key that is not withdrawn is retired this long after its successor became active, or later
# (AUTOGRAPH_ACCESS_TOKEN_SECONDS is at least 60).
MIN_OUTLIVE: Final = CLOCK_SKEW + timedelta(seconds=60)

app: Final = typer.Typer(
    no_args_is_help=True, help="List, rotate and withdraw the keys that sign tokens and open sealed secrets."
)


class KeysSettings(Settings):
    """Used if both are set; otherwise the installation's."""

    postgres_url: PostgresUrl | None = None
    auth_secret: Key | None = None


class Row(NamedTuple):
    purpose: str
    id: str
    state: str  # next, current, former (still valid for what it signed), retired or withdrawn
    in_use_from: str
    retired_at: str | None


@app.command("list")
def list_keys(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")] = False
) -> None:
    """List all keys, also retired ones; private parts are never shown."""
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
    """Make the next key now instead of when it is due. Former keys stay valid for what was made with them."""
    try:
        key = asyncio.run(_rotate(purpose))
    except KeysUnreadable:
        raise OperatorError(
            "AUTOGRAPH_AUTH_SECRET is not the one that the auth service encrypts its keys with: nothing was changed"
        ) from None
    Console().print(f"{key.purpose} key {key.id} is in use from {_format_time(key.active_from)}", soft_wrap=True)


@app.command()
def withdraw(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Of a signing key, as `keys list` shows it.")],
) -> None:
    """Withdraw a signing key: before this returns, every gateway rejects its tokens, and clients refresh theirs."""
    answer = send_request(installation(), WithdrawKey(key_id=key_id), KeyWithdrawn)
    Console(soft_wrap=True, highlight=False).print(
        f"withdrawn: {answer.key_id}; tokens are signed with {answer.signs_now}"
    )


def described(keys: Iterable[PublicKey], now: datetime) -> list[Row]:
    """Newest first within each purpose.

    The database does not say which keys were withdrawn: a key that may have expired is shown as ``retired``.
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
                _format_time(key.active_from),
                _format_time(key.retired_at) if key.retired_at else None,
            )
        )
    return rows


def _may_have_ended(retired_at: datetime, newer: Iterable[PublicKey]) -> bool:
    return any(
        other.active_from + MIN_OUTLIVE < retired_at and (other.retired_at is None or other.retired_at >= retired_at)
        for other in newer
    )


def _format_time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


async def _all() -> list[PublicKey]:
    async with _connected() as (connection, _):
        return await list_all(connection)


async def _rotate(purpose: Purpose) -> PublicKey:
    async with _connected() as (connection, secret):
        if purpose is Purpose.VAULT and not any(key.purpose is purpose for key in await list_all(connection)):
            raise OperatorError("Nothing is kept in the vault yet: its first key is made with the first secret")
        return await make_next(connection, KeyCipher(secret), purpose, datetime.now(UTC))


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[DirectConnection, str]]:
    """A connection to the service's schema, an administrator's or its own, and the service's secret."""
    settings = load(KeysSettings)
    if settings.postgres_url is not None and settings.auth_secret is not None:
        url, secret = settings.postgres_url.get_secret_value(), settings.auth_secret.get_secret_value()
    else:
        found = installation()
        url, secret = found.servers.postgres_url, found.own_secrets.get("auth", "")
        if not secret:
            raise OperatorError("AUTOGRAPH_AUTH_SECRET is not set: without it no key can be read or made")
    connection = await asyncpg.connect(url, server_settings={"search_path": SCHEMA})
    try:
        yield connection, secret
    except asyncpg.UndefinedTableError:
        raise OperatorError("There is no schema yet: `autograph migrate` makes it") from None
    finally:
        await connection.close()
