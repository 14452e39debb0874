"""PostgreSQL: a pool of connections, what its failures mean, and whether the schema is new enough."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from functools import partial
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
import msgspec
import structlog
from asyncpg.pool import PoolConnectionProxy
from pydantic_core import from_json, to_json

from chassis import tracing
from chassis.pooler import Pooling, find_pooling, refuses_settings

# The schema's revision, as `autograph migrate` leaves it. Revisions are numbered: "0003" is newer than "0002".
REVISION_SCHEMA: Final = "autograph"
REVISION_TABLE: Final = "revision"

# The server ends what runs longer. The client's limit is for a server that does not answer at all, so it is longer.
STATEMENT_SECONDS: Final = 10.0
# Of which it may wait for others' locks: a message that waits has one of its queue's places, and others wait behind it.
LOCK_SECONDS: Final = 3.0
UNANSWERED_SECONDS: Final = 15.0
# A process that is frozen in the middle of a transaction must not keep its locks.
IDLE_IN_TRANSACTION_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0
ACQUIRE_SECONDS: Final = 5.0
PROBE_SECONDS: Final = 2.0
CANCEL_SECONDS: Final = 1.0
STATEMENT_SHOWN: Final = 300  # characters of a statement, in a log line
KEPT_STATEMENTS: Final = 100  # prepared, of each connection: the driver's own figure
CLOSE_SECONDS: Final = 5.0

if TYPE_CHECKING:  # generic in the stubs only
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    OwnConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = PoolConnectionProxy  # of a pool
    OwnConnection = asyncpg.Connection  # of nobody else

log = structlog.get_logger(__name__)


class DatabaseUnavailable(Exception):  # noqa: N818  # reads as the sentence that it is
    """No connection was to be had, or the one in use broke; what was under way may or may not have been committed."""


class ConnectionLost(DatabaseUnavailable):
    """The connection ended while a statement used it. Whether the server is unavailable, others find out."""


class StatementTimedOut(Exception):  # noqa: N818  # as above
    """The server answers others, but did not answer this statement in time; it may or may not have been committed."""


class SchemaNotReady(Exception):  # noqa: N818  # as above
    """The database answers, but its schema is older than what asks needs."""


class Trouble(StrEnum):
    """A failure that is neither the caller's fault nor a bug."""

    TRANSIENT = "transient"  # this transaction lost against another, or ran out of something: try it again
    LOST = "lost"  # the connection ended under it: the server's doing most likely, the statement's own if it goes on
    DOWN = "down"  # nothing will succeed until the server is back: wait for the probe


# By SQLSTATE or its class (PostgreSQL, appendix A).
_TROUBLES: Final[dict[str, Trouble]] = {
    "40": Trouble.TRANSIENT,  # transaction rollback: serialization, deadlock
    "55P03": Trouble.TRANSIENT,  # lock_not_available
    "55006": Trouble.TRANSIENT,  # object_in_use
    "57014": Trouble.TRANSIENT,  # query_canceled: statement_timeout
    "25P03": Trouble.TRANSIENT,  # idle_in_transaction_session_timeout
    "25P04": Trouble.TRANSIENT,  # transaction_timeout
    "57P05": Trouble.TRANSIENT,  # idle_session_timeout
    "53200": Trouble.TRANSIENT,  # out_of_memory
    "53400": Trouble.TRANSIENT,  # configuration_limit_exceeded
    "08": Trouble.LOST,  # connection exceptions
    "28": Trouble.DOWN,  # the password is being changed, or never was right: either way no message is to blame
    "25006": Trouble.DOWN,  # read_only_sql_transaction: this server is no longer the primary
    "53100": Trouble.DOWN,  # disk_full
    "53300": Trouble.DOWN,  # too_many_connections
    "57P01": Trouble.LOST,  # admin_shutdown, also pg_terminate_backend
    "57P02": Trouble.LOST,  # crash_shutdown: of this backend or of another
    "57P03": Trouble.DOWN,  # cannot_connect_now
    "57P04": Trouble.DOWN,  # database_dropped
    "58": Trouble.LOST,  # system error: a disk that fails, or the one block that this statement reads
}

