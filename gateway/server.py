"""The HTTP server: listens, answers malformed HTTP with a problem document, and drains without losing requests."""

import asyncio
import ctypes
import socket
import struct
import time

from aiohttp import web
from uuid_utils.compat import uuid7

from chassis.logging import logger
from gateway.edge import SECURITY_HEADERS
from gateway.problems import HttpProblem

FIRST_REQUEST_SECONDS = 2.0  # while draining: a new connection may still send its first request
POLL_SECONDS = 0.02
# A socket filter of one instruction, "keep 0 bytes" (Linux, Documentation/networking/filter.rst).
SO_ATTACH_FILTER = 26
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)

BACKLOG = 1024  # connections that wait to be accepted; the kernel's own limit is net.core.somaxconn

_log = logger(__name__)


class HttpConnection(web.RequestHandler):
    """aiohttp's handler, but malformed HTTP is answered with a problem document.

    aiohttp would answer with a traceback and the beginning of the request, which may contain a token.
    """

    __slots__ = ("created_at",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.created_at = time.monotonic()
        super().connection_made(transport)

    @property
    def is_new(self) -> bool:
        """Whether its first request may still arrive."""
        return self._request_count == 0 and time.monotonic() - self.created_at < FIRST_REQUEST_SECONDS

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes what was sent
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("An answer is on its way already")
        correlation_id = str(uuid7())
        if status >= 500:  # noqa: PLR2004 - ours
            _log.error("request_failed", correlation_id=correlation_id, exc_info=exc)
            problem = HttpProblem("internal_error", status=status)
        else:
            _log.debug("request_not_http", correlation_id=correlation_id, error=type(exc).__qualname__)
            problem = HttpProblem("malformed_request", status=status)
        response = problem.response(request, correlation_id)
        response.headers.update(SECURITY_HEADERS)
        response.headers["X-Correlation-ID"] = correlation_id
        response.force_close()
        return response


class HttpServer:
    """Serves *app* from ``start`` to ``close``.

    *idle_seconds*: how long a connection may wait for the next request's complete headers. aiohttp's default of an hour
    would let one client use up all file descriptors. Keep it longer than a load balancer's idle timeout (mostly 60 s):
    the load balancer must be the one to close, or it may send a request while this server closes.
    """

    def __init__(self, app: web.Application, *, drain_seconds: float, idle_seconds: float = 75.0) -> None:
        self._idle_seconds = idle_seconds
        self._drain_seconds = drain_seconds
        # No handler is cancelled: a client that disconnects must not stop a command half-way to the broker.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=drain_seconds, handler_cancellation=False)
        self._server: asyncio.Server | None = None
        self._sockets: list[socket.socket] = []
        self.urls: tuple[str, ...] = ()

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """*reuse_port*: several processes listen on the port, and the kernel distributes connections (SO_REUSEPORT)."""
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(
            self._connection, host, port, backlog=BACKLOG, reuse_port=reuse_port or None
        )
        self._sockets = [listening.dup() for listening in self._server.sockets]
        self.urls = tuple("http://{}:{}".format(*listening.getsockname()[:2]) for listening in self._sockets)

    def _connection(self) -> HttpConnection:
        handlers = self._runner.server
        assert handlers is not None
        return HttpConnection(
            handlers,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=self._idle_seconds,
            auto_decompress=False,  # body.py decompresses, with each endpoint's limits
        )

    async def close(self) -> None:
        """Stops accepting; returns once the requests in flight are answered or the time is over. Safe to repeat.

        Connections that exist by then are answered too, if their requests come soon.
        """
        await self._stop_listening()
        deadline = time.monotonic() + self._drain_seconds
        await asyncio.sleep(POLL_SECONDS)  # connections that were just accepted are set up in this time
        while self._has_new_connections() and time.monotonic() < deadline:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(POLL_SECONDS)
        await self._runner.cleanup()

    async def _stop_listening(self) -> None:
        if self._server is None:
            return
        server, self._server = self._server, None
        # Closing a listening socket resets the connections in its queue. So: drop new packets (clients try again in a
        # second, at a gateway that listens then), accept what is queued, close.
        for listening in self._sockets:
            _drop_new_connections(listening)
        await asyncio.sleep(POLL_SECONDS)
        server.close()
        for listening in self._sockets:
            await self._accept_pending(listening)
            listening.close()

    async def _accept_pending(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:  # the queue is empty, or the client has disconnected
                return
            accepted.setblocking(False)
            await loop.connect_accepted_socket(self._connection, accepted)

    def _has_new_connections(self) -> bool:
        handlers = self._runner.server
        return handlers is not None and any(
            isinstance(connection, HttpConnection) and connection.is_new for connection in handlers.connections
        )


def _drop_new_connections(listening: socket.socket) -> None:
    program = ctypes.create_string_buffer(DROP_ALL, len(DROP_ALL))
    try:
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))
    except OSError:  # not Linux: a connection that is made just now may be reset
        _log.debug("socket_filter_not_attached")
