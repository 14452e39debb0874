"""What a request costs: memory in proportion to its bytes, whatever they are, at every endpoint."""

import asyncio
import gzip
import io
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.api.table import ENDPOINTS
from gateway.body import MAX_RATIO
from gateway.endpoint import Endpoint
from gateway.own_page import RENEWAL_COOKIE
from tests.integration.gateway.scene import DIAGRAM, SESSION, as_json

LARGE, SMALL = 4_000_000, 8_000
MOST_TIMES = 10
# Beside that: small documents are parsed into objects, of which there are few as they are small.
FIXED_BYTES = 3 * 1024 * 1024

PLACES = {
    "body": (b"[", b"]"),
    "email": (b'{"password":"a long password","email":[', b"]}"),
    "unknown": (b'{"title":"Plan","type":"canvas","unknown":[', b"]}"),
    "tags": (b'{"title":"Plan","type":"canvas","tags":[', b"]}"),
    "canvas": (b'{"title":"Plan","type":"canvas","canvas_data":{"elements":[', b"]}}"),
}
ITEMS = {
    "lists": b"[]",
    "objects": b"{}",
    "objects in objects": b'{"":{}}',
    "short strings": b'"a"',
    "numbers": b"1.5",
    "points": b'{"x":1.5,"y":-2.5}',
    "escapes": rb'"\n\"\\"',
    "deep": b"[" * 60 + b"]" * 60,
}


def filled(place: str, item: bytes, size: int) -> bytes:
    before, after = PLACES[place]
    return before + b",".join([item] * (size // (len(item) + 1))) + after


def names(place: str, size: int) -> bytes:
    before, after = PLACES[place]
    return before + b"{" + b",".join(b'"%x":0' % number for number in range(size // 10)) + b"}" + after


WORST = ("lists", "objects in objects")  # as objects of Python
BODIES = {
    **{f"{kind} in {place}": (place, ITEMS[kind]) for place in PLACES for kind in WORST},
    **{f"{kind} in canvas": ("canvas", item) for kind, item in ITEMS.items()},
    "names in canvas": ("canvas", None),
    "names in tags": ("tags", None),
    "errors": ("errors", None),
    "abyss": ("abyss", None),
    "string": ("string", None),
}


def body_of(name: str, size: int) -> bytes:
    place, item = BODIES[name]
    match place:
        case "errors":
            return b"{" + b",".join(b'"%x":{}' % number for number in range(size // 11)) + b"}"
        case "abyss":
            return b"[" * size
        case "string":
            return b'{"title":"Plan","type":"note","note_content":"%b"}' % (b"a,[{" * (size // 4))
    return names(place, size) if item is None else filled(place, item, size)


OWN_PAGE = {"Sec-Fetch-Site": "same-origin", "X-AutoGraph-Page": "1", "Cookie": f"{RENEWAL_COOKIE}=0.spent"}


class Gateway:
    def __init__(self, http: aiohttp.ClientSession, side_port: int, url: str) -> None:
        self._http = http
        self._side = f"http://127.0.0.1:{side_port}"
        self._url = url

    async def peak_of(self, row: Endpoint, body: bytes, **headers: str) -> tuple[int, int]:
        """The status, and how many bytes of memory the request took."""
        async with self._http.post(f"{self._side}/forget") as answer:
            before = await answer.json()
        path = row.path.format(id=DIAGRAM, session_id=SESSION, number=1)
        async with self._http.request(
            row.method,
            self._url + path,
            data=io.BytesIO(body),
            headers=as_json(**{"Content-Length": str(len(body))}, **headers, **(OWN_PAGE if row.from_page else {})),
        ) as answer:
            await answer.read()
            status = answer.status
        async with self._http.get(f"{self._side}/peak") as answer:
            return status, await answer.json() - before


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.gateway.memory_program", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        side_port, url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()
        async with aiohttp.ClientSession() as http:
            yield Gateway(http, int(side_port), url)
    finally:
        process.kill()
        await process.wait()


ROWS = [row for row in ENDPOINTS if row.when is None or not row.when[1]]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")


@rows
async def test_a_request_takes_at_most_ten_times_its_bytes_whatever_they_are(gateway: Gateway, row: Endpoint) -> None:
    over = {}
    # A large body is refused by its length where no content is taken: one shows it.
    large = BODIES if row.request.opaque else ["objects in objects in email"]
    for size, name in [*((SMALL, name) for name in BODIES), *((LARGE, name) for name in large)]:
        body = body_of(name, size)
        status, peak = await gateway.peak_of(row, body)
        assert status not in (401, 503), name
        if peak > MOST_TIMES * len(body) + FIXED_BYTES:
            over[name, size] = f"{peak / len(body):.1f} times {len(body)}"
    assert not over


@rows
async def test_what_a_packed_request_may_unpack_to_is_bounded(gateway: Gateway, row: Endpoint) -> None:
    for name in ("objects in objects in canvas", "abyss"):
        packed = gzip.compress(body_of(name, LARGE))
        status, peak = await gateway.peak_of(row, packed, **{"Content-Encoding": "gzip"})
        assert status == (413 if row.request.opaque else 415), name
        assert peak <= MOST_TIMES * MAX_RATIO * len(packed) + FIXED_BYTES
        assert peak <= LARGE
