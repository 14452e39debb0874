"""OpenTelemetry tracing, if configured: spans of requests, deliveries and statements.

The envelope's ``traceparent`` connects them. While tracing is off, its libraries are not imported, and a request only
evaluates ``ON``.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from chassis.logging import bind_trace

if TYPE_CHECKING:
    from asyncpg.connection import LoggedQuery
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import SpanKind, Tracer

    from chassis.database import Connection, DirectConnection

ON = False
EXPORT_SECONDS: Final = 5.0
FLUSH_SECONDS: Final = 2.0  # an unavailable collector must not delay a drain
QUERY_CHARACTERS: Final = 1_000

_tracer: "Tracer"
_provider: "TracerProvider | None" = None


class Span:
    """A span, with its ids as other services refer to them."""

    def __init__(self, span: "OtelSpan") -> None:
        self._span = span
        context = span.get_span_context()
        self.trace_id = f"{context.trace_id:032x}"
        self.traceparent = f"00-{self.trace_id}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def ended(self, name: str, *, error: bool, **attributes: str | int) -> None:
        """*attributes*: names with ``__`` for dots."""
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - imported only if tracing is on

        self._span.update_name(name)
        for key, value in attributes.items():
            self._span.set_attribute(key.replace("__", "."), value)
        if error:
            self._span.set_status(StatusCode.ERROR)


def configure(service: str, version: str, url: str, ratio: float) -> None:
    """Trace from now on, and export to *url*, a collector's OTLP over HTTP (``http://collector:4318``).

    *ratio*: the share of traces that is recorded, chosen by their id: all services record the same ones, whatever a
    client's ``traceparent`` says.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - as above
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased  # noqa: PLC0415 - as above

    global ON, _provider, _tracer  # noqa: PLW0603 - one for each process
    resource = Resource.create(
        {"service.name": f"autograph-{service}", "service.namespace": "autograph", "service.version": version}
    )
    _provider = TracerProvider(resource=resource, sampler=TraceIdRatioBased(ratio), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("autograph", version)
    ON = True


def shutdown() -> None:
    """Export the remaining spans, for ``FLUSH_SECONDS`` at most. Blocks."""
    global ON, _provider  # noqa: PLW0603 - as above
    ON = False
    if _provider is not None:
        last = Thread(target=_provider.shutdown, daemon=True)
        last.start()
        last.join(FLUSH_SECONDS)
        _provider = None


@contextmanager
def server_span(method: str, parent: str | None) -> Iterator[Span]:
    """The span of a request at the gateway. *parent*: the client's ``traceparent``."""
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 - as above

    with _current(method, SpanKind.SERVER, parent, {"http.request.method": method}) as span:
        yield span


@contextmanager
def consumer_span(message: str, queue: str, parent: str | None) -> Iterator[Span]:
    """The span of a delivery in a worker. *parent*: its envelope's ``traceparent``."""
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 - as above

    facts = {"messaging.system": "rabbitmq", "messaging.operation.type": "process", "messaging.destination.name": queue}
    with _current(f"process {message}", SpanKind.CONSUMER, parent, facts) as span:
        yield span


def is_recording() -> bool:
    """Whether the current trace is recorded. Call it only while ``ON``."""
    from opentelemetry.trace import get_current_span  # noqa: PLC0415 - as above

    return get_current_span().is_recording()


def trace_statements(connection: "Connection | DirectConnection") -> None:
    """Make a span of each statement on *connection*, within the current span."""
    connection.add_query_logger(_statement)


@contextmanager
def _current(name: str, kind: "SpanKind", parent: str | None, attributes: dict[str, str]) -> Iterator[Span]:
    context = _remote(parent) if parent else None
    with _tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as otel:
        span = Span(otel)
        with bind_trace(span.trace_id):
            yield span


def _remote(traceparent: str) -> "Context":
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - as above

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent})


def _statement(record: "LoggedQuery") -> None:
    """Called by asyncpg right after the statement, in the context of its task."""
    from opentelemetry.trace import SpanKind, StatusCode, get_current_span  # noqa: PLC0415 - as above

    if not ON or not get_current_span().get_span_context().is_valid:  # outside a request, such as the outbox sweep
        return
    ended = time.time_ns()
    query = _SPACE.sub(" ", record.query).strip()
    facts: dict[str, Any] = {"db.system.name": "postgresql", "db.query.text": query[:QUERY_CHARACTERS]}
    span = _tracer.start_span(
        query.partition(" ")[0].upper() or "SQL",
        kind=SpanKind.CLIENT,
        attributes=facts,
        start_time=ended - int(record.elapsed * 1e9),
    )
    if record.exception is not None:
        span.set_status(StatusCode.ERROR, type(record.exception).__name__)
    span.end(ended)


_SPACE: Final = re.compile(r"\s+")
