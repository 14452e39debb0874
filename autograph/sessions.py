"""``autograph sessions``: who is signed in."""

import asyncio
from typing import Annotated, Any

import asyncpg
import typer

from autograph.installation import Installation, installation
from autograph.listing import AsJson, show
from contracts.auth.accounts import email_key


def sessions(
    *,
    user: Annotated[str | None, typer.Option(help="Only this user's: an address or an id.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The last seen of them.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List live sessions, the last seen first. To end a user's: `autograph users end-sessions`."""
    rows = asyncio.run(live_sessions(installation(), user=user, limit=limit))
    show(rows, as_json=as_json, nothing="No user is signed in." if user is None else f"{user} is not signed in.")


async def live_sessions(found: Installation, *, user: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Live sessions in the database; Redis caches only some of them."""
    connection = await asyncpg.connect(found.servers.postgres_url, timeout=5, command_timeout=30)
    try:
        key = None if user is None else email_key(user)
        return [dict(record) for record in await connection.fetch(_LIVE, user, limit, key)]
    finally:
        await connection.close()


_LIVE = """
    SELECT sessions.id, users.email AS user, sessions.created_at AS since, sessions.last_seen_at AS last_seen,
           sessions.expires_at AS until, sessions.device, sessions.address
    FROM auth.sessions JOIN auth.users ON users.id = sessions.user_id
    WHERE revoked_at IS NULL AND expires_at > now()
      AND ($1::text IS NULL OR users.email_key = $3 OR users.id::text = lower($1))
    ORDER BY sessions.last_seen_at DESC, sessions.id
    LIMIT $2
"""
