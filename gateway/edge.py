"""The outermost middleware: correlation id, security headers, CORS, metrics and one log line per request."""

import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Middleware
from uuid_utils import uuid7  # only its text is needed; uuid.UUID is slower to build and format

from chassis import tracing
from chassis.logging import bind, logger
from gateway.admission import ACTOR, RATE_LIMIT
from gateway.body import release_body
from gateway.metrics import GatewayMetrics
from gateway.problems import CODE, FAILURES, PREFIX, HttpProblem
from gateway.request_slots import SLOT, RequestSlot, RequestSlots
from gateway.settings import GatewaySettings

CORRELATION = web.RequestKey("correlation", str)
TRACEPARENT = web.RequestKey("traceparent", str)
_CORRELATION = re.compile(r"^[A-Za-z0-9._~:/+=-]{1,128}$")
_TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")

SECURITY_HEADERS = {
    "Server": "autograph",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = {"Strict-Transport-Security": "max-age=31536000"}  # a year; this host only, without subdomains
EXPOSED_HEADERS = (
    "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Correlation-ID, Idempotent-Replayed, "
    "Preference-Applied"
)
ALLOWED_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, X-Correlation-ID, traceparent"
)

# In a path: a resource's id behind the plural of its type.
_ITEM = re.compile(r"/([a-z]+)s/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=/|$)", re.IGNORECASE)

