"""Pydantic's errors as this API's codes and messages, without names of Python types and patterns."""

import re
from collections.abc import Mapping
from typing import Any, Final

_ARRAY = ("array_type", "must be an array")
_OBJECT = ("object_type", "must be an object")
_TIME = ("malformed_time", "must be a time with its zone, as in 2026-01-31T12:00:00Z")
_BOOLEAN = ("boolean_type", "must be true or false")

# pydantic's type → code, and a message where pydantic's own is not clear.
_KNOWN: Final[Mapping[str, tuple[str, str | None]]] = {
    "missing": ("required", "is required"),
    "extra_forbidden": ("unknown_field", "is not a known field"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), _ARRAY),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type", "mapping_type"), _OBJECT),
    **dict.fromkeys(("bool_type", "bool_parsing"), _BOOLEAN),
    **dict.fromkeys(("uuid_type", "uuid_parsing", "uuid_version"), ("malformed_id", "must be an id (a UUID)")),
    "string_type": ("string_type", "must be a string"),
    "string_sub_type": ("string_type", "must be a string"),
    "string_unicode": ("string_type", "must be valid Unicode"),
    "string_pattern_mismatch": ("malformed", "does not match the required format"),
    "literal_error": ("unknown_choice", None),
    "enum": ("unknown_choice", None),
    "value_error": ("invalid_value", None),
    "assertion_error": ("invalid_value", "is not an accepted value"),
    "int_from_float": ("int_type", "must be a whole number"),
    "int_type": ("int_type", "must be a whole number"),
    "int_parsing": ("int_type", "must be a whole number"),
    "int_parsing_size": ("int_type", "must be a whole number in the supported range"),
    **dict.fromkeys(
        (
            "datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid",
            "timezone_naive", "timezone_aware",
        ),
        _TIME,
    ),
}  # fmt: skip
# Messages for fields with a known format.
_FORMS: Final = {
    "email": ("malformed_email", "must be an email address, as in anna@example.org"),
    "cursor": ("malformed_cursor", "must be a next_cursor of this list"),
}
# "Input should be 'a' or 'b'", "String should have at most 3 characters", "Tuple should have at most 2 items after
# validation, not 3", "Value error, must be a string".
_SUBJECT = re.compile(r"^(?:Input|String|Value|Tuple|List|Dictionary|Data|Bytes) should |^Value error, (?:must )?")


def describe_error(found: Mapping[str, Any]) -> tuple[str, str]:
    """Code and detail of one of ``ValidationError.errors()``."""
    kind, place = str(found["type"]), found["loc"][-1] if found["loc"] else ""
    if kind == "string_pattern_mismatch" and place in _FORMS:
        return _FORMS[str(place)]
    code, detail = _KNOWN.get(kind, (kind, None))
    message = str(found["msg"]).replace(" after validation", "")
    return code, detail or _SUBJECT.sub("must ", message)
