"""Text that every part of the system can keep: valid UTF-8 without NUL (PostgreSQL cannot store one)."""

from typing import Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

MAX_DEPTH = 64  # of a canvas; deeper documents are refused before anything walks them recursively


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


# Stand behind a field's own constraints, so that those still name themselves in errors and in the API's description.
STORABLE = AfterValidator(_storable)
ONE_LINE = AfterValidator(_one_line)


def storable_json(value: Any) -> Any:
    """Checks JSON that we keep but do not read: depth, NUL, surrogates, numbers that JSON cannot write.

    Iterative, so that depth cannot exhaust the stack. Raises ``PydanticCustomError``.
    """
    stack = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise PydanticCustomError("too_deep", "must not be nested deeper than {limit}", {"limit": MAX_DEPTH})
            if isinstance(item, dict):
                for key in item:
                    _storable(key)
                stack.extend((child, depth + 1) for child in item.values())
            else:
                stack.extend((child, depth + 1) for child in item)
        elif isinstance(item, str):
            _storable(item)
        elif isinstance(item, float) and (item != item or item in (float("inf"), float("-inf"))):  # noqa: PLR0124 - NaN
            raise PydanticCustomError("number_out_of_range", "numbers must fit a 64-bit float")
    return value
