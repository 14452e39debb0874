"""Serves the built page (``web/``) from memory, each file with the content security policy that it needs.

``gateway/page/`` holds the build: ``index.html``, which every address of the page gets, and assets whose names change
with their content. Nothing of it is generated per request, so that a policy without nonces can be strict.
"""

import asyncio
import hashlib
import mimetypes
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import web

from gateway.compression import GZIP, accepts_gzip, compress
from gateway.origin import OwnOrigin
from gateway.preconditions import whole_header

# The directives, and what breaks without each, were found in a browser: docs/security.md, "The page".
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "style-src-attr 'unsafe-inline'; "  # what Excalidraw exports, and what it shows of libraries
    "img-src 'self' blob: data:; "  # images on a canvas, its cursors, and previews
    "font-src 'self'; connect-src 'self'; worker-src 'self'; "
    "frame-src 'self'; "  # the frame that draws Mermaid
    "manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
# Mermaid writes style elements. It runs in an origin of its own, without network, cookies or the page's storage.
FRAME_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src {origin}; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
# A worker has the policy of its own answer. Excalidraw's subsets fonts by WebAssembly, whose glue is made by Function.
WORKER_POLICY: Final = "default-src 'none'; script-src 'self' 'unsafe-eval'; connect-src 'self'"
PERMISSIONS: Final = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

INDEX, FRAME, API_DOCS = "/index.html", "/mermaid-frame.html", "/api-docs.html"
# Their names change with their content, or with Excalidraw's version.
_IMMUTABLE = ("/assets/", "/excalidraw/")
_COMPRESSED = {".css", ".html", ".js", ".json", ".svg", ".txt"}
# The first segment of the page's own addresses (``web/src/app/routes.ts``).
PAGES: Final = frozenset({"", "account", "d", "recent", "status", "trash"})
_HOST = re.compile(r"^https?://[A-Za-z0-9.:\[\]-]+$")
_TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml", ".txt": "text/plain"}


@dataclass(frozen=True, slots=True)
class PageFile:
    content: bytes
    compressed: bytes | None  # None: it is compressed by its format
    tag: str
    content_type: str


_loaded: dict[str, PageFile] = {}  # in the life of the process: compressing all takes 0.4 s of CPU


def _load(path: str) -> PageFile:
    """The file of the build."""
    content = _find(path).read_bytes()
    suffix = path[path.rindex(".") :]
    kind = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    compressed = compress(content, level=9) if suffix in _COMPRESSED else None
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return PageFile(content, compressed, tag, f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)


def _find(path: str) -> Traversable:
    return resources.files("gateway").joinpath("page", *path.strip("/").split("/"))


@cache
def _names() -> frozenset[str]:
    root = resources.files("gateway").joinpath("page")
    return frozenset(_names_in(root, "")) if root.is_dir() else frozenset()


def _names_in(folder: Traversable, path: str) -> Iterator[str]:
    for entry in folder.iterdir():
        name = f"{path}/{entry.name}"
        if entry.is_dir():
            yield from _names_in(entry, name)
        else:
            yield name


class Page:
    def __init__(self, origin: OwnOrigin) -> None:
        self._origin = origin

    def routes(self) -> Iterable[web.RouteDef]:
        """For what no other route takes. Under ``/api/`` there is one page: an unknown address stays a problem."""
        return [web.get("/api/docs/try", self.api_docs), web.get("/{page:(?!api/).*}", self.answer)]

    async def api_docs(self, http: web.Request) -> web.Response:
        return await self.file(http, API_DOCS)

    async def answer(self, http: web.Request) -> web.Response:
        path = http.path
        if path in _names() and path != INDEX:
            return await self.file(http, path)
        if path.strip("/").partition("/")[0] in PAGES:
            return await self.file(http, INDEX)
        if "text/html" in http.headers.get("Accept", ""):  # a person: the page says that there is nothing here
            return await self.file(http, INDEX, status=404)
        raise web.HTTPNotFound

    async def file(self, http: web.Request, path: str, *, status: int = 200) -> web.Response:
        """The file of that *path* in the build."""
        found = _loaded.get(path)
        if found is None:
            found = _loaded[path] = await asyncio.to_thread(_load, path)
        headers = self._headers(http, path, found)
        if status == 200 and whole_header(http, "If-None-Match") == found.tag:  # noqa: PLR2004 - found
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = found.content_type
        if found.compressed is not None and accepts_gzip(whole_header(http, "Accept-Encoding")):
            return web.Response(status=status, body=found.compressed, headers={**headers, "Content-Encoding": GZIP})
        return web.Response(status=status, body=found.content, headers=headers)

    def _headers(self, http: web.Request, path: str, found: PageFile) -> dict[str, str]:
        is_immutable = path.startswith(_IMMUTABLE)
        headers = {
            "ETag": found.tag,
            "Vary": "Accept-Encoding",
            "Cache-Control": "public, max-age=31536000, immutable" if is_immutable else "no-cache",
        }
        if path == FRAME:
            headers["Content-Security-Policy"] = FRAME_POLICY.format(origin=self._frame_origin(http))
            headers["X-Frame-Options"] = "SAMEORIGIN"
        elif path.endswith(".html"):
            headers["Content-Security-Policy"] = POLICY
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["Permissions-Policy"] = PERMISSIONS
        elif "worker" in path:
            headers["Content-Security-Policy"] = WORKER_POLICY
        if is_immutable:  # the frame's origin is not ours: it loads its modules with CORS. They are the same for all.
            headers |= {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
        return headers

    def _frame_origin(self, http: web.Request) -> str:
        """In a policy ``'self'`` is the frame's own origin, which is none. A Host header is a client's text."""
        origin = self._origin.of(http)
        return origin if _HOST.fullmatch(origin) else "'none'"
