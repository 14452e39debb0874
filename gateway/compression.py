"""Compresses large responses with gzip if the client accepts it.

Each row of the API's table opts in: the length of a compressed response that holds a secret beside text of an
attacker's choice reveals the secret (BREACH). Neither br nor zstd: the standard library has neither in all supported
versions of Python, and gzip at level 1 shrinks a canvas to a fifth at 4 ms a MB (2026-11).
"""

import asyncio
import zlib
from dataclasses import dataclass

from gateway.problems import with_coding

GZIP = "gzip"
MIN_BYTES = 32 * 1024
LEVEL = 1
COMPRESS_IN_THREAD_BYTES = 128 * 1024  # 0.6 ms; more is compressed in a thread (zlib releases the GIL)


@dataclass(frozen=True, slots=True)
class Representation:
    tag: str  # empty: no ETag
    body: bytes
    coding: str = ""  # empty: not compressed

    @property
    def is_negotiated(self) -> bool:
        """Whether its coding depends on what the client accepts; a small one is never compressed."""
        return len(self.body) >= MIN_BYTES or bool(self.coding)

    @property
    def cache_value(self) -> bytes:
        """The cache entry; the tag names the coding."""
        return self.tag.encode("ascii") + b"\n" + self.body

    @classmethod
    def from_cached(cls, value: bytes) -> "Representation":
        line, _, body = value.partition(b"\n")
        tag = line.decode("ascii")
        return cls(tag, body, GZIP if tag.endswith(f'-{GZIP}"') else "")


async def negotiated(found: Representation, accept_encoding: str | None) -> Representation:
    """*found* in a coding that the client accepts: compressed if it is large and the client accepts gzip."""
    if not found.is_negotiated:
        return found
    if accepts_gzip(accept_encoding):
        if found.coding:
            return found
        in_thread = len(found.body) > COMPRESS_IN_THREAD_BYTES
        body = await asyncio.to_thread(compress, found.body) if in_thread else compress(found.body)
        return Representation(with_coding(found.tag, GZIP), body, GZIP)
    if not found.coding:
        return found
    in_thread = len(found.body) > COMPRESS_IN_THREAD_BYTES
    body = await asyncio.to_thread(_decompress, found.body) if in_thread else _decompress(found.body)
    return Representation(with_coding(found.tag, ""), body)


def compress(body: bytes, level: int = LEVEL) -> bytes:
    compressor = zlib.compressobj(level, wbits=zlib.MAX_WBITS | 16)  # +16: a gzip header, without a timestamp
    return compressor.compress(body) + compressor.flush()


def _decompress(body: bytes) -> bytes:
    return zlib.decompress(body, wbits=zlib.MAX_WBITS | 16)


def accepts_gzip(header: str | None) -> bool:
    """Whether gzip is preferred at least as much as identity (RFC 9110 12.5.3). Malformed parts are ignored."""
    if not header:
        return False
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        coding, *parameters = (word.strip() for word in part.split(";"))
        weights.setdefault("gzip" if coding == "x-gzip" else coding, _weight(parameters))
    gzip = weights.get("gzip", weights.get("*", 0.0))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