# What the driver raises when a server, or the way to it, fails; a timeout is an OSError.
DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

_TIMED_OUT: Final = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)

# By type, the first that fits.
_TROUBLE_OF_TYPE: Final[tuple[tuple[type[Exception], Trouble], ...]] = (
    (ConnectionLost, Trouble.LOST),
    (DatabaseUnavailable, Trouble.DOWN),
    (StatementTimedOut, Trouble.TRANSIENT),
    (ConnectionError, Trouble.LOST),
    (asyncpg.InvalidCachedStatementError, Trouble.TRANSIENT),  # prepared before a migration changed its table
    (asyncpg.OutdatedSchemaCacheError, Trouble.TRANSIENT),
    (asyncpg.InternalClientError, Trouble.LOST),  # what the driver makes of a session that has just ended
)


def classify(error: BaseException) -> Trouble | None:
    """What to do about *error*; None: it is a bug or a refusal, and trying again gives the same."""
    for kind, trouble in _TROUBLE_OF_TYPE:
        if isinstance(error, kind):
            return trouble
    if isinstance(error, asyncpg.PostgresError):
        state: str = error.sqlstate or ""
        return _TROUBLES.get(state) or _TROUBLES.get(state[:2])
    return None


class Database:
    """A pool that says plainly when there is no database: every way in and out raises ``DatabaseUnavailable`` then.

    Up to *at_hand* connections that went well are kept for the next user without going through the pool: its way in
    and out makes a task and three timers each time. What is beyond that goes back, so that the pool shrinks to its
    minimum as ever.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        connect: "Callable[[], Awaitable[OwnConnection]] | None" = None,
        acquire_seconds: float = ACQUIRE_SECONDS,
        at_hand: int = 0,
        pool_max: int = 1_000,
    ) -> None:
        """*connect*: a connection beside the pool, to find out whether a silent server answers at all."""
        self._pool = pool
        self._connect = connect
        self._acquire_seconds = acquire_seconds
        self._most_at_hand = at_hand
        self._pool_max = pool_max
        self._at_hand: list[Connection] = []
        self._taken = 0  # out of the pool: lent, or at hand
        self._waiting = 0

    @property
    def pool(self) -> Pool:
        """For those who tell asyncpg's errors apart themselves."""
        return self._pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for statements that stand by themselves. Leave no session state behind (see ``_keep``)."""
        connection = self._take() or await self._acquire()
        went_well = False
        try:
            yield connection
            went_well = True
        except Exception as error:
            if isinstance(error, _TIMED_OUT) or _unanswered(error):
                log.warning("statement_timed_out", statement=_statement(error), error=type(error).__qualname__)
            if _unanswered(error):
                if await _cancelled(connection) or await self._answers():
                    raise StatementTimedOut("the server answers, but did not answer this statement in time") from error
                raise DatabaseUnavailable("no answer") from error
            if _ended(error, connection):
                _terminate(connection)
                raise ConnectionLost(str(error)) from error
            raise
        finally:
            if not (went_well and self._keep_at_hand(connection)):
                await self._release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction (READ COMMITTED) that commits at the end of the block, or rolls back what an error ended."""
        async with self.connection() as connection, connection.transaction():
            try:
                yield connection
            except TimeoutError as error:
                if _unanswered(error):
                    await _cancelled(connection)  # else the rollback would wait for the same silent server
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
        """Raises ``SchemaNotReady`` if the schema is older than *at_least*; newer ones serve older releases too."""
        async with self.connection() as connection:
            await check_revision(connection, at_least)

    async def check_standard_tables(self) -> None:
        """Raises ``SchemaNotReady`` unless this service's role may use its inbox: the last that a migration does."""
        async with self.connection() as connection:
            if not await connection.fetchval("SELECT has_table_privilege(to_regclass('inbox'), 'INSERT')"):
                raise SchemaNotReady("the service's schema is not there yet: `autograph migrate`")

    def states(self) -> Mapping[str, int]:
        """For ``PoolMetrics``: connections by state, and tasks that wait for one."""
        at_hand = sum(not _lost(connection) for connection in self._at_hand)
        size, idle = self._pool.get_size(), self._pool.get_idle_size() + at_hand
        return {"idle": idle, "used": size - idle, "waiting": self._waiting}

    async def give_back(self) -> None:
        """All connections to the pool, which waits for them when it closes. None is kept at hand from then on."""
        self._most_at_hand = 0
        while self._at_hand:
            await self._release(self._at_hand.pop())

    def _take(self) -> Connection | None:
        """The one used last, so that the others come of age behind it."""
        while self._at_hand:
            connection = self._at_hand.pop()
            if not _lost(connection):
                return connection
            self._taken -= 1
        return None

    def _keep_at_hand(self, connection: Connection) -> bool:
        """False: it belongs back into the pool, where somebody may wait for it, or where it is put in order.

        Some ask the pool itself (the cache's members, whose lease everybody reads by), and nobody here sees them wait:
        the last place is always the pool's.
        """
        if self._waiting or len(self._at_hand) >= self._most_at_hand or self._taken >= self._pool_max:
            return False
        if _lost(connection) or connection.is_in_transaction():
            return False
        self._at_hand.append(connection)
        return True

    async def _acquire(self) -> Connection:
        self._waiting += 1
        try:
            connection: Connection = await self._pool.acquire(timeout=self._acquire_seconds)
        except DRIVER_ERRORS as error:
            raise DatabaseUnavailable(str(error) or f"no connection within {self._acquire_seconds} s") from error
        else:
            self._taken += 1
            return connection
        finally:
            self._waiting -= 1

    async def _answers(self) -> bool:
        """Whether the server answers at all. Not asked by way of the pool, which may be full of slow statements."""
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
        """Whatever happens here, the work is done: the connection is given up, not the outcome."""
        self._taken -= 1
        try:
            await self._pool.release(connection, timeout=CLOSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the connection's
            log.warning("connection lost on release", error=repr(error))


@asynccontextmanager
async def open_database(
    url: str,
    *,
    application_name: str,
    pool_min: int = 10,
    pool_max: int = 30,
    statement_seconds: float = STATEMENT_SECONDS,
    unanswered_seconds: float = UNANSWERED_SECONDS,
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
        kept_statements = 0 if pooling is Pooling.TRANSACTION else KEPT_STATEMENTS
        open_pool = partial(_open_pool, url, (pool_min, pool_max), unanswered_seconds, kept_statements)
        try:
            pool = await open_pool(names | limits)
        except asyncpg.ProtocolViolationError as error:
            if not refuses_settings(error):
                raise
            pool = await open_pool(names)  # the role's own limits hold: it was looked whether it has some
    except DRIVER_ERRORS as error:
        raise DatabaseUnavailable(str(error) or f"no connection within {CONNECT_SECONDS} s") from error
    at_hand = min(pool_min, pool_max // 2)
    database = Database(pool, connect=connect, acquire_seconds=acquire_seconds, at_hand=at_hand, pool_max=pool_max)
    try:
        yield database
    finally:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await database.give_back()
                await pool.close()
        except DRIVER_ERRORS:
            pool.terminate()


async def _open_pool(
    url: str,
    size: tuple[int, int],
    unanswered_seconds: float,
    kept_statements: int,
    server_settings: Mapping[str, str],
) -> Pool:
    pool: Pool = await asyncpg.create_pool(
        url,
        min_size=size[0],
        max_size=size[1],
        init=_prepare,
        reset=_keep,
        timeout=CONNECT_SECONDS,
        command_timeout=unanswered_seconds,
        statement_cache_size=kept_statements,
        server_settings=dict(server_settings),
    )
    return pool


async def current_revision(connection: Connection | OwnConnection) -> str | None:
    """None: nothing was ever migrated here."""
    table = f"{REVISION_SCHEMA}.{REVISION_TABLE}"
    if await connection.fetchval("SELECT to_regclass($1)::text", table) is None:
        return None
    revision: str | None = await connection.fetchval(f"SELECT version_num FROM {table}")  # noqa: S608  # constants
    return revision


async def check_revision(connection: Connection | OwnConnection, at_least: str) -> str:
    """The schema's revision. Raises ``SchemaNotReady`` if it is older than *at_least*."""
    try:
        found = await current_revision(connection)
    except asyncpg.InsufficientPrivilegeError:  # a role that was made, and not yet given its rights
        found = None
    if found is None or int(found) < int(at_least):
        raise SchemaNotReady(f"the schema is at revision {found or 'none'}, not yet at {at_least}: `autograph migrate`")
    return found


async def _prepare(connection: Connection | OwnConnection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_to_jsonb, decoder=_from_jsonb, format="binary"
    )
    if tracing.ON:
        tracing.watch(connection)


async def _keep(_: Connection | OwnConnection) -> None:
    """Instead of asyncpg's RESET ALL and three more statements on every release: a round trip, and twice the CPU.

    An open transaction is rolled back before this is called. All else that outlives a transaction (SET without LOCAL,
    LISTEN, session advisory locks, temporary tables) is not used by any service; an architecture test looks for it.
    """


# jsonb on the wire is a version byte before the text (PostgreSQL, src/backend/utils/adt/jsonb.c, jsonb_recv).
_JSONB_VERSION: Final = b"\x01"


def _to_jsonb(value: Any) -> bytes:
    """``bytes`` are JSON already."""
    return _JSONB_VERSION + (value if isinstance(value, bytes) else to_json(value))


def _from_jsonb(value: bytes) -> Any:
    return from_json(value[1:])


RESPELT_CHARACTERS: Final = 128 * 1024


def compact(text: str) -> bytes:
    """The text of a jsonb as ``to_json`` would write it again, in a sixth of the time.

    PostgreSQL writes it alike, but for a space after each colon and comma, and for 1e-6 and less, where it writes all
    zeros. Large texts keep these: to parse them would take many times their bytes.
    """
    if len(text) <= RESPELT_CHARACTERS and "0.00000" in text:
        return to_json(from_json(text))
    return msgspec.json.format(text.encode(), indent=-1)


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def _lost(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool took it back when it broke
        return True


async def _cancelled(connection: Connection) -> bool:
    """Whether the server has given up a statement that timed out, with its locks; if not, the connection is ended.

    The driver has asked the server to cancel it, and sends nothing else before that is done.
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


def _ended(error: Exception, connection: Connection) -> bool:
    """Whether *error* is the driver's way to say that the connection ended, which depends on what it was doing.

    On a session that was just ended it finds its own protocol in a state that should not be (InternalClientError), a
    transaction that it cannot leave (InterfaceError), or a transport without a socket (AttributeError, RuntimeError).
    """
    if isinstance(error, asyncpg.InternalClientError):
        return classify(error) is Trouble.LOST
    if isinstance(error, asyncpg.PostgresError | asyncpg.DataError):
        return False
    return _lost(connection) and (isinstance(error, asyncpg.InterfaceError) or _from_driver(error))


def _unanswered(error: BaseException | None) -> bool:
    """Whether the driver gave up waiting for the server; a handler's own timeout does not pass through the driver."""
    if isinstance(error, asyncpg.InterfaceError):  # a transaction that could not be left, for that reason
        error = error.__context__
    return isinstance(error, TimeoutError) and _from_driver(error)


def _statement(error: BaseException) -> str:
    """Its text, which has placeholders where its values go; empty where the driver does not say."""
    query = getattr(error, "query", None)
    for frame, _ in walk_tb(error.__traceback__):
        if query is None and frame.f_globals.get("__name__", "").startswith("asyncpg."):
            query = frame.f_locals.get("query")
    return " ".join(query.split())[:STATEMENT_SHOWN] if isinstance(query, str) else ""


def _from_driver(error: BaseException) -> bool:
    return any(frame.f_globals.get("__name__", "").startswith("asyncpg.") for frame, _ in walk_tb(error.__traceback__))
