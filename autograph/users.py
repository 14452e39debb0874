"""``autograph users``: lists accounts, locks or resets a stolen one, and makes administrators."""

import asyncio
import secrets
import sys
from typing import Annotated, Any, Final
from uuid import UUID

import asyncpg
import typer
from pydantic import SecretStr
from rich.console import Console

from autograph.installation import Installation, installation
from autograph.listing import AsJson, show
from autograph.operator_requests import send_request
from compose.local.home import OperatorError
from contracts.auth.accounts import email_key
from contracts.auth.operator import AccountState, EndUserSessions, LockUser, ResetPassword, SetAdministrator, UnlockUser

app: Final = typer.Typer(
    no_args_is_help=True,
    help="List accounts; lock one, end its sessions, reset its password, make it an administrator's.",
)
User = Annotated[str, typer.Argument(help="An address or an id.")]

PASSWORD_BYTES: Final = 15  # 20 characters in base64url, 120 bits


@app.command("list")
def list_users(
    *,
    find: Annotated[str | None, typer.Option(help="Only those whose address or name contains this.")] = None,
    locked: Annotated[bool, typer.Option("--locked", help="Only those that are locked.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The newest of them.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List people's accounts, the newest first."""
    rows = asyncio.run(_rows(installation(), find, locked=locked, limit=limit))
    show(rows, as_json=as_json, nothing="There is no such account.")


@app.command()
def lock(user: User) -> None:
    """Lock the account: before this returns, its sessions have ended at every gateway, and nobody can sign in to it."""
    found, user_id = _account(user)
    state = send_request(found, LockUser(user_id=user_id), AccountState)
    _say(f"locked: {user}; sessions ended: {state.sessions_ended}")


@app.command()
def unlock(user: User) -> None:
    """Unlock the account, so that its user can sign in again."""
    found, user_id = _account(user)
    send_request(found, UnlockUser(user_id=user_id), AccountState)
    _say(f"unlocked: {user}")


@app.command("make-admin")
def make_administrator(user: User) -> None:
    """Make the account an administrator's, who sees the status of the installation. It counts at once."""
    _set_administrator(user, administrator=True)
    _say(f"administrator: {user}")


@app.command("remove-admin")
def remove_administrator(user: User) -> None:
    """Take the role of an administrator from the account. It counts at once."""
    _set_administrator(user, administrator=False)
    _say(f"no longer an administrator: {user}")


def _set_administrator(user: str, *, administrator: bool) -> None:
    found, user_id = _account(user)
    send_request(found, SetAdministrator(user_id=user_id, administrator=administrator), AccountState)


@app.command("end-sessions")
def end_sessions(user: User) -> None:
    """End all sessions of the account, at every gateway before this returns. Its password stays valid."""
    found, user_id = _account(user)
    state = send_request(found, EndUserSessions(user_id=user_id), AccountState)
    _say(f"sessions ended: {state.sessions_ended}")


@app.command("reset-password")
def reset_password(
    user: User,
    *,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the new password from standard input.")] = False,
) -> None:
    """Give the account a new password, shown only now, and end its sessions. A locked account stays locked."""
    found, user_id = _account(user)
    password = sys.stdin.readline().rstrip("\r\n") if stdin else secrets.token_urlsafe(PASSWORD_BYTES)
    if not stdin:  # printed before it is sent: a command without a timely reply may still be carried out
        _say(f"password  {password}")
    state = send_request(found, ResetPassword(user_id=user_id, password=SecretStr(password)), AccountState)
    _say(f"sessions ended: {state.sessions_ended}{'; the account is locked' if state.locked else ''}")


def _say(text: str) -> None:
    Console(soft_wrap=True, highlight=False, markup=False).print(text)


def _account(user: str) -> tuple[Installation, UUID]:
    found = installation()
    user_id = asyncio.run(_find(found, user))
    if user_id is None:
        raise OperatorError(f"There is no account {user}: `autograph users list` shows them")
    return found, user_id


async def _find(found: Installation, user: str) -> UUID | None:
    connection = await asyncpg.connect(found.servers.postgres_url, timeout=5, command_timeout=30)
    try:
        record = await connection.fetchrow(_BY_NAME, email_key(user), user)
    finally:
        await connection.close()
    return None if record is None else UUID(bytes=record["id"].bytes)


async def _rows(found: Installation, find: str | None, *, locked: bool, limit: int) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(found.servers.postgres_url, timeout=5, command_timeout=30)
    try:
        key = None if find is None else email_key(find)
        return [dict(record) for record in await connection.fetch(_LIST, find, key, locked, limit)]
    finally:
        await connection.close()


_BY_NAME: Final = """
    SELECT id FROM auth.users WHERE kind = 'person' AND (email_key = $1 OR id::text = lower($2))
"""

_LIST: Final = """
    SELECT users.id, users.email, users.name, users.created_at AS since, users.last_login_at AS last_sign_in,
           users.locked_at AS locked, 'admin' = ANY (users.roles) AS admin,
           (SELECT count(*) FROM auth.sessions
            WHERE user_id = users.id AND revoked_at IS NULL AND expires_at > now()) AS sessions
    FROM auth.users
    WHERE kind = 'person'
      AND ($1::text IS NULL OR strpos(email_key, $2) > 0 OR strpos(lower(name), lower($1)) > 0)
      AND (NOT $3 OR locked_at IS NOT NULL)
    ORDER BY users.created_at DESC, users.id DESC
    LIMIT $4
"""
