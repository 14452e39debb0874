"""JSON that is passed on unparsed: parsing and writing it again would take longer than all other work."""

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import from_json, to_json


def _as_json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else to_json(value)


# Bytes are taken for JSON; objects are written as JSON. Pydantic cannot write raw JSON and would parse it again, so
# ``json_bytes`` of the messages splices it in.
RawJson = Annotated[bytes, BeforeValidator(_as_json), PlainSerializer(from_json, when_used="json")]
