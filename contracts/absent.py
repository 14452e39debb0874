"""Absent is not null: what a change leaves out stays as it is, what it sets to null goes."""

from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class _NotNull:
    """On a field ``X | None = None`` whose None says "left out": nobody may send null.

    The edge refuses it here. On the bus it is for the handler to refuse, as it always was: a message that does not fit
    its contract is parked, and a producer would wait for an answer in vain.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(_check_not_null, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return without_null(handler(schema))


NOT_NULL: Final = _NotNull()


def _check_not_null(value: Any, info: core_schema.ValidationInfo) -> Any:
    if value is None and info.context and info.context.get("edge"):
        raise PydanticCustomError("null", "must not be null: leave it out")
    return value


class AbsentIsNotNull(GenerateJsonSchema):
    """Describes fields that may be left out as just that, and not as having null for a default.

    Typed clients send defaults along: with null for a canvas that would be the drawing's end.
    """

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """*schema*, a JSON schema, less its alternative null."""
    if "anyOf" not in schema:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    others = [one for one in schema["anyOf"] if one != {"type": "null"}]
    return {**rest, **others[0]} if len(others) == 1 else {**rest, "anyOf": others}
