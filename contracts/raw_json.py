"""JSON that is passed on unparsed: parsing and writing it again would take longer than all other work."""

from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, PlainSerializer
from pydantic_core import from_json, to_json


class _Raw:
    """Marks a field whose bytes are JSON."""


def _as_json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else to_json(value)


# Bytes are taken for JSON; objects are written as JSON. Pydantic cannot write raw JSON and would parse it again, so
# ``json_bytes`` splices it in.
RawJson = Annotated[bytes, BeforeValidator(_as_json), PlainSerializer(from_json, when_used="json"), _Raw]


def json_bytes(model: BaseModel, *, exclude_unset: bool = False) -> bytes:
    """As ``model_dump_json`` writes it, with the raw JSON behind the other fields."""
    raw = _raw_fields(type(model))
    if not raw:
        return model.model_dump_json(exclude_unset=exclude_unset).encode()
    rest = model.model_dump_json(exclude_unset=exclude_unset, exclude=set(raw)).encode()
    written = [
        b'"%b":%b' % (name.encode(), b"null" if (value := getattr(model, name)) is None else value)
        for name in raw
        if not exclude_unset or name in model.model_fields_set
    ]
    if not written:
        return rest
    return b"%b}" % b",".join([rest.removesuffix(b"}"), *written]) if rest != b"{}" else b"{%b}" % b",".join(written)


@cache  # as many as there are contracts
def _raw_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Only of the model itself: what stands in a model within is parsed and written again."""
    return tuple(
        name
        for name, field in model.model_fields.items()
        if _Raw in field.metadata or any(_is_raw(part) for part in get_args(field.annotation))
    )


def _is_raw(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and _Raw in get_args(annotation)
