"""Messages for expected errors of a command: unavailable servers, refused logins, unusable files."""

import os
from typing import Final

import aiohttp
import aiormq.exceptions
import asyncpg
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

# PostgreSQL's errors about connections, logins and missing schemas only: all others are bugs.
UNAVAILABLE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    aiormq.exceptions.AMQPConnectionError,
    aiohttp.ClientError,
    RedisError,
    BotoCoreError,
    ClientError,
)
_HINT: Final = "run `autograph status` to see what runs, and `autograph doctor` to find the cause"
# The first match applies.
_TEXTS: Final[tuple[tuple[tuple[type[BaseException], ...], str], ...]] = (
    (
        (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError),
        "PostgreSQL refused the connection ({text}): check AUTOGRAPH_POSTGRES_URL",
    ),
    (
        (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError),
        "The database schema is older than this release needs ({text}): run `autograph migrate`",
    ),
    (UNAVAILABLE, "A server cannot be used ({kind}: {text}): {hint}"),
    ((TimeoutError,), "A server did not answer in time: {hint}"),
    ((OSError,), "A server cannot be reached ({text}): {hint}"),
)


def describe_failure(error: BaseException) -> str | None:
    """The message with the remedy; None: a bug, to be shown with its traceback."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)} cannot be used: {error.strerror}"
    for kinds, text in _TEXTS:
        if isinstance(error, kinds):
            return text.format(kind=type(error).__name__, text=_text(error), hint=_HINT)
    return None


def _text(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
