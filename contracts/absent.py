"""Absent is not null: a change keeps fields that are left out, and removes those that it sets to null."""

from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class _NotNull:
    """For a field ``X | None = None`` whose None means "left out": null is refused.

    The gateway refuses it while parsing. On the bus the handler refuses it: a message that does not fit its contract is
    parked, and its producer would get no reply.
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
    """Describes optional fields without the default null.

    Generated clients send defaults: null for a canvas would delete the drawing.
    """

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """*schema*, a JSON schema, without its alternative null."""
    if "anyOf" not in schema:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    others = [one for one in schema["anyOf"] if one != {"type": "null"}]
    return {**rest, **others[0]} if len(others) == 1 else {**rest, "anyOf": others}
