"""Structured logs: JSON lines on stdout, with the correlation id of the request and without secrets."""

import logging
import os
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TextIO
from uuid import UUID

import structlog
from pydantic_core import to_json
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import FilteringBoundLogger, Processor

REDACTED: Final = "[redacted]"
SECRET_WORDS: Final = (
    "password", "passwd", "passphrase", "token", "secret", "authorization", "cookie", "credential", "apikey", "otp",
)  # fmt: skip
NOT_SECRET: Final = frozenset({"routing_key", "partition_key", "partitionkey", "token_type", "key_type"})
URL_PASSWORD: Final = re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/@]+@", re.IGNORECASE)
MAX_DEPTH: Final = 8  # levels of nesting that are searched for secrets; deeper values are cut off

# Libraries whose DEBUG lines have secrets (request signatures) or are too many.
QUIET_LIBRARIES: Final = ("botocore", "aiobotocore", "aio_pika", "aiormq", "asyncio")


def configure(service: str, level: str, *, json: bool, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's logs to *stream* (stdout), one line for each event."""
    out = stream or sys.stdout
    facts = _facts_of_every_line(service)
    render: list[Processor] = (
        [ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), redact, _render_json]
        if json
        else [
            redact,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]  # no local variables
    )
    structlog.configure(
        processors=[facts, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *name: _Lines(out, *name),
        cache_logger_on_first_use=False,  # module-level loggers must follow a later configure()
    )
    handler = _LinesHandler(out)
    handler.addFilter(_is_news)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[facts],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for library in QUIET_LIBRARIES:
        logging.getLogger(library).setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level]))
    logging.captureWarnings(capture=True)


def bind(*, correlation_id: str | UUID, **facts: Any) -> AbstractContextManager[None]:
    """Add *correlation_id* and *facts* (``message=…``) to every line that this task and its children log."""
    return _Bound({"correlation_id": str(correlation_id), **facts})


def bind_trace(trace_id: str) -> AbstractContextManager[None]:
    """Add *trace_id* to every line that this task and its children log."""
    return _Bound({"trace_id": trace_id})


def logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines have *name* as ``logger``. It follows a later ``configure``.

    Events are constants in snake_case, such as ``outbox_sweep_failed``; all that varies is a field.
    """
    bound: FilteringBoundLogger = structlog.get_logger(name)
    return bound


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if is_secret(key) and value is not None:
            event[key] = REDACTED
        elif not isinstance(value, str) or "://" in value:  # most values are plain text
            event[key] = _without_secrets(value, MAX_DEPTH)
    return event


@lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    lowered = key.lower().replace("-", "_")
    if lowered in NOT_SECRET:
        return False
    return lowered == "key" or lowered.endswith("_key") or any(word in lowered for word in SECRET_WORDS)


def _without_secrets(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return URL_PASSWORD.sub(r"\g<head>:***@", value) if "://" in value else value
    if isinstance(value, dict):
        if levels == 0:
            return "…"
        return {
            key: REDACTED if is_secret(str(key)) and inner is not None else _without_secrets(inner, levels - 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return "…" if levels == 0 else [_without_secrets(inner, levels - 1) for inner in value]
    return value


def _render_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    # Unknown objects are rendered by str(), which masks secret types.
    try:
        return to_json(event, fallback=str, inf_nan_mode="strings").decode()
    except ValueError:  # a lone surrogate, bytes that are not UTF-8, a str() that raises: log the line all the same
        return to_json({key: _printable(value) for key, value in event.items()}, inf_nan_mode="strings").decode()


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if value is None or isinstance(value, int | float):
        return value
    try:
        return ascii(value)
    except Exception:  # noqa: BLE001  # any object may be logged
        return f"[unprintable {type(value).__name__}]"


# One variable for all fields: structlog's contextvars has one for each, and reads the whole context for each line.
_BOUND: ContextVar[Mapping[str, Any]] = ContextVar("bound", default=MappingProxyType({}))


class _Bound:
    """Used for each request and message: ``contextlib.contextmanager`` takes four times as long."""

    __slots__ = ("_facts", "_token")

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts
        self._token: Token[Mapping[str, Any]] | None = None

    def __enter__(self) -> None:
        self._token = _BOUND.set({**_BOUND.get(), **self._facts})

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _BOUND.reset(self._token)


def _facts_of_every_line(service: str) -> Processor:
    pid = os.getpid()

    def add(logger: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in _BOUND.get().items():
            event.setdefault(key, value)
        event["level"] = level
        event["logger"] = event.get("_record", logger).name  # a line of the standard library's logging has a record
        event["timestamp"] = _iso(time.time_ns() // 1_000)
        event["service"] = service
        event["pid"] = pid
        return event

    return add


def _iso(microseconds: int) -> str:
    return f"{_second(microseconds // 1_000_000)}.{microseconds % 1_000_000:06d}Z"


@lru_cache(maxsize=1)  # shared by all lines of one second
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _is_news(record: logging.LogRecord) -> bool:
    # aio-pika logs its callbacks' failures for each lost connection; `broker_link_lost` reports the loss.
    return not (
        record.name.startswith(("aio_pika", "aiormq")) and "No active transport in channel" in record.getMessage()
    )


class _Lines:
    """Writes whole lines. Never raises: stdout may be closed, and a log line must not make a request fail."""

    def __init__(self, out: TextIO, name: str = "") -> None:
        self.name = name
        self._out = out

    def msg(self, line: str) -> None:
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except (OSError, ValueError):
            pass

    debug = info = warning = error = critical = exception = fatal = log = msg


class _LinesHandler(logging.Handler):
    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._lines = _Lines(out)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  # a broken log call of a library: handled as logging does
            self.handleError(record)
            return
        self._lines.msg(line)
