"""Answers as gzip, where they are large and the client takes it.

Only what is opted in by its row: an answer that holds a secret beside text that somebody else may choose would give
the secret away by its length (BREACH). Neither br nor zstd: the standard library has neither in all Pythons that we run
on, and level 1 of gzip leaves a fifth of a canvas at 4 ms a MB (2026-11), so that another coding would gain little.
"""

import asyncio
import zlib
from dataclasses import dataclass

from gateway.problems import with_coding

GZIP = "gzip"
MIN_BYTES = 32 * 1024
LEVEL = 1
COMPRESS_IN_THREAD_BYTES = 128 * 1024  # 0.6 ms; beyond this it goes on in a thread (zlib lets others run meanwhile)


@dataclass(frozen=True, slots=True)
class Representation:
    tag: str  # empty: has none
    body: bytes
    coding: str = ""  # empty: as it is

    @property
    def cache_value(self) -> bytes:
        """As the cache keeps it: the tag tells the coding."""
        return self.tag.encode("ascii") + b"\n" + self.body

    @classmethod
    def from_cached(cls, value: bytes) -> "Representation":
        line, _, body = value.partition(b"\n")
        tag = line.decode("ascii")
        return cls(tag, body, GZIP if tag.endswith(f'-{GZIP}"') else "")


async def negotiated(found: Representation, accept_encoding: str | None) -> Representation:
    """*found* in the coding that the client wants: compressed if it takes that and the answer is large."""
    if not found.coding and len(found.body) < MIN_BYTES:
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
    compressor = zlib.compressobj(level, wbits=zlib.MAX_WBITS | 16)  # with gzip's header, and without a time in it
    return compressor.compress(body) + compressor.flush()


def _decompress(body: bytes) -> bytes:
    return zlib.decompress(body, wbits=zlib.MAX_WBITS | 16)


def accepts_gzip(header: str | None) -> bool:
    """Whether gzip is wanted at least as much as no coding (RFC 9110 12.5.3). What is not understood is left out."""
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
