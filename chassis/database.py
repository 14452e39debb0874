"""PostgreSQL: a connection pool, the classification of its errors, and the check of the schema's revision."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy
from pydantic_core import from_json, to_json

from chassis import tracing
from chassis.failures import Failure
from chassis.logging import logger
from chassis.pooler import Pooling, find_pooling, refuses_settings

# The schema's revision, as `autograph migrate` leaves it. Revisions are numbered: "0003" is newer than "0002".
REVISION_SCHEMA: Final = "autograph"
REVISION_TABLE: Final = "revision"

# The server cancels a statement that runs longer. The client's timeout is longer: it is for a server that is silent.
STATEMENT_SECONDS: Final = 10.0
# The part of it that a statement may wait for a lock: meanwhile its message takes up one place of its queue's prefetch.
LOCK_SECONDS: Final = 3.0
COMMAND_TIMEOUT_SECONDS: Final = 15.0
# A process that hangs in a transaction must not keep its locks.
IDLE_IN_TRANSACTION_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
ACQUIRE_SECONDS: Final = 5.0
PROBE_SECONDS: Final = 2.0
CANCEL_SECONDS: Final = 1.0
MAX_LOGGED_CHARACTERS: Final = 300  # characters of a statement, in a log line
MAX_PREPARED_STATEMENTS: Final = 100  # of each connection: the driver's default
CLOSE_SECONDS: Final = 5.0

if TYPE_CHECKING:  # generic in the stubs only
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    DirectConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = PoolConnectionProxy  # of a pool
    DirectConnection = asyncpg.Connection  # outside a pool

log = logger(__name__)


class DatabaseUnavailable(Exception):
    """There was no connection, or it broke; a transaction in flight may or may not have been committed."""


class ConnectionLost(DatabaseUnavailable):
    """The connection ended during a statement. The server may be available."""


class StatementTimedOut(Exception):
    """The server answers others, but did not answer this statement in time; it may or may not have been committed."""


class SchemaNotReady(Exception):
    """The database is available, but its schema is older than the caller needs."""


# By SQLSTATE or its class (PostgreSQL, appendix A).
_FAILURE_BY_SQLSTATE: Final[dict[str, Failure]] = {
    "40": Failure.TRANSIENT,  # transaction rollback: serialization, deadlock
    "55P03": Failure.TRANSIENT,  # lock_not_available
    "55006": Failure.TRANSIENT,  # object_in_use
    "57014": Failure.TRANSIENT,  # query_canceled: statement_timeout
    "25P03": Failure.TRANSIENT,  # idle_in_transaction_session_timeout
    "25P04": Failure.TRANSIENT,  # transaction_timeout
    "57P05": Failure.TRANSIENT,  # idle_session_timeout
    "53200": Failure.TRANSIENT,  # out_of_memory
    "53400": Failure.TRANSIENT,  # configuration_limit_exceeded
    "08": Failure.LOST,  # connection exceptions
    "28": Failure.DEPENDENCY,  # the password is wrong or is being changed: no message's failure
    "25006": Failure.DEPENDENCY,  # read_only_sql_transaction: this server is no longer the primary
    "53100": Failure.DEPENDENCY,  # disk_full
    "53300": Failure.DEPENDENCY,  # too_many_connections
    "57P01": Failure.LOST,  # admin_shutdown, also pg_terminate_backend
    "57P02": Failure.LOST,  # crash_shutdown: of this backend or of another
    "57P03": Failure.DEPENDENCY,  # cannot_connect_now
    "57P04": Failure.DEPENDENCY,  # database_dropped
    "58": Failure.LOST,  # system error: a failing disk, or only the block that this statement reads
}

# What the driver raises when the server or the network fails; TimeoutError is an OSError.
DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

_TIMED_OUT: Final = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)

# The first type that matches counts.
_FAILURE_BY_TYPE: Final[tuple[tuple[type[Exception], Failure], ...]] = (
    (ConnectionLost, Failure.LOST),
    (DatabaseUnavailable, Failure.DEPENDENCY),
    (StatementTimedOut, Failure.TRANSIENT),
    (ConnectionError, Failure.LOST),
    (asyncpg.InvalidCachedStatementError, Failure.TRANSIENT),  # prepared before a migration changed its table
    (asyncpg.OutdatedSchemaCacheError, Failure.TRANSIENT),
    (asyncpg.InternalClientError, Failure.LOST),  # raised by the driver for a session that has just ended
)


def classify(error: BaseException) -> Failure:
    """What to do about *error*. ``BUG`` includes refusals: trying again gives the same."""
    for kind, failure in _FAILURE_BY_TYPE:
        if isinstance(error, kind):
            return failure
    if isinstance(error, asyncpg.PostgresError):
        state: str = error.sqlstate or ""
        return _FAILURE_BY_SQLSTATE.get(state) or _FAILURE_BY_SQLSTATE.get(state[:2], Failure.BUG)
    return Failure.BUG


class Database:
    """A pool whose methods raise ``DatabaseUnavailable`` while there is no database.

    Up to *max_idle* connections are reused without a release to asyncpg's pool, which makes a task and three timers for
    each acquire and release. The others are released, so that the pool still shrinks to its minimum.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        connect: "Callable[[], Awaitable[DirectConnection]] | None" = None,
        acquire_seconds: float = ACQUIRE_SECONDS,
        max_idle: int = 0,
        pool_max: int = 1_000,
    ) -> None:
        """*connect* makes a connection outside the pool, to find out whether a silent server answers at all."""
        self._pool = pool
        self._connect = connect
        self._acquire_seconds = acquire_seconds
        self._max_idle = max_idle
        self._pool_max = pool_max
        self._idle: list[Connection] = []
        self._acquired = 0  # not in asyncpg's pool: in use, or in ``_idle``
        self._waiting = 0

    @property
    def pool(self) -> Pool:
        """The pool of asyncpg, which raises asyncpg's own errors."""
        return self._pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for single statements (autocommit). Leave no session state behind (see ``_no_reset``)."""
        connection = self._pop_idle() or await self._acquire()
        succeeded = False
        try:
            yield connection
            succeeded = True
        except Exception as error:
            if isinstance(error, _TIMED_OUT) or _timed_out_in_driver(error):
                log.warning("statement_timed_out", statement=_statement_text(error), error=type(error).__qualname__)
            if _timed_out_in_driver(error):
                if await _was_cancelled(connection) or await self._server_answers():
                    raise StatementTimedOut("the server answers, but did not answer this statement in time") from error
                raise DatabaseUnavailable("no answer") from error
            if _is_connection_loss(error, connection):
                _terminate(connection)
                raise ConnectionLost(str(error)) from error
            raise
        finally:
            if not (succeeded and self._keep_idle(connection)):
                await self._release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction (READ COMMITTED): committed at the end of the block, rolled back if it raises."""
        async with self.connection() as connection, connection.transaction():
            try:
                yield connection
            except TimeoutError as error:
                if _timed_out_in_driver(error):
                    await _was_cancelled(connection)  # otherwise the rollback would wait for the same silent server
                raise

    async def probe(self) -> None:
        """Raises ``DatabaseUnavailable`` unless the server answers and takes writes."""
        try:
            async with asyncio.timeout(PROBE_SECONDS), self.connection() as connection:
                read_only = await connection.fetchval("SELECT current_setting('transaction_read_only')")
        except (StatementTimedOut, *DRIVER_ERRORS) as error:
            raise DatabaseUnavailable(str(error) or "no answer to the probe") from error
        if read_only != "off":
            raise DatabaseUnavailable("the server takes no writes")

    async def check_revision(self, at_least: str) -> None:
        """Raises ``SchemaNotReady`` if the schema is older than *at_least*. A newer schema works too."""
        async with self.connection() as connection:
            await check_revision(connection, at_least)

    async def check_standard_tables(self) -> None:
        """Raises ``SchemaNotReady`` unless this service's role may use its inbox: the last that a migration does."""
        async with self.connection() as connection:
            if not await connection.fetchval("SELECT has_table_privilege(to_regclass('inbox'), 'INSERT')"):
                raise SchemaNotReady("the service's schema is not there yet: `autograph migrate`")

    def states(self) -> Mapping[str, int]:
        """For ``PoolMetrics``: connections by state, and tasks that wait for one."""
        kept = sum(not _is_lost(connection) for connection in self._idle)
        size, idle = self._pool.get_size(), self._pool.get_idle_size() + kept
        return {"idle": idle, "used": size - idle, "waiting": self._waiting}

    async def release_idle(self) -> None:
        """Release all idle connections to the pool, which waits for them when it closes. Keep none from now on."""
        self._max_idle = 0
        while self._idle:
            await self._release(self._idle.pop())

    def _pop_idle(self) -> Connection | None:
        """Last in, first out, so that asyncpg closes the others once they have been idle for long."""
        while self._idle:
            connection = self._idle.pop()
            if not _is_lost(connection):
                return connection
            self._acquired -= 1
        return None

    def _keep_idle(self, connection: Connection) -> bool:
        """Whether the connection was kept. If not, release it to the pool: another task waits, or it needs a reset.

        The cache's members acquire from the pool itself, and their leases must not wait: so the last connection is
        always released to the pool.
        """
        if self._waiting or len(self._idle) >= self._max_idle or self._acquired >= self._pool_max:
            return False
        if _is_lost(connection) or connection.is_in_transaction():
            return False
        self._idle.append(connection)
        return True

    async def _acquire(self) -> Connection:
        self._waiting += 1
        try:
            connection: Connection = await self._pool.acquire(timeout=self._acquire_seconds)
        except DRIVER_ERRORS as error:
            raise DatabaseUnavailable(str(error) or f"no connection within {self._acquire_seconds} s") from error
        else:
            self._acquired += 1
            return connection
        finally:
            self._waiting -= 1

    async def _server_answers(self) -> bool:
        """Whether the server answers at all, on a connection of its own: the pool may be full of slow statements."""
        if self._connect is None:
            return False
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                connection = await self._connect()
                try:
                    await connection.execute("SELECT 1")
                    await connection.close()
                finally:
                    connection.terminate()
        except asyncpg.TooManyConnectionsError:
            return True
        except DRIVER_ERRORS:
            return False
        return True

    async def _release(self, connection: Connection) -> None:
        """Never raises: the work is done, and an error here is the connection's only."""
        self._acquired -= 1
        try:
            await self._pool.release(connection, timeout=CLOSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("connection_release_failed", error=repr(error))


@asynccontextmanager
async def open_database(
    url: str,
    *,
    application_name: str,
    pool_min: int = 10,
    pool_max: int = 30,
    statement_seconds: float = STATEMENT_SECONDS,
    command_timeout_seconds: float = COMMAND_TIMEOUT_SECONDS,
    acquire_seconds: float = ACQUIRE_SECONDS,
) -> AsyncIterator[Database]:
    """Raises ``DatabaseUnavailable`` if *pool_min* connections cannot be made now, and ``PoolerUnsuitable``."""
    names = {"application_name": application_name, "timezone": "UTC"}
    limits = {
        "statement_timeout": _milliseconds(statement_seconds),
        "lock_timeout": _milliseconds(LOCK_SECONDS),
        "idle_in_transaction_session_timeout": _milliseconds(IDLE_IN_TRANSACTION_SECONDS),
    }
    connect = partial(
        asyncpg.connect,
        url,
        timeout=CONNECT_SECONDS,
        command_timeout=PROBE_SECONDS,
        server_settings=names,
        statement_cache_size=0,
    )
    try:
        pooling = await find_pooling(connect)
        if pooling is not Pooling.NONE:
            log.warning("database_behind_pooler", pooling=pooling.value)
        max_prepared_statements = 0 if pooling is Pooling.TRANSACTION else MAX_PREPARED_STATEMENTS
        open_pool = partial(_open_pool, url, (pool_min, pool_max), command_timeout_seconds, max_prepared_statements)
        try:
            pool = await open_pool(names | limits)
        except asyncpg.ProtocolViolationError as error:
            if not refuses_settings(error):
                raise
            pool = await open_pool(names)  # the role's own limits apply: ``find_pooling`` has checked that it has some
    except DRIVER_ERRORS as error:
        raise DatabaseUnavailable(str(error) or f"no connection within {CONNECT_SECONDS} s") from error
    max_idle = min(pool_min, pool_max // 2)
    database = Database(pool, connect=connect, acquire_seconds=acquire_seconds, max_idle=max_idle, pool_max=pool_max)
    try:
        yield database
    finally:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await database.release_idle()
                await pool.close()
        except DRIVER_ERRORS:
            pool.terminate()


async def _open_pool(
    url: str,
    size: tuple[int, int],
    command_timeout_seconds: float,
    max_prepared_statements: int,
    server_settings: Mapping[str, str],
) -> Pool:
    pool: Pool = await asyncpg.create_pool(
        url,
        min_size=size[0],
        max_size=size[1],
        init=_prepare,
        reset=_no_reset,
        timeout=CONNECT_SECONDS,
        command_timeout=command_timeout_seconds,
        statement_cache_size=max_prepared_statements,
        server_settings=dict(server_settings),
    )
    return pool


async def current_revision(connection: Connection | DirectConnection) -> str | None:
    """The schema's revision; None if the database was never migrated."""
    table = f"{REVISION_SCHEMA}.{REVISION_TABLE}"
    if await connection.fetchval("SELECT to_regclass($1)::text", table) is None:
        return None
    revision: str | None = await connection.fetchval(f"SELECT version_num FROM {table}")
    return revision


async def check_revision(connection: Connection | DirectConnection, at_least: str) -> str:
    """The schema's revision. Raises ``SchemaNotReady`` if it is older than *at_least*."""
    try:
        found = await current_revision(connection)
    except asyncpg.InsufficientPrivilegeError:  # a role that was created and has no rights yet
        found = None
    if found is None or int(found) < int(at_least):
        raise SchemaNotReady(f"the schema is at revision {found or 'none'}, not yet at {at_least}: `autograph migrate`")
    return found


async def _prepare(connection: Connection | DirectConnection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_to_jsonb, decoder=_from_jsonb, format="binary"
    )
    if tracing.ON:
        tracing.trace_statements(connection)


async def _no_reset(_: Connection | DirectConnection) -> None:
    """Replaces asyncpg's reset on every release (RESET ALL and three more statements): a round trip, and twice the CPU.

    asyncpg rolls an open transaction back before it calls this. No service uses other session state (SET without LOCAL,
    LISTEN, session advisory locks, temporary tables); an architecture test checks that.
    """


# jsonb on the wire is a version byte before the text (PostgreSQL, src/backend/utils/adt/jsonb.c, jsonb_recv).
_JSONB_VERSION: Final = b"\x01"


def _to_jsonb(value: Any) -> bytes:
    """``bytes`` are JSON already."""
    return _JSONB_VERSION + (value if isinstance(value, bytes) else to_json(value))


def _from_jsonb(value: bytes) -> Any:
    return from_json(value[1:])


MAX_NORMALIZED_CHARACTERS: Final = 128 * 1024


def compact(text: str) -> bytes:
    """The text of a jsonb as ``to_json`` would write it, in a sixth of the time.

    PostgreSQL's text differs in two ways: it has a space after each colon and comma, and it writes numbers of 1e-6 and
    less with all their zeros. The zeros of large texts stay, since parsing these would take many times their memory.
    """
    if len(text) <= MAX_NORMALIZED_CHARACTERS and "0.00000" in text:
        return to_json(from_json(text))
    return msgspec.json.format(text.encode(), indent=-1)


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def _is_lost(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool took it back when it broke
        return True


async def _was_cancelled(connection: Connection) -> bool:
    """Whether the server has cancelled the statement that timed out, and so released its locks. If not, disconnect.

    The driver has requested the cancellation, and sends the next statement only after it.
    """
    try:
        await connection.execute("SELECT 1", timeout=CANCEL_SECONDS)
    except asyncpg.InFailedSQLTransactionError:
        return True
    except DRIVER_ERRORS:
        _terminate(connection)
        return False
    return True


def _terminate(connection: Connection) -> None:
    with suppress(asyncpg.InterfaceError):  # the pool took it back when it broke
        connection.terminate()


def _is_connection_loss(error: Exception, connection: Connection) -> bool:
    """Whether *error* means that the connection ended. The driver's exception depends on what it was doing.

    For a session that was just ended it raises InternalClientError (unexpected protocol state), InterfaceError (a
    transaction that cannot be rolled back), or AttributeError and RuntimeError (a transport without a socket).
    """
    if isinstance(error, asyncpg.InternalClientError):
        return classify(error) is Failure.LOST
    if isinstance(error, asyncpg.PostgresError | asyncpg.DataError):
        return False
    return _is_lost(connection) and (isinstance(error, asyncpg.InterfaceError) or _from_driver(error))


def _timed_out_in_driver(error: BaseException | None) -> bool:
    """Whether *error* is a timeout of the driver, and not one of the handler's own."""
    if isinstance(error, asyncpg.InterfaceError):  # a transaction that could not be rolled back for that reason
        error = error.__context__
    return isinstance(error, TimeoutError) and _from_driver(error)


def _statement_text(error: BaseException) -> str:
    """The text of the statement that failed, with placeholders for its values; empty if the driver does not say."""
    query = getattr(error, "query", None)
    for frame, _ in walk_tb(error.__traceback__):
        if query is None and frame.f_globals.get("__name__", "").startswith("asyncpg."):
            query = frame.f_locals.get("query")
    return " ".join(query.split())[:MAX_LOGGED_CHARACTERS] if isinstance(query, str) else ""


def _from_driver(error: BaseException) -> bool:
    return any(frame.f_globals.get("__name__", "").startswith("asyncpg.") for frame, _ in walk_tb(error.__traceback__))
