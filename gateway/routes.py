"""aiohttp routes: those of the API's table, and those for documents, keys, health and metrics."""

from collections.abc import Awaitable, Callable
from itertools import groupby

from aiohttp import web
from prometheus_client import CollectorRegistry
from pydantic_core import to_json

from chassis.byte_budget import SharedBudget
from chassis.health import Health, HealthReport
from chassis.side_port import operational_routes
from gateway.api.table import ENDPOINTS
from gateway.body import limit_bodies
from gateway.browser import Answer, page_route
from gateway.compression import GZIP, accepts_gzip, compress
from gateway.docs_page import CONTENT_SECURITY_POLICY
from gateway.docs_page import page as docs_page
from gateway.edge import Edge
from gateway.endpoint import Endpoint
from gateway.openapi import document
from gateway.own_page import OwnPage
from gateway.page import Page
from gateway.preconditions import whole_header
from gateway.request_handler import RequestHandler
from gateway.responses import JSON
from gateway.settings import GatewaySettings
from gateway.status import StatusReport
from gateway.tokens import PublicKeyCache

LARGE_BODIES_PER_CLIENT_BYTES = (
    16 * 1024 * 1024
)  # of one client in memory at once: each costs seconds of CPU on its way to the database
LARGE_BODIES_BYTES = 64 * 1024 * 1024  # of all clients in memory at once; sending one takes about four times its size


def application(
    settings: GatewaySettings,
    edge: Edge,
    request_handler: RequestHandler,
    keys: PublicKeyCache,
    status: StatusReport,
    *,
    own_page: OwnPage,
    page: Page,
    registry: CollectorRegistry,
    health: Health,
) -> web.Application:
    app = web.Application(middlewares=[edge.middleware()], client_max_size=settings.max_body_bytes)
    max_bytes = settings.max_body_bytes
    limit_bodies(app, SharedBudget(max(LARGE_BODIES_BYTES, max_bytes), max(LARGE_BODIES_PER_CLIENT_BYTES, max_bytes)))
    # A path's routes follow each other, so that aiohttp keeps them in one resource: it tries resource after resource.
    # It answers HEAD where there is a GET (RFC 9110 9.3.2).
    table = sorted(ENDPOINTS, key=_path_and_method)
    app.add_routes(
        web.route(method, path, _route_handler(request_handler, tuple(rows), own_page))
        for (path, method), rows in groupby(table, key=_path_and_method)
    )
    app.add_routes([web.get("/api/commands/{address}", request_handler.command_outcome)])
    app.add_routes([web.get("/api/admin/status", status.answering(request_handler.signed_in))])
    app.add_routes(_document_routes(settings, keys))
    edge.initialise_failure_counters(app.router.routes())  # not of the routes below, which users do not call
    app.add_routes(operational_routes(registry, health) if settings.public_details else _health_status_routes(health))
    app.add_routes(page.routes())  # last: it takes what no other route takes
    return app


def _path_and_method(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.path, endpoint.method


def _route_handler(request_handler: RequestHandler, rows: tuple[Endpoint, ...], own_page: OwnPage) -> Answer:
    if rows[0].from_page:
        return page_route(request_handler.handle, rows[0], own_page)

    async def answer(http: web.Request) -> web.Response:
        return await request_handler.handle(rows, http)

    return answer


def _health_status_routes(health: Health) -> list[web.RouteDef]:
    """For load balancers: the status only. Details are shown on the side port."""

    def answering(ask: Callable[[], Awaitable[HealthReport]]) -> Answer:
        async def answer(_: web.Request) -> web.Response:
            report = await ask()
            return web.json_response({"status": report.status}, status=200 if report.good else 503)

        return answer

    paths = {"/health": health.ready, "/health/live": health.live, "/health/ready": health.ready}
    return [web.get(path, answering(ask)) for path, ask in paths.items()]


def _document_routes(settings: GatewaySettings, keys: PublicKeyCache) -> list[web.RouteDef]:
    described = document()
    if settings.public_url is not None:
        described["servers"] = [{"url": settings.public_url.get_secret_value().rstrip("/")}]
    page_headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Content-Type": "text/html; charset=utf-8"}

    async def jwks(_: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=300"}
        return web.Response(body=to_json(keys.jwks()), content_type="application/json", headers=headers)

    return [
        web.get("/api/openapi.json", _static_answer(to_json(described), {"Content-Type": JSON})),
        web.get("/api/docs", _static_answer(docs_page(described).encode(), page_headers)),
        web.get("/.well-known/jwks.json", jwks),
    ]


def _static_answer(body: bytes, headers: dict[str, str]) -> Answer:
    """A response that is the same for all clients, compressed once."""
    headers = {**headers, "Cache-Control": "max-age=300", "Vary": "Accept-Encoding"}
    compressed = compress(body, level=9)

    async def answer(http: web.Request) -> web.Response:
        if accepts_gzip(whole_header(http, "Accept-Encoding")):
            return web.Response(body=compressed, headers={**headers, "Content-Encoding": GZIP})
        return web.Response(body=body, headers=headers)

    return answer