_log = logger("gateway.requests")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READS = ("GET", "HEAD")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Edge:
    """The one middleware."""

    def __init__(
        self, settings: GatewaySettings, metrics: GatewayMetrics, *, network_of: Callable[[web.Request], str]
    ) -> None:
        """*network_of* gives the client's network, for the limit of concurrent requests per network."""
        self._metrics = metrics
        self._prefix = settings.path_prefix
        self._security_headers = SECURITY_HEADERS | (HSTS if settings.is_public_over_tls else {})
        self._origins = frozenset(settings.cors_origins)
        self._network_of = network_of
        self._slots = RequestSlots(settings.max_concurrent_requests, settings.max_concurrent_requests_per_address)
        metrics.active.set_function(lambda: self._slots.in_flight)
        self.draining = False  # responses then close their connections, so that clients reconnect to another gateway

    def initialise_failure_counters(self, routes: Iterable[web.AbstractRoute]) -> None:
        """Create the counters at 0: Prometheus sees no increase in a series that begins with its first failures."""
        for route in routes:
            assert route.resource is not None
            for status in FAILURES:
                self._metrics.requests(route.method, route.resource.canonical, status)

    def middleware(self) -> Middleware:
        @web.middleware
        async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._trace(request, handler)

        return edge

    async def _trace(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        request[PREFIX] = self._prefix
        correlation_id = request.headers.get("X-Correlation-ID", "")
        if not _CORRELATION.match(correlation_id):
            correlation_id = str(uuid7())
        request[CORRELATION] = correlation_id
        traceparent = request.headers.get("traceparent", "")
        if not _TRACEPARENT.match(traceparent):
            # Not sampled (flags 00). The ids must not be zero (W3C Trace Context).
            traceparent = f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-00"
        if not tracing.ON or request.path.startswith("/health/"):
            request[TRACEPARENT] = traceparent
            return await self._measure(request, handler, correlation_id, started)
        with tracing.server_span(_method(request), traceparent) as span:
            request[TRACEPARENT] = span.traceparent
            response = await self._measure(request, handler, correlation_id, started)
            span.ended(
                f"{_method(request)} {_path(request)}",
                error=response.status >= 500,  # noqa: PLR2004 - ours
                http__route=_path(request),
                http__response__status_code=response.status,
                autograph__correlation_id=correlation_id,
            )
            return response

    async def _measure(
        self, request: web.Request, handler: Handler, correlation_id: str, started: float
    ) -> web.StreamResponse:
        slot = request[SLOT] = RequestSlot(self._slots, self._network_of(request))
        try:
            with bind(correlation_id=correlation_id):
                response = await self._answer(request, handler, correlation_id)
                self._add_headers(request, response, correlation_id)
                seconds = time.perf_counter() - started
                method, path = _method(request), _path(request)
                self._metrics.requests(method, path, response.status).inc()
                self._metrics.duration(method, path).observe(seconds)
                # Successful reads are logged at DEBUG only: a log line costs a tenth of a cached read.
                level = logging.DEBUG if request.method in _READS and response.status < 400 else logging.INFO  # noqa: PLR2004 - refusals
                if logging.root.isEnabledFor(level):
                    milliseconds = round(seconds * 1000, 2)
                    _log.log(
                        level,
                        "request_answered",
                        method=method,
                        path=path,
                        status=response.status,
                        milliseconds=milliseconds,
                        **_log_fields(request, response),
                    )
                return response
        finally:
            slot.release()
            if request.body_exists:
                release_body(request)

    async def _answer(self, request: web.Request, handler: Handler, correlation_id: str) -> web.StreamResponse:  # noqa: PLR0911 - a return for each kind of end
        try:
            if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
                return web.Response(status=204)
            _check_transfer_coding(request)
            if request.path.startswith("/api/"):
                slot = request[SLOT]
                slot.check_share()
                if request.content.is_eof():  # otherwise it starts once its body has arrived
                    slot.start()
            return await handler(request)
        except HttpProblem as problem:
            response = problem.response(request, correlation_id)
            if not request.content.is_eof():  # do not wait for the rest of the body
                response.force_close()
            return response
        except web.HTTPMethodNotAllowed as error:
            allow = ", ".join(sorted(error.allowed_methods))
            return HttpProblem("method_not_allowed", headers={"Allow": allow}).response(request, correlation_id)
        except web.HTTPRequestEntityTooLarge:
            return HttpProblem("body_too_large").response(request, correlation_id)
        except web.HTTPException as error:
            code = "not_found" if error.status == 404 else "malformed_header"  # noqa: PLR2004 - nothing here
            return HttpProblem(code, status=error.status).response(request, correlation_id)
        except Exception:  # noqa: BLE001 - answered with 500 and logged
            _log.exception("request_failed")
            return HttpProblem("internal_error").response(request, correlation_id)

    def _add_headers(self, request: web.Request, response: web.StreamResponse, correlation_id: str) -> None:
        headers = response.headers
        headers["X-Correlation-ID"] = correlation_id
        for name, value in self._security_headers.items():
            headers.setdefault(name, value)
        headers.setdefault("Cache-Control", "no-store")
        headers["traceparent"] = request[TRACEPARENT]
        verdict = request.get(RATE_LIMIT)
        if verdict is not None and verdict.usages:
            headers["RateLimit"] = verdict.rate_limit
            headers["RateLimit-Policy"] = verdict.rate_limit_policy
        origin = request.headers.get("Origin")
        if self._origins:
            headers["Vary"] = f"{headers['Vary']}, Origin" if "Vary" in headers else "Origin"
        if origin is not None and (origin in self._origins or "*" in self._origins):
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            if request.method == "OPTIONS":
                headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, PUT, PATCH, DELETE"
                headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
                headers["Access-Control-Max-Age"] = "600"
        if self.draining:
            response.force_close()


def _check_transfer_coding(request: web.Request) -> None:
    """Aiohttp takes any list that ends in ``chunked`` for plain chunked, and would pass on a body still encoded."""
    if "Transfer-Encoding" not in request.headers:
        return
    codings = ",".join(request.headers.getall("Transfer-Encoding"))
    if codings and codings.strip().lower() != "chunked":
        raise HttpProblem("malformed_request", "The only supported transfer coding is chunked")


def _log_fields(request: web.Request, response: web.StreamResponse) -> dict[str, str]:
    """Caller, subject and refusal code; ids only."""
    facts = {}
    actor = request.get(ACTOR)
    code = request.get(CODE)
    if actor is not None or code is not None:
        facts["caller"] = "unknown" if actor is None else actor.key
    if code is not None:
        facts["code"] = code
    # The Location header names a new resource.
    if found := _ITEM.search(request.path) or _ITEM.search(response.headers.get("Location", "")):
        facts["subject"] = f"{found[1]}/{found[2]}"
    return facts


def _method(request: web.Request) -> str:
    """Unknown methods share one label value: clients may send any text, and each value makes a series."""
    return request.method if request.method in METHODS else "other"


def _path(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
