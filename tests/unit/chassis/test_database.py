import asyncio
import json
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from chassis.database import (
    ConnectionLost,
    DatabaseUnavailable,
    StatementTimedOut,
    _from_jsonb,
    _timed_out_in_driver,
    _to_jsonb,
    classify,
    compact,
)
from chassis.failures import Failure
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
        StatementTimedOut(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_lost_against_others_may_be_tried_again(error: Exception) -> None:
    assert classify(error) is Failure.TRANSIENT


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailable(),
        asyncpg.CannotConnectNowError(),
        asyncpg.TooManyConnectionsError(),
        asyncpg.DiskFullError(),
        asyncpg.ReadOnlySQLTransactionError(),
        asyncpg.InvalidPasswordError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_absent_database_is_nobodys_fault(error: Exception) -> None:
    assert classify(error) is Failure.DEPENDENCY


@pytest.mark.parametrize(
    "error",
    [
        ConnectionLost(),
        ConnectionRefusedError(),
        ConnectionResetError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.AdminShutdownError(),
        asyncpg.CrashShutdownError(),
        asyncpg.PostgresIOError(),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.ProtocolError("insufficient data in buffer"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_connection_that_ended_is_no_bug_and_says_nothing_of_the_server(error: Exception) -> None:
    assert classify(error) is Failure.LOST


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
def test_bugs_and_refusals_are_no_failure_of_the_database(error: Exception) -> None:
    assert classify(error) is Failure.BUG


async def test_a_handlers_own_timeout_is_not_the_databases_silence() -> None:
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    assert not _timed_out_in_driver(raised.value)


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True, "ü\n"]}, [], "text", 10**20, None])
def test_json_comes_back_as_it_went(value: object) -> None:
    assert _from_jsonb(_to_jsonb(value)) == value


def test_bytes_are_json_already() -> None:
    assert _from_jsonb(_to_jsonb(b'{"a": 1}')) == {"a": 1}


def as_postgresql(value: Any) -> str:
    """What it writes of a jsonb: a space behind each mark, numbers without exponent; all else as others do."""
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_postgresql, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_postgresql(name)}: {as_postgresql(item)}" for name, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers() | st.integers(10**18, 10**40) | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


@given(DOCUMENTS)
@example({"a": [1e-7, -1.5e-6, 1e-5, 0.1, 1.0, 1e16, 1e300, 10**30, -0.0]})
@example({" : ,": ["0.00000", "\u2028", "\x7f", "\x1f", '\\"/', "a : b , c"], "": {}})
def test_the_databases_json_is_made_compact_as_if_it_was_read_and_written(document: object) -> None:
    text = as_postgresql(document)

    assert compact(text) == to_json(from_json(text))
