"""Names in the descriptions of the API (OpenAPI) and of the bus (AsyncAPI)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
PROBLEM = "application/problem+json"


def http_names(document: Json) -> Json:
    """``GET /path`` → its operation id, parameters, request and answers."""
    return {
        f"{method.upper()} {path}": {
            "id": operation["operationId"],
            "parameters": {
                f"{parameter['in']} {parameter['name']}": "required" if parameter.get("required") else "optional"
                for parameter in operation.get("parameters", ())
            },
            "request": {
                media_type: fields(body["schema"], document)
                for media_type, body in operation.get("requestBody", {}).get("content", {}).items()
            },
            "answers": {
                status: _answer(_resolved(answer, document), document)
                for status, answer in operation["responses"].items()
            },
        }
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def _answer(answer: Json, document: Json) -> Json:
    content = answer.get("content", {})
    problem = PROBLEM in content
    return {
        "headers": sorted(answer.get("headers", {})),
        "media_types": sorted(content),
        "codes": re.findall(r"[a-z_]+", answer["description"]) if problem else [],
        "body": {} if problem else next((fields(content[name]["schema"], document) for name in content), {}),
    }


def problem_fields(document: Json) -> dict[str, str]:
    """Of the document that every refusal and failure is answered with."""
    return fields(document["components"]["schemas"]["Problem"], document)


def message_names(document: Json) -> Json:
    """Wire name → its exchange, routing key, queues, and the fields of its data and of its reply."""
    return dict(_messages(document))


def _messages(document: Json) -> Iterator[tuple[str, Json]]:
    for operation in document["operations"].values():
        channel = _resolved(operation["channel"], document)
        (message,) = (_resolved(message, document) for message in operation["messages"])
        replies = [_resolved(reply, document) for reply in operation.get("reply", {}).get("messages", ())]
        described = channel.get("description", "").partition(":")[2]
        yield (
            message["name"],
            {
                "kind": message["x-kind"],
                "exchange": channel["bindings"]["amqp"]["exchange"]["name"],
                "routing_key": channel["address"],
                "queues": sorted(set(re.findall(r"[a-z]+(?:\.[a-z]+)+", described))),
                "data": _below("data", fields(message["payload"], document)),
                "replies": {
                    reply["name"]: _below("data.reply", fields(reply["payload"], document)) for reply in replies
                },
            },
        )


def envelope_fields(document: Json) -> Json:
    """What is around the data of every message, and around the reply in every outcome."""
    around: Json = {"message": {}, "outcome": {}}
    for operation in document["operations"].values():
        for kind, inner, messages in (
            ("message", "data", operation["messages"]),
            ("outcome", "data.reply", operation.get("reply", {}).get("messages", ())),
        ):
            for message in messages:
                every = fields(_resolved(message, document)["payload"], document)
                outside = {path: text for path, text in every.items() if path != "type" and not _is_in(path, inner)}
                around[kind] = {path: text for path, text in outside.items() if path in (around[kind] or outside)}
    return around


def _is_in(path: str, outer: str) -> bool:
    return path.startswith((f"{outer}.", f"{outer}["))


def _below(outer: str, found: Mapping[str, str]) -> dict[str, str]:
    return {path.removeprefix(outer).lstrip("."): text for path, text in found.items() if _is_in(path, outer)}


def fields(schema: Json, document: Json) -> dict[str, str]:
    """Path of each field (``items[].id``) → its types and whether it is always there: ``string|null required``."""
    found: dict[str, tuple[set[str], bool]] = {}
    _collect(schema, document, "", found, required=True, inside=())
    return {
        path: f"{'|'.join(sorted(types))}{' required' if required else ''}" for path, (types, required) in found.items()
    }


def _collect(
    schema: Json, document: Json, path: str, found: dict[str, tuple[set[str], bool]], *, required: bool,
    inside: tuple[str, ...],
) -> None:  # fmt: skip
    reference = schema.get("$ref")
    if reference is not None:
        if reference in inside:  # it contains itself
            return
        inside = (*inside, reference)
        schema = _resolved(schema, document)
    types, before = found.setdefault(path, (set(), False))
    found[path] = (types, before or required)
    types.update(_types(schema))
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        _collect(part, document, path, found, required=required, inside=inside)
    for name, inner in schema.get("properties", {}).items():
        needed = name in schema.get("required", ())
        _collect(inner, document, f"{path}.{name}".lstrip("."), found, required=needed, inside=inside)
    if isinstance(schema.get("items"), dict):
        _collect(schema["items"], document, f"{path}[]", found, required=True, inside=inside)


def _types(schema: Json) -> list[str]:
    if "const" in schema:
        return [f"={schema['const']}"]
    if "enum" in schema:
        return [f"={value}" for value in schema["enum"]]
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def _resolved(schema: Json, document: Json) -> Json:
    found = schema
    while "$ref" in found:
        at: Any = document
        for name in found["$ref"].removeprefix("#/").split("/"):
            at = at[name.replace("~1", "/").replace("~0", "~")]
        found = at
    return found
