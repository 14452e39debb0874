"""Text that PostgreSQL can store: valid Unicode without NUL."""

import re
from typing import Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError, PydanticKnownError, from_json, to_json

from contracts.scanning import MAX_DEPTH, MAX_ZEROS, ScannedJson

UNCHECKED_EXPANSION_BYTES = 64 * 1024  # up to this size, numbers in decimal notation cannot become too long


def _storable(text: str) -> str:
    if "\x00" in text:
        raise PydanticCustomError("nul_in_text", "must not contain the NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("lone_surrogate", "must be valid Unicode") from None
    return text


def _one_line(text: str) -> str:
    _storable(text)
    if any(character in text for character in "\r\n"):
        raise PydanticCustomError("line_break", "must be a single line")
    return text


def _rfc_3339(value: Any) -> Any:
    """Refuses other notations: pydantic would take a number for seconds since 1970."""
    if isinstance(value, str) and not re.match(r"\d{4}-\d{2}-\d{2}[Tt ]", value):
        raise PydanticCustomError("malformed_time", "must be a time with its zone, as in 2026-01-31T12:00:00Z")
    return value


TIME = BeforeValidator(_rfc_3339)

# To be placed behind a field's own constraints, which then keep their names in errors and in the API's description.
STORABLE = AfterValidator(_storable)
ONE_LINE = AfterValidator(_one_line)


def storable_json(value: Any, info: ValidationInfo) -> bytes:
    """An opaque JSON object as bytes, checked: depth, NUL, surrogates, and numbers that JSON cannot represent.

    In the gateway (``context={"edge": True}``) also the length of its numbers in decimal notation; a message that was
    accepted is not refused later. ``ScannedJson`` was checked already. Iterative, so that depth cannot exhaust the
    stack. Raises ``ValueError``.
    """
    if isinstance(value, ScannedJson):
        return value
    if isinstance(value, bytes):
        value = from_json(value)
    if not isinstance(value, dict):
        raise PydanticKnownError("dict_type")
    try:
        written = to_json(value, inf_nan_mode="constants")
    except ValueError:  # a lone surrogate, or nested too deep for the serializer
        _check_depth(value)
        _check_storable(value)
        raise
    # Most documents are seen to be harmless from their JSON, in a tenth of the time of walking the objects.
    if written.count(b"{") + written.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    if any(mark in written for mark in _SUSPICIOUS):
        _check_storable(value)
    if len(written) > UNCHECKED_EXPANSION_BYTES and info.context and info.context.get("edge"):
        _check_expanded_length(written)
    return written


_SUSPICIOUS = (b"\\u0000", b"NaN", b"Infinity")


_EXPONENT = re.compile(rb"\de[+-]?(\d+)")
_STRING_OR_EXPONENT = re.compile(rb'"(?:[^"\\]++|\\.)*+"|\de[+-]?(\d+)')


def _check_expanded_length(written: bytes) -> None:
    """PostgreSQL stores 1e300 in a few bytes and returns 301: 10 MB would become half a GB."""
    # The first pattern is fast but also matches ids in strings: only if it finds too many is the second one used.
    for pattern in (_EXPONENT, _STRING_OR_EXPONENT):
        zeros = sum(int(exponent[:4]) for exponent in pattern.findall(written) if exponent)
        if zeros <= MAX_ZEROS:
            return
    raise PydanticCustomError(
        "numbers_too_long",
        "numbers must not need more than {limit} extra digits in decimal notation",
        {"limit": MAX_ZEROS},
    )


_CONTAINERS = (dict, list)  # a constant: building `dict | list` for each child takes a third of the time


def _check_depth(value: Any) -> None:
    """Walks the containers level by level."""
    level, depth = [value], 1
    while level:
        if depth > MAX_DEPTH:
            raise PydanticCustomError("too_deep", "must not be nested deeper than {limit}", {"limit": MAX_DEPTH})
        depth += 1
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, _CONTAINERS)
        ]


def _check_storable(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for key in item:
                _storable(key)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str):
            _storable(item)
        elif isinstance(item, float) and (item != item or item in (float("inf"), float("-inf"))):  # noqa: PLR0124 - NaN
            raise PydanticCustomError("number_out_of_range", "numbers must fit a 64-bit float")
