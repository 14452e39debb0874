"""Checks JSON without parsing it into Python objects, which take up to 60 times its size.

Large or dense documents are scanned: memory stays below four times the document, and time is bounded by
``MAX_EVENTS``. Small and sparse documents are parsed, which takes a third of the time.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from pydantic_core import PydanticCustomError

MAX_DEPTH = 64  # of a canvas; deeper documents are refused before anything walks them recursively
# Values of a document. PostgreSQL takes up to 300 bytes for each when it parses a jsonb; canvases of drawing programs
# have one per 7 to 25 bytes, so that 10 MiB of freehand drawing is accepted.
MAX_ITEMS = 2_000_000
MAX_EVENTS = 2_000_000  # names and brackets of a document: 10 MiB of small objects have as many
MAX_DIGITS = 308  # of a number as it is written: none longer fits a 64-bit float
MAX_ZEROS = 16_000_000  # that the exponents of one document stand for
WINDOW_BYTES = 64 * 1024
TINY_BYTES = 16 * 1024  # always parsed: less than 1 MiB of objects
SMALL_BYTES = 128 * 1024  # parsed if sparse: 3 MiB of objects at most
SPARSE_BYTES = 6  # a value; canvases of drawing programs have 7 to 25

_syntax = msgspec.json.Decoder(msgspec.Raw)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

# One match per name or bracket. Strings have no escaped quotes (see ``_mask_escapes``); arrays of scalars are skipped.
_EVENT = re.compile(
    rb'(?:[^"\[\]{}]++|\[[^"\[\]{}]*+\]|"[^"]*+"(?![ \t\n\r]*:)){0,500}+(?:([\[\]{}])|"([^"]*+)"[ \t\n\r]*:)?'
)
_WINDOW = re.compile(rb'(?:[^"]{1,4096}+|"[^"]*+"){0,1000}+')
_SPACE = re.compile(rb"[ \t\n\r]*")
_EXPONENT = re.compile(rb"(?<![0-9.])(-?[0-9][0-9.]*+)[eE]([+-]?[0-9]+)")
_DIGITS = bytes.maketrans(b"123456789E.", b"000000000e0")
_TOO_MANY_DIGITS = b"0" * (MAX_DIGITS + 2)  # and the point


class TooDeep(ValueError):
    """The document is nested too deep; where is not determined."""


def is_cheap_to_parse(raw: bytes) -> bool:
    """Whether *raw* has so few values that parsing it needs little memory."""
    if len(raw) <= TINY_BYTES:
        return True
    return len(raw) <= SMALL_BYTES and _commas_and_brackets(raw) * SPARSE_BYTES <= len(raw)


class Split(NamedTuple):
    rest: bytes  # the document with ``null`` in place of the object
    taken: "ScannedJson | None"  # None if there is no object at the path


class ScannedJson(bytes):
    """A JSON object that was scanned: compact, with numbers and escapes as written."""


def split(raw: bytes, path: tuple[bytes, ...], *, check_zeros: bool) -> Split:
    """Takes the object at *path* out of the document *raw*.

    *check_zeros*: refuse numbers that are too long in decimal notation. Raises ``PydanticCustomError`` with the codes
    of a canvas's errors, ``TooDeep``, and ``ValueError`` for what is not JSON.
    """
    if count_items(raw, MAX_ITEMS) > MAX_ITEMS:
        raise _too_many(MAX_ITEMS)
    try:
        _syntax.decode(raw)
    except RecursionError:
        raise TooDeep from None
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    plain = _mask_escapes(raw)
    span = _walk(raw, plain, path)
    if span is None:
        return Split(raw, None)
    start, end = span
    taken = _checked(raw[start:end], plain[start:end], check_zeros=check_zeros)
    return Split(b"%bnull%b" % (raw[:start], raw[end:]), taken)


def split_scanned(raw: bytes, path: tuple[str, str]) -> Split:
    """As ``split``, of a document whose object at *path* was scanned by its writer: twenty times as fast.

    Raises ``ValueError`` for what is no JSON, and ``PydanticCustomError`` for more values than a document may have.
    """
    if count_items(raw, MAX_ITEMS) > MAX_ITEMS:
        raise _too_many(MAX_ITEMS)
    try:
        outer = _members.decode(raw)
        inner = _members.decode(outer.get(path[0], b"{}"))
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    taken = inner.get(path[1])
    if taken is None or not bytes(taken).startswith(b"{"):
        return Split(raw, None)
    inner[path[1]] = msgspec.Raw(b"null")
    outer[path[0]] = msgspec.Raw(msgspec.json.encode(inner))
    return Split(msgspec.json.encode(outer), ScannedJson(taken))


def _too_many(limit: int) -> PydanticCustomError:
    return PydanticCustomError("too_many_items", "must not have more than {limit} members and items", {"limit": limit})


def count_items(raw: bytes, most: int) -> int:
    """The number of values in *raw*, which need not be JSON. Exact above *most*; up to it an upper bound."""
    found = _commas_and_brackets(raw)
    if found <= most:
        return found
    return sum(_commas_and_brackets(outside) for outside in _outside_strings(_mask_escapes(raw)))


def _commas_and_brackets(raw: bytes) -> int:
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _mask_escapes(raw: bytes) -> bytes:
    """*raw* with escaped quotes and backslashes masked; the length stays the same."""
    return raw if b"\\" not in raw else raw.replace(b"\\\\", b"..").replace(b'\\"', b"..")


def _walk(raw: bytes, plain: bytes, path: tuple[bytes, ...]) -> tuple[int, int] | None:  # noqa: C901, PLR0912 - one loop, for speed
    """Start and end of the object at *path*. Raises for a repeated name, and for nesting that is too deep."""
    outer: list[set[bytes] | None] = []
    names: set[bytes] | None = None
    on_path = 0  # open containers on the path to the object, without the document itself
    next_on_path = False
    start = end = -1
    deepest = len(path) + MAX_DEPTH if path else MAX_DEPTH
    length = len(plain)
    for events, match in enumerate(_EVENT.finditer(plain)):  # valid JSON has nothing between two matches
        name = match[2]
        if name is not None:
            if b"\\" in (name := raw[match.start(2) : match.end(2)]):
                name = json.loads(b'"%b"' % name).encode()
            if names is None or name in names:
                raise PydanticCustomError("repeated", "names an object's member twice", {"name": name.decode()})
            names.add(name)
            if len(outer) == on_path + 1 and on_path < len(path) and name == path[on_path]:
                value = _SPACE.match(plain, match.end())
                assert value is not None
                if plain.startswith(b"{", value.end()):
                    if on_path == len(path) - 1:
                        start = value.end()
                    else:
                        next_on_path = True
        elif (bracket := match[1]) == b"{" or bracket == b"[":
            outer.append(names)
            names = set() if bracket == b"{" else None
            if next_on_path:
                on_path, next_on_path = on_path + 1, False
            if len(outer) > deepest:
                raise PydanticCustomError("too_deep", "must not be nested deeper than {limit}", {"limit": MAX_DEPTH})
        elif bracket is not None:
            names = outer.pop()
            if end < 0 <= start and len(outer) == len(path):
                end = match.end()
            on_path = min(on_path, max(0, len(outer) - 1))
        if match.end() == length:
            break
        if events > MAX_EVENTS:
            raise _too_many(MAX_EVENTS)
    return None if start < 0 else (start, end)


def _checked(raw: bytes, plain: bytes, *, check_zeros: bool) -> ScannedJson:
    if not raw.isascii():
        _check_utf8(raw)
    if b"\\u0000" in plain:
        raise PydanticCustomError("nul_in_text", "must not contain the NUL character")
    zeros = 0
    for outside in _outside_strings(plain):
        digits = outside.translate(_DIGITS)
        if _TOO_MANY_DIGITS in digits:
            raise PydanticCustomError("number_out_of_range", "numbers must fit a 64-bit float")
        if b"0e" in digits:
            zeros += _zeros(outside)
    if check_zeros and zeros > MAX_ZEROS:
        raise PydanticCustomError(
            "numbers_too_long",
            "numbers must not need more than {limit} extra digits in decimal notation",
            {"limit": MAX_ZEROS},
        )
    return ScannedJson(msgspec.json.format(raw, indent=-1))


def _zeros(outside: bytes) -> int:
    """The zeros that the exponents in *outside* stand for. Raises for a number beyond a 64-bit float."""
    zeros = 0
    for mantissa, exponent in _EXPONENT.findall(outside):
        if len(exponent) > 5 or abs(float(mantissa + b"e" + exponent)) == float("inf") or int(exponent) < -400:  # noqa: PLR2004
            raise PydanticCustomError("number_out_of_range", "numbers must fit a 64-bit float")
        zeros += abs(int(exponent))
    return zeros


def _check_utf8(raw: bytes) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(raw), WINDOW_BYTES):
        decoder.decode(raw[start : start + WINDOW_BYTES])
    decoder.decode(b"", final=True)


def _outside_strings(plain: bytes) -> Iterator[bytes]:
    """The text between strings, one window at a time: splitting it all at once takes many times its size."""
    if len(plain) <= WINDOW_BYTES:
        yield b'""'.join(plain.split(b'"')[::2])
        return
    for window in _WINDOW.finditer(plain):
        yield b'""'.join(window[0].split(b'"')[::2])
