"""Secrets in messages: sealed to the worker that needs them, so that the broker, logs and parked messages have none.

A field of type ``SealedText`` is plain text only in the process that received it and in the worker that uses it.
On the bus it is a libsodium sealed box over ``{id, type, field, value}``; the worker checks id, type and field, so that
a box cannot be copied into another message.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SecretStr,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

# Of a secret in plain text, so that its box fits the limit below.
MAX_CHARACTERS = 1_024
MAX_BOX = 16_384
# The same of fields that are marked long: a private key in PEM has 1,700 characters and more.
LONG_MAX_CHARACTERS = 8_192
LONG_MAX_BOX = 131_072


class Box(BaseModel):
    """A sealed box: the id of the key that it is sealed to, and the box in base64url without padding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, StringConstraints(max_length=64)]
    box: Annotated[str, StringConstraints(max_length=LONG_MAX_BOX)]


@dataclass(frozen=True)
class _SealedField:
    """Reads a box, or plain text if the validation context has ``edge``; writes only boxes."""

    max_characters: int
    max_box: int

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(self._serialize, when_used="json"),
        )

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # Validation mode describes the API's request, serialization mode the message on the bus.
        if handler.mode == "serialization":
            schema = Box.model_json_schema()
            schema["properties"]["box"]["maxLength"] = self.max_box
            return schema
        return {"type": "string", "format": "password", "writeOnly": True, "maxLength": self.max_characters}

    def _validate(self, value: Any, info: core_schema.ValidationInfo) -> "Box | SecretStr":
        if isinstance(value, Box | SecretStr):
            return value
        if (info.context or {}).get("edge"):
            if not isinstance(value, str):
                raise ValueError("must be a string")
            _hold_length(value, self.max_characters)
            return SecretStr(value)
        box = Box.model_validate(value)
        _hold_length(box.box, self.max_box)
        return box

    @staticmethod
    def _serialize(value: "Box | SecretStr") -> dict[str, str]:
        if not isinstance(value, Box):
            raise TypeError("a secret must be sealed before it is sent")
        return value.model_dump()


def _hold_length(value: str, limit: int) -> None:
    if len(value) > limit:
        raise PydanticCustomError("string_too_long", "must have at most {limit} characters", {"limit": limit})


SealedText = Annotated[Box | SecretStr, _SealedField(MAX_CHARACTERS, MAX_BOX)]
LongSealedText = Annotated[Box | SecretStr, _SealedField(LONG_MAX_CHARACTERS, LONG_MAX_BOX)]


@cache  # as many as there are contracts
def sealed_fields(message: type[BaseModel]) -> tuple[str, ...]:
    """The names of the fields of *message* that travel sealed (top level only)."""
    return tuple(
        name
        for name, field in message.model_fields.items()
        if _is_marked(field.metadata) or any(_is_sealed(part) for part in get_args(field.annotation))
    )


def _is_sealed(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and _is_marked(get_args(annotation))


def _is_marked(metadata: Iterable[Any]) -> bool:
    return any(isinstance(one, _SealedField) for one in metadata)


def reveal(value: Box | SecretStr | None) -> str:
    """The secret as plain text. Raises ``TypeError`` while it is sealed."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    raise TypeError("the secret is still sealed")
