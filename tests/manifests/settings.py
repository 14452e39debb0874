"""What the chart's schema says of settings: what the services' own classes say, so that a slip is refused early."""

from typing import Any

from chassis.settings import Settings
from gateway.settings import GatewaySettings
from workers.auth.settings import AuthSettings
from workers.diagram.settings import DiagramSettings

SERVICES: dict[str, type[Settings]] = {"gateway": GatewaySettings, "auth": AuthSettings, "diagram": DiagramSettings}

# Set by the chart itself, or held in a Secret.
OF_THE_CHART = {
    "profile", "side_host", "side_port", "http_host", "http_port", "s3_region",
    "postgres_url", "redis_url", "rabbitmq_url", "rabbitmq_management_url", "s3_url", "s3_access_key", "s3_secret_key",
    "auth_secret", "gateway_secret", "password_pepper",
}  # fmt: skip
_KEPT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum")


def settings_schema(settings: type[Settings]) -> dict[str, Any]:
    """Of the settings that an operator may set by a chart's values, as JSON Schema draft 7."""
    whole = settings.model_json_schema()
    return {
        name: _of(field, whole.get("$defs", {}))
        for name, field in whole["properties"].items()
        if name not in OF_THE_CHART
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
