"""What a log line looks like, and what never gets into one."""

import asyncio
import io
import json
import logging as stdlib_logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import structlog
from pydantic import SecretStr

from chassis import logging
from chassis.settings import SecretUrl


class Lines:
    """The log of one test, as it would stand on stdout."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def only(self) -> dict[str, Any]:
        [line] = self.all()
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = stdlib_logging.getLogger()
    before = (root.handlers[:], root.level)
    levels = {name: stdlib_logging.getLogger(name).level for name in logging.QUIET_LIBRARIES}
    captured = Lines()
    logging.configure("test", "DEBUG", json=True, stream=captured.stream)
    yield captured
    root.handlers[:], root.level = before
    for name, level in levels.items():
        stdlib_logging.getLogger(name).setLevel(level)
    stdlib_logging.captureWarnings(capture=False)
    structlog.reset_defaults()


log = logging.logger("somewhere")


def fails_near(something: str) -> None:
    raise RuntimeError(f"failed with {len(something)} characters")


def test_a_line_is_json_with_the_facts_as_fields(lines: Lines) -> None:
    log.info("diagram created", size_bytes=42, at=datetime(2026, 1, 1, tzinfo=UTC))

    line = lines.only()
    moment = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert line == {
        "event": "diagram created", "size_bytes": 42, "at": "2026-01-01T00:00:00Z",
        "level": "info", "logger": "somewhere", "service": "test", "pid": os.getpid(),
    }  # fmt: skip


async def test_what_is_bound_stands_on_every_line_of_the_task_and_its_children(lines: Lines) -> None:
    correlation_id = uuid4()

    async def child() -> None:
        log.info("child")

    with logging.bind(correlation_id=correlation_id, message="create_diagram"):
        log.info("ours")
        stdlib_logging.getLogger("library").info("theirs")
        await asyncio.create_task(child())
    log.info("after")

    *within, after = lines.all()
    assert [line["event"] for line in within] == ["ours", "theirs", "child"]
    assert {(line["correlation_id"], line["message"]) for line in within} == {(str(correlation_id), "create_diagram")}
    assert "correlation_id" not in after


@pytest.mark.parametrize(
    "microseconds", [0, 999_999, 1_000_000, 1_000_001, 1_795_903_199_999_999, 1_795_903_200_000_000]
)
def test_the_time_of_a_line_is_exact_to_the_microsecond(microseconds: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)

    assert logging._iso(microseconds) == moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def test_what_is_bound_within_stands_beside_what_was_bound_and_ends_before_it(lines: Lines) -> None:
    with logging.bind_trace("t-1"):
        with logging.bind(correlation_id="c-1", message="sign_in"):
            log.info("inner", message="its own")
        log.info("outer")

    inner, outer = lines.all()
    assert (inner["trace_id"], inner["correlation_id"], inner["message"]) == ("t-1", "c-1", "its own")
    assert outer["trace_id"] == "t-1"
    assert outer.keys().isdisjoint({"correlation_id", "message"})


async def test_tasks_beside_each_other_do_not_mix_what_is_bound(lines: Lines) -> None:
    met = asyncio.Barrier(2)

    async def request(correlation_id: str) -> None:
        with logging.bind(correlation_id=correlation_id):
            await met.wait()
            log.info("request", own=correlation_id)

    await asyncio.gather(request("a"), request("b"))

    # asyncio's debug mode reports a slow turn of the loop, which belongs to neither.
    own = [line for line in lines.all() if "own" in line]
    assert [line["correlation_id"] == line["own"] for line in own] == [True, True]


def test_an_exception_is_fields_and_shows_no_local_variable(lines: Lines) -> None:
    try:
        fails_near("hunter2")
    except RuntimeError:
        log.exception("handler_failed")
        stdlib_logging.getLogger("library").exception("theirs failed")

    for line in lines.all():
        [raised] = line["exception"]
        assert (raised["exc_type"], raised["exc_value"]) == ("RuntimeError", "failed with 7 characters")
        assert raised["frames"][-1]["name"] == "fails_near"
        assert line["level"] == "error"
    assert "hunter2" not in lines.stream.getvalue()


@pytest.mark.parametrize(
    "key",
    [
        "password", "new_password", "token", "refresh_token", "accessToken", "secret", "Authorization", "Set-Cookie",
        "key", "api_key", "X-Api-Key", "private_key", "otp", "credentials",
    ],
)  # fmt: skip
def test_the_value_of_a_secret_key_is_never_logged(lines: Lines, key: str) -> None:
    log.info("request", **{key: "hunter2"}, nested={"list": [{key: "hunter2"}]})

    assert lines.only()[key] == logging.REDACTED
    assert "hunter2" not in lines.stream.getvalue()


@pytest.mark.parametrize("key", ["routing_key", "token_type", "keyboard", "monkey", "key_id"])
def test_what_only_sounds_like_a_secret_is_logged(lines: Lines, key: str) -> None:
    log.info("request", **{key: "shown"})

    assert lines.only()[key] == "shown"


def test_a_password_in_a_url_is_never_logged_wherever_it_stands(lines: Lines) -> None:
    url = "amqp://user:hunter2@host:5672/v"
    log.info("connecting", url=url, tried=[{"where": url}], typed=SecretUrl(url), also=SecretStr("hunter2"))
    stdlib_logging.getLogger("library").warning("cannot connect to %s", url)
    log.error("lost", exc_info=ConnectionError(f"no route to {url}"))

    assert "hunter2" not in lines.stream.getvalue()
    assert lines.all()[0]["url"] == "amqp://user:***@host:5672/v"


def test_the_cosmetic_complaint_of_the_amqp_client_is_left_out_and_no_other(lines: Lines) -> None:
    client = stdlib_logging.getLogger("aio_pika.tools")
    client.error("Callback %r error: %s: %s", "OneShotCallback", "x", "No active transport in channel")
    client.error("Callback %r error: %s: %s", "OneShotCallback", "x", "something real")

    assert lines.only()["event"] == "Callback 'OneShotCallback' error: x: something real"


def test_the_s3_client_cannot_log_its_signatures(lines: Lines) -> None:
    stdlib_logging.getLogger("botocore.auth").debug("CanonicalRequest: …")
    stdlib_logging.getLogger("botocore").warning("shown")

    assert lines.only()["event"] == "shown"


def test_lines_below_the_level_are_left_out(lines: Lines) -> None:
    logging.configure("test", "WARNING", json=True, stream=lines.stream)
    log.info("left out")
    stdlib_logging.getLogger("library").info("left out")
    log.warning("shown")

    assert lines.only()["event"] == "shown"


def test_whatever_is_logged_makes_a_line(lines: Lines) -> None:
    class Unprintable:
        def __repr__(self) -> str:
            raise RuntimeError

        __str__ = __repr__

    deep: dict[str, Any] = {}
    deep["again"] = deep
    log.info("odd", surrogate="\ud800", number=float("nan"), raw=b"\xff", a_set={1}, thing=object())
    log.info("endless", value=deep)
    log.info("unprintable", value=Unprintable())

    assert [line["event"] for line in lines.all()] == ["odd", "endless", "unprintable"]


def test_a_reader_that_is_gone_fails_no_work(lines: Lines) -> None:
    lines.stream.close()

    log.info("nobody reads this")
    stdlib_logging.getLogger("library").warning("nor this")


def test_a_person_at_a_terminal_gets_text_without_local_variables(lines: Lines) -> None:
    logging.configure("test", "INFO", json=False, stream=lines.stream)
    try:
        fails_near("hunter2")
    except RuntimeError:
        log.exception("handler_failed", password="hunter2")

    text = lines.stream.getvalue()
    assert "handler_failed" in text
    assert "RuntimeError: failed with 7 characters" in text
    assert logging.REDACTED in text
    assert text.count("hunter2") == text.count('fails_near("hunter2")')  # a frame's source line, which is our code
