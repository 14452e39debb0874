"""The edge on a port, also for those who do not quite speak HTTP."""

import asyncio

from aiohttp import web
from uuid_utils.compat import uuid7

from chassis.logging import logger
from gateway.edge import SECURITY_HEADERS
from gateway.problems import Problem

BACKLOG = 1024  # connections that wait to be accepted; the kernel's own limit is net.core.somaxconn

_log = logger(__name__)


class Connection(web.RequestHandler):
    """aiohttp's, but what cannot be read as HTTP gets a problem document.

    aiohttp would write an error with a trace, and with the beginning of what was sent: perhaps a token.
    """

    __slots__ = ()

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
            _log.error("request failed", correlation_id=correlation_id, exc_info=exc)
            problem = Problem("internal_error", status=status)
        else:
            _log.debug("not HTTP", correlation_id=correlation_id, error=type(exc).__qualname__)
            problem = Problem("malformed_request", status=status)
        response = problem.response(request, correlation_id)
        response.headers.update(SECURITY_HEADERS)
        response.headers["X-Correlation-ID"] = correlation_id
        response.force_close()
        return response


class Listening:
    """*app* on a port, from ``start`` to ``close``.

    *idle_seconds*: for a request's whole head to come, from when the connection was made or was last answered on.
    aiohttp's own hour lets one client hold all the files that this process may open. Longer than load balancers keep a
    connection (60 s mostly): they must be the ones to close it, or a request of theirs crosses our closing.
    """

    def __init__(self, app: web.Application, *, drain_seconds: float, idle_seconds: float = 75.0) -> None:
        self._idle_seconds = idle_seconds
        # No handler is cancelled: a client that leaves must not stop a command half-way to the broker.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=drain_seconds, handler_cancellation=False)
        self._server: asyncio.Server | None = None
        self.urls: tuple[str, ...] = ()

    async def start(self, host: str, port: int) -> None:
        await self._runner.setup()
        handlers = self._runner.server
        assert handlers is not None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(
                handlers,
                loop=loop,
                access_log=None,  # type: ignore[arg-type]
                keepalive_timeout=self._idle_seconds,
                auto_decompress=False,  # each endpoint says which codings it reads, and how far they may unpack
            ),
            host,
            port,
            backlog=BACKLOG,
        )
        self.urls = tuple("http://{}:{}".format(*socket.getsockname()[:2]) for socket in self._server.sockets)

    async def close(self) -> None:
        """Accepts no more, and returns once what is in hand was answered or the time is over. Safe to repeat."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
