"""Secrets in messages: sealed to the worker that needs them, so that the broker, logs and parked messages have none.

A field of type ``SealedText`` is plain text only in the process that received it and in the worker that uses it.
On the bus it is a libsodium sealed box over ``{id, type, field, value}``; the worker checks id, type and field, so that
a box cannot be copied into another message.
"""

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


class Box(BaseModel):
    """A sealed box: the id of the key that it is sealed to, and the box in base64url without padding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, StringConstraints(max_length=64)]
    box: Annotated[str, StringConstraints(max_length=16_384)]


class _SealedField:
    """Reads a box, or plain text if the validation context has ``edge``; writes only boxes."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(cls._serialize, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # Validation mode describes the API's request, serialization mode the message on the bus.
        if handler.mode == "serialization":
            return Box.model_json_schema()
        return {"type": "string", "format": "password", "writeOnly": True, "maxLength": MAX_CHARACTERS}

    @staticmethod
    def _validate(value: Any, info: core_schema.ValidationInfo) -> "Box | SecretStr":
        if isinstance(value, Box | SecretStr):
            return value
        if (info.context or {}).get("edge"):
            if not isinstance(value, str):
                raise ValueError("must be a string")
            if len(value) > MAX_CHARACTERS:
                raise PydanticCustomError(
                    "string_too_long", "must have at most {limit} characters", {"limit": MAX_CHARACTERS}
                )
            return SecretStr(value)
        return Box.model_validate(value)

    @staticmethod
    def _serialize(value: "Box | SecretStr") -> dict[str, str]:
        if not isinstance(value, Box):
            raise TypeError("a secret must be sealed before it is sent")
        return value.model_dump()


SealedText = Annotated[Box | SecretStr, _SealedField]


@cache  # as many as there are contracts
def sealed_fields(message: type[BaseModel]) -> tuple[str, ...]:
    """The names of the fields of *message* that travel sealed (top level only)."""
    return tuple(
        name
        for name, field in message.model_fields.items()
        if _SealedField in field.metadata or any(_is_sealed(part) for part in get_args(field.annotation))
    )


def _is_sealed(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and _SealedField in get_args(annotation)


def reveal(value: Box | SecretStr | None) -> str:
    """The secret as plain text. Raises ``TypeError`` while it is sealed."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    raise TypeError("the secret is still sealed")
