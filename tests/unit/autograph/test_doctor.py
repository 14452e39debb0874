"""What the doctor makes of what it saw."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import asyncpg
import pytest

from autograph.doctor import command, finding
from autograph.doctor.finding import Finding, skew
from autograph.doctor.rabbitmq import _consumer_findings, behind, dead_queue, full_queue
from autograph.doctor.s3 import MAX_LISTED_KEYS, compare
from autograph.installation import Installation
from compose.local.servers.seaweedfs import S3Account
from compose.local.stack import Servers

NOW = datetime(2026, 11, 24, tzinfo=UTC)
OLD = NOW - timedelta(days=2)
PLACE = "01930000-0000-7000-8000-00000000000"
A, B, C = (f"{PLACE}{digit}/1-x" for digit in "abc")

T = TypeVar("T")


async def each(things: Iterable[T]) -> AsyncIterator[T]:
    for thing in things:
        yield thing


async def found(archived: Iterable[str], stored: dict[str, datetime]) -> list[tuple[str, bool, str]]:
    compared = await compare(each(archived), each(stored.items()), NOW)
    return [(one.code, one.error, one.what.split()[0]) for one in compared.findings()]


@pytest.mark.parametrize(
    ("offset_seconds", "resolution_seconds", "judged"),
    [(-0.9, 0, []), (0.9, 0, []), (-2.9, 2, []), (-3, 0, [False]), (3, 2, [False]), (-60, 2, [True]), (60, 0, [True])],
)
async def test_a_clock_that_is_apart_by_more_than_it_is_coarse_is_named(
    offset_seconds: float, resolution_seconds: float, judged: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "SKEW_PAUSE_SECONDS", 0)

    async def told() -> float:
        return time.time() + offset_seconds

    assert [(one.code, one.error) for one in await skew("redis", told, resolution_seconds=resolution_seconds)] == [
        ("clock_skew", error) for error in judged
    ]


async def test_a_clock_is_compared_with_the_time_that_asking_took_and_one_late_answer_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finding, "SKEW_PAUSE_SECONDS", 0)
    answers = iter([time.time() - 30, time.time() + 30, time.time()])

    async def told() -> float:
        return next(answers)

    assert await skew("redis", told) == []
    assert next(answers, None) is None


@pytest.mark.parametrize("lost", [A, B, C])
async def test_an_archived_version_without_its_object_is_an_error_wherever_it_stands(lost: str) -> None:
    stored = {key: OLD for key in (A, B, C) if key != lost}
    assert await found([A, B, C], stored) == [("objects_missing", True, "1")]


@pytest.mark.parametrize("orphan", [A, B, C])
async def test_an_object_without_a_version_is_no_error(orphan: str) -> None:
    wanted = [key for key in (A, B, C) if key != orphan]
    assert await found(wanted, dict.fromkeys((A, B, C), OLD)) == [("objects_orphaned", False, "1")]


async def test_an_object_that_has_just_been_stored_is_no_orphan() -> None:
    assert await found([], {A: NOW - timedelta(hours=1)}) == []


async def test_what_others_put_into_the_bucket_does_not_make_ours_look_lost() -> None:
    stored = {"zz-somebody/else": OLD, A: OLD, "0": OLD, B: OLD}  # and in no order
    assert await found([A, B], stored) == [("objects_orphaned", False, "2")]


async def test_all_that_is_lost_is_counted_and_only_so_much_remembered() -> None:
    compared = await compare(each(f"{PLACE}a/{number:05}" for number in range(MAX_LISTED_KEYS + 5)), each(()), NOW)
    assert (compared.lost_count, len(compared.lost)) == (MAX_LISTED_KEYS + 5, MAX_LISTED_KEYS)


def queue(**row: Any) -> dict[str, Any]:
    return {"name": "diagram.commands", "type": "quorum", "members": ["a"], "online": ["a"], "leader": "a"} | row


@pytest.mark.parametrize(
    "row",
    [
        {"leader": ""},
        {"online": []},
        {"members": ["a", "b", "c"], "online": ["a"]},
        {"members": ["a", "b"], "online": ["a"]},
        {"leader": "b", "members": ["a", "b", "c"], "online": ["a", "c"]},
    ],
)
def test_a_queue_that_can_take_nothing_is_an_error(row: dict[str, Any]) -> None:
    assert [(one.code, one.error) for one in dead_queue(queue(**row))] == [("queue_without_leader", True)]


def test_a_queue_with_most_of_its_members_is_well() -> None:
    assert dead_queue(queue()) == []
    assert dead_queue(queue(members=["a", "b", "c"], online=["a", "b"])) == []
    assert dead_queue({"name": "retry.5", "type": "classic"}) == []


@pytest.mark.parametrize(
    ("name", "row", "error", "why"),
    [
        ("somebodys", {"message_bytes_ready": 1000}, True, "its subscriber does not keep up"),
        ("somebodys.events", {"messages_ready": 85}, False, "85% full: its subscriber does not keep up"),
        ("auth.parked", {"messages_ready": 100}, True, "comes round again each minute"),
        ("diagram.commands.producers", {"messages_ready": 100}, True, "what is sent to it is refused"),
        ("retry.10s", {"messages_ready": 100}, True, "what fails stays with its worker"),
    ],
)
def test_a_queue_that_is_full_is_named_with_whose_it_is(
    name: str,
    row: dict[str, Any],
    error: bool,  # noqa: FBT001 - a parameter of a table
    why: str,
) -> None:
    bounds = {"effective_policy_definition": {"max-length": 100}, "arguments": {"x-max-length-bytes": 1000}}
    [one] = full_queue({"name": name, "type": "quorum", **bounds, **row})
    assert (one.code, one.error) == ("queue_full", error)
    assert one.what.startswith(f"{name} is ")
    assert why in one.what


def test_a_subscriber_outside_is_named_before_and_when_its_oldest_events_are_dropped() -> None:
    row = {"name": "autograph.subscribers.reports", "effective_policy_definition": {"max-length": 100}}
    assert full_queue({**row, "messages_ready": 79}) == []

    [behind] = full_queue({**row, "messages_ready": 85})
    assert (behind.code, behind.error) == ("subscriber_full", False)
    assert behind.what == "subscriber reports falls behind: 85 events wait, 85% of its queue"

    stats = {"publish": 130, "ack": 10, "deliver_no_ack": 5}
    [full] = full_queue({**row, "messages_ready": 100, "messages": 100, "message_stats": stats})
    assert (full.code, full.error) == ("subscriber_full", True)
    assert "subscriber reports is full: 100 events wait" in full.what
    assert full.what.endswith("(15 so far)")
    assert "autograph subscriber remove reports" in full.do


def test_a_queue_in_which_the_oldest_gives_way_or_without_bounds_is_not_full() -> None:
    for name in ("auth.refused", "reply.producer-x.1"):
        assert full_queue({"name": name, "messages_ready": 9, "effective_policy_definition": {"max-length": 9}}) == []
    assert full_queue({"name": "tap", "messages_ready": 10**9}) == []
    bounds = {"effective_policy_definition": {"max-length": 9}}
    assert full_queue({"name": "somebodys", "messages_ready": 7, **bounds}) == []


def waits(now: int, before: int, rate: float) -> list[Finding]:
    return behind("diagram.commands", now, {"messages_ready": before, "message_stats": {"ack_details": {"rate": rate}}})


def test_a_queue_is_behind_by_what_waits_and_by_how_fast_it_is_worked_off() -> None:
    assert waits(100, 100, 20.0) == []
    [slow] = waits(400, 300, 20.0)
    assert (slow.code, slow.error) == ("queue_behind", False)
    assert "15 s" in slow.what
    [stuck] = waits(3, 5, 0.0)
    assert (stuck.code, stuck.error) == ("queue_behind", True)


def test_what_waits_for_a_moment_only_is_not_behind() -> None:
    assert waits(500, 0, 0.0) == []
    assert waits(0, 500, 0.0) == []


@pytest.mark.parametrize(("server", "codes"), [("postgres", []), ("s3", []), ("redis", ["redis_unreachable"])])
async def test_a_server_that_holds_much_is_not_called_away(
    monkeypatch: pytest.MonkeyPatch, server: str, codes: list[str]
) -> None:
    async def look(_: Installation) -> list[Finding]:
        for _turn in range(3):
            await asyncio.sleep(0)
        return []

    monkeypatch.setattr(command, "CHECK_SECONDS", 0)
    monkeypatch.setattr(command, "_CHECKS", {server: look})
    nowhere = S3Account("http://nowhere", "", "")
    found = Installation(Servers("", "", "", "", nowhere, nowhere), secret="")

    assert [finding.code for finding in await command.examine(found)] == codes


def an_installation(postgres_url: str = "") -> Installation:
    nowhere = S3Account("http://nowhere", "", "")
    return Installation(Servers(postgres_url, "", "", "", nowhere, nowhere), "")


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (ConnectionRefusedError("refused"), "PostgresConnectionError: refused"),
        (TimeoutError(), "PostgresConnectionError: does not answer within 5 s"),
        (asyncpg.InvalidPasswordError("wrong password"), "InvalidPasswordError: wrong password"),
    ],
)
async def test_what_postgresql_refuses_is_not_blamed_on_the_store_that_is_compared_with_it(
    monkeypatch: pytest.MonkeyPatch, refusal: Exception, said: str
) -> None:
    async def look(found: Installation) -> list[Finding]:
        async with finding.connected(found.servers.postgres_url):
            return []

    async def connect(*_: Any, **__: Any) -> None:
        raise refusal

    monkeypatch.setattr(asyncpg, "connect", connect)
    monkeypatch.setattr(command, "_CHECKS", {"s3": look})

    [one] = await command.examine(an_installation())

    assert one.code == "s3_unreachable"
    assert one.what == f"s3 cannot be checked without postgres: {said}"
    assert one.do == "start postgres, or mend its AUTOGRAPH_*_URL"


async def test_a_server_that_is_silent_is_said_to_be_and_for_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(_: Installation) -> list[Finding]:
        raise TimeoutError

    monkeypatch.setattr(command, "_CHECKS", {"redis": look})

    [one] = await command.examine(an_installation())

    assert one.what == "does not answer within 0 s"
    assert one.do == "start redis, or mend its AUTOGRAPH_*_URL"


def test_a_worker_that_takes_nothing_may_also_be_one_that_hangs() -> None:
    [one] = _consumer_findings("diagram.commands", 0, 0)
    assert one.do == "start the diagram worker, or restart it if it does not answer"
