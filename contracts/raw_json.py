"""JSON that is passed on as it is: to parse it, only to write it again, would take longer than all else."""

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import from_json, to_json


def _as_json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else to_json(value)


# As bytes it is believed to be JSON; what is given as objects is written. Pydantic cannot write it as it is, and
# parses it again: whoever is in haste splices it in.
RawJson = Annotated[bytes, BeforeValidator(_as_json), PlainSerializer(from_json, when_used="json")]
