import asyncio

import asyncpg
import pytest

from chassis.database import DatabaseUnavailable, Trouble, _from_jsonb, _to_jsonb, _unanswered, classify
from contracts.refusal import Forbidden


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.SerializationError(),
        asyncpg.DeadlockDetectedError(),
        asyncpg.LockNotAvailableError(),
        asyncpg.QueryCanceledError(),
        asyncpg.IdleInTransactionSessionTimeoutError(),
        asyncpg.OutOfMemoryError(),
        asyncpg.InvalidCachedStatementError(),
        asyncpg.OutdatedSchemaCacheError("its types changed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_lost_against_others_may_be_tried_again(error: Exception) -> None:
    assert classify(error) is Trouble.TRANSIENT


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailable(),
        ConnectionRefusedError(),
        ConnectionResetError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.AdminShutdownError(),
        asyncpg.CrashShutdownError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.TooManyConnectionsError(),
        asyncpg.DiskFullError(),
        asyncpg.ReadOnlySQLTransactionError(),
        asyncpg.InvalidPasswordError(),
        asyncpg.PostgresIOError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_absent_database_is_nobodys_fault(error: Exception) -> None:
    assert classify(error) is Trouble.DOWN


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError(),
        asyncpg.CheckViolationError(),
        asyncpg.UndefinedTableError(),
        asyncpg.PostgresSyntaxError(),
        asyncpg.FeatureNotSupportedError(),
        asyncpg.InsufficientPrivilegeError(),
        asyncpg.InterfaceError("used wrongly"),
        Forbidden(),
        FileNotFoundError(),
        TimeoutError(),
        KeyError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_bugs_and_refusals_are_no_trouble_of_the_database(error: Exception) -> None:
    assert classify(error) is None


async def test_a_handlers_own_timeout_is_not_the_databases_silence() -> None:
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    assert not _unanswered(raised.value)


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True, "ü\n"]}, [], "text", 10**20, None])
def test_json_comes_back_as_it_went(value: object) -> None:
    assert _from_jsonb(_to_jsonb(value)) == value


def test_bytes_are_json_already() -> None:
    assert _from_jsonb(_to_jsonb(b'{"a": 1}')) == {"a": 1}
