"""Detects a connection pooler (PgBouncer) between a service and PostgreSQL, and its pooling mode.

A pooler in transaction mode runs each transaction on any of its server connections, so prepared statements must not be
kept: each is prepared without a name and executed in the same transaction. A pooler takes no time limits as startup
parameters: they come from the role.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

TRIES: Final = (
    8  # in transaction mode the pooler reuses the connection that was released last, unless another client has it
)

if TYPE_CHECKING:  # generic in the stubs only
    DirectConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    DirectConnection = asyncpg.Connection

Connect: TypeAlias = Callable[[], Awaitable[DirectConnection]]


class Pooling(StrEnum):
    NONE = "none"  # the server itself
    SESSION = "session"
    TRANSACTION = "transaction"


class PoolerUnsuitable(Exception):
    """PostgreSQL is behind a pooler that cannot be used as configured; the text says what to do."""


def refuses_settings(error: Exception) -> bool:
    """Whether a pooler refused the time limits as startup parameters, as PgBouncer does by default."""
    return isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" in str(error)


async def is_pooled(connection: DirectConnection) -> bool:
    """A pooler invents the process id that it sends to its clients."""
    return bool(await _backend(connection) != connection.get_server_pid())


async def find_pooling(connect: Connect) -> Pooling:
    """Raises ``PoolerUnsuitable``. Without a pooler this takes one connection and one statement.

    *connect* must make connections without a cache of prepared statements.
    """
    first = await connect()
    try:
        if not await is_pooled(first):
            return Pooling.NONE
        async with first.transaction():
            is_limited = await first.fetchval("SELECT current_setting('statement_timeout') <> '0'")
        if not is_limited:
            raise PoolerUnsuitable(
                "PostgreSQL is reached through a pooler, which takes no time limits at sign-in, and the role has none:"
                " `autograph migrate` gives it some"
            )
        second = await connect()
        try:
            return Pooling.SESSION if await _keep_their_sessions(first, second) else Pooling.TRANSACTION
        finally:
            second.terminate()
    finally:
        first.terminate()


async def _keep_their_sessions(first: DirectConnection, second: DirectConnection) -> bool:
    sessions = {(await _backend(first), await _backend(second)) for _ in range(TRIES)}
    return len(sessions) == 1 and all(one != other for one, other in sessions)


async def _backend(connection: DirectConnection) -> int:
    async with connection.transaction():
        pid: int = await connection.fetchval("SELECT pg_backend_pid()")
        return pid
