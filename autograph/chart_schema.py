"""Generates what the chart's values.schema.json says about services, from their entries and settings classes.

Helm then refuses a wrong setting before anything reaches a cluster.
"""

import copy
import json
from typing import Any, Final

from autograph.settings_page import settings_of
from chassis.settings import ServiceSettings, Settings
from contracts.services import GATEWAY, SERVICES, entry

WIDTH: Final = 120
# Set by the chart itself, or held in a Secret.
_OF_THE_CHART: Final = {
    "profile", "side_host", "side_port", "http_host", "http_port", "s3_region",
    "postgres_url", "redis_url", "rabbitmq_url", "rabbitmq_management_url", "s3_url", "s3_access_key", "s3_secret_key",
    *(f"{service.name}_secret" for service in SERVICES), *(name for one in SERVICES for name in one.optional_secrets),
}  # fmt: skip
_KEPT: Final = ("type", "enum", "minimum", "maximum", "exclusiveMinimum")


def with_services(text: str) -> str:
    """*text*, the whole schema, with its parts about services and settings replaced."""
    schema = json.loads(text)
    properties = schema["properties"]
    properties["settings"]["properties"] = settings_schema(ServiceSettings)
    properties["gateway"]["properties"]["settings"]["properties"] = settings_schema(settings_of(entry(GATEWAY)))
    workers = properties["workers"]
    on_tracks = schema["definitions"]["track"]["properties"]["workers"]
    workers["properties"], on_tracks["properties"] = {}, {}
    for service in SERVICES:
        if service.is_worker:
            # Like a worker that the chart does not know, but with exactly the settings that it has.
            worker = copy.deepcopy(workers["additionalProperties"])
            worker["properties"]["settings"] = _closed(settings_schema(settings_of(service)))
            workers["properties"][service.name] = worker
            there = {"$ref": f"#/properties/workers/properties/{service.name}/properties/settings"}
            on_tracks["properties"][service.name] = _closed({"settings": there})
    secrets = properties["credentials"]["properties"]["administrator"]["properties"]["values"]["properties"]
    for service in SERVICES:
        if service.own_secret:
            secrets[service.secret_variable] = {"type": "string", "minLength": 32}
    return _dump(schema) + "\n"


def settings_schema(settings: type[Settings]) -> dict[str, Any]:
    """Of the settings that an operator may set by a chart's values, as JSON Schema draft 7."""
    whole = settings.model_json_schema()
    return {
        name: _of(field, whole.get("$defs", {}))
        for name, field in whole["properties"].items()
        if name not in _OF_THE_CHART
    }


def _of(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in field:
        field = definitions[field["$ref"].rpartition("/")[2]]
    for alternative in field.get("anyOf", ()):  # a setting that may be absent
        if alternative["type"] != "null":
            field = alternative
    if field["type"] == "array":
        return {"type": "array", "items": {"type": "string"}}
    if field["type"] == "object":  # flags, of which the environment has one line of text
        return {"type": "string"}
    return {name: field[name] for name in _KEPT if name in field}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _dump(value: Any, indent: str = "", room: int = WIDTH) -> str:
    """Values that fit on a line are on one. *room*: characters left on the first line."""
    whole = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or (indent and len(whole) < room):
        return whole
    inner = f"{indent} "
    if isinstance(value, list):
        parts = [f"{inner}{_dump(one, inner, WIDTH - len(inner))}" for one in value]
        return "[\n" + ",\n".join(parts) + f"\n{indent}]"
    parts = []
    for name, one in value.items():
        begin = f"{inner}{json.dumps(name)}: "
        parts.append(begin + _dump(one, inner, WIDTH - len(begin)))
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
