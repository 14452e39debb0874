"""The API's description (OpenAPI 3.1), computed from the table and the contracts."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from contracts.absent import AbsentIsNotNull, without_null
from contracts.message import Kind, Reply
from contracts.outcome import OUTCOME_DAYS
from contracts.refusal import FieldError, Forbidden, IdempotencyKeyReused
from contracts.version import VERSION
from gateway.api.table import ENDPOINTS
from gateway.endpoint import Endpoint
from gateway.idempotency import FINGERPRINT
from gateway.own_page import ACCESS_COOKIE, PAGE_HEADER
from gateway.problems import EDGE_PROBLEMS, STATUS_OF
from gateway.status import SystemStatus

REFERENCE = "#/components/schemas/{model}"
JSON = "application/json"
PROBLEM = "application/problem+json"

SIGNED_IN: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
KEY_PATTERN = r'^(?:"[\x21\x23-\x7e]{1,255}"|[\x21\x23-\x7e]{1,255})$'
TAGS_PATTERN = r'^(?:\*|(?:W/)?"[\x21\x23-\x7e]*"(?: *, *(?:W/)?"[\x21\x23-\x7e]*"){0,99})$'
WAITED_FOR = {"rate_limited", "unavailable", "still_running"}  # these say after how long to try again
EDGE_401 = tuple(code for code, (status, _) in EDGE_PROBLEMS.items() if status == 401)  # noqa: PLR2004 - as named

DESCRIPTION = """\
Sign in, and store diagrams. Every write is a durable command: what was acknowledged is never lost and never done twice.
`version` numbers a diagram's contents. `revision`, which is the ETag, counts acknowledged changes: also those of the
title, and those that an open version takes.
Send an `Idempotency-Key` with writes, and a repeat gets the first outcome again. Send `If-Match` with changes.
A refusal is a problem document (RFC 9457) with a stable `code`. Large answers are compressed for who accepts gzip.
"""

_TAGS = {
    "auth": "Accounts, sessions and tokens",
    "diagrams": "Diagrams and their versions",
    "commands": "Outcomes of commands that the client did not wait for",
    "system": "Status of the installation",
}
_KEY_DESCRIPTION = (
    "1 to 255 visible ASCII characters, quoted or bare; the same again gives the first outcome, for "
    f"{OUTCOME_DAYS} days"
)
_HEADERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "Idempotency-Key": (
        _KEY_DESCRIPTION,
        {"type": "string", "pattern": KEY_PATTERN, "examples": ["0199b2a0-4711-7000-8000-000000000001"]},
    ),
    "Prefer": ("`respond-async` or `wait=N` (seconds)", {"type": "string", "examples": ["respond-async", "wait=5"]}),
    "If-Match": (
        'The ETag that the change is based on, as in `"3"`, or several, or `*`',
        {"type": "string", "pattern": TAGS_PATTERN, "examples": ['"3"']},
    ),
    PAGE_HEADER: ("Any value: other origins may not send this header", {"type": "string", "examples": ["1"]}),
    "If-None-Match": (
        "An ETag that the client has, or several: unchanged gives 304",
        {"type": "string", "examples": ['"3"']},
    ),
}
_COOKIE_DESCRIPTION = (
    "The page's session. It counts only from the origin that served the page, and for all but GET and HEAD only with "
    f"the header {PAGE_HEADER}"
)
_ANSWER_HEADERS = {
    "ETag": "The revision, with the content coding behind it if there is one",
    "Idempotent-Replayed": "`true` if an earlier request with the same Idempotency-Key had this outcome",
    "Location": "The address of the new resource",
    "RateLimit": "What is left of the limits that count this request (draft-ietf-httpapi-ratelimit-headers)",
    "RateLimit-Policy": "The limits that count this request",
    "Retry-After": "After how many seconds to try again",
    "X-Correlation-ID": "The request's id in logs and events: the client's own, or a new one",
}
# Of every answer; RateLimit only where the installation limits requests.
_ALWAYS = ("RateLimit", "RateLimit-Policy", "X-Correlation-ID")


def document() -> dict[str, Any]:
    schemas, refer = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        if endpoint.when is None or not endpoint.when[1]:
            paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, refer)
    paths |= _system_paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AutoGraph",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": SIGNED_IN,
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted((schemas | _problem_schemas()).items())),
            "headers": {name: _text_header(description) for name, description in _ANSWER_HEADERS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": ACCESS_COOKIE, "description": _COOKIE_DESCRIPTION},
            },
        },
    }


def codes() -> dict[str, tuple[int, str]]:
    """Every problem code, with its status and title: those of the edge and those of the services."""
    refusals = {refusal for endpoint in ENDPOINTS for refusal in endpoint.request.refuses} | {IdempotencyKeyReused}
    return dict(sorted(({r.code: (STATUS_OF[r.kind], r.title) for r in refusals} | dict(EDGE_PROBLEMS)).items()))


Refer = Mapping[Any, Mapping[str, Any]]  # by (model, mode)


def _schemas() -> tuple[dict[str, Any], Refer]:
    replies: set[type[Reply]] = {r for e in ENDPOINTS if (r := e.request.reply_type()) is not None}
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((endpoint.body, "validation") for endpoint in ENDPOINTS if endpoint.takes_body),
        *((reply, "serialization") for reply in sorted(replies, key=lambda reply: reply.__name__)),
        (SystemStatus, "serialization"),
    ]
    refer, definitions = models_json_schema(wanted, ref_template=REFERENCE, schema_generator=AbsentIsNotNull)
    for endpoint in ENDPOINTS:
        if endpoint.takes_body:
            _describe_defaults(definitions["$defs"][endpoint.body.__name__])
    return definitions["$defs"], refer


def _describe_defaults(body: dict[str, Any]) -> None:
    """A field with a `default` is one that many generators of typed clients require."""
    for of_field in body.get("properties", {}).values():
        if "default" in of_field:
            said = of_field.get("description")
            default = f"Default: `{json.dumps(of_field.pop('default'))}`"
            of_field["description"] = f"{said}. {default}" if said else default


def _operation(endpoint: Endpoint, refer: Refer) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.request.action()}{'_from_page' if endpoint.from_page else ''}",
        "summary": endpoint.summary,
        "tags": [endpoint.path.split("/")[2]],
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint, refer),
    }
    if endpoint.public:
        operation["security"] = []
    elif endpoint.from_page:
        operation["security"] = [{"cookie": []}]
    if endpoint.takes_body:
        operation["requestBody"] = {
            "required": endpoint.needs_body,
            "content": {kind: {"schema": refer[endpoint.body, "validation"]} for kind in endpoint.media_types},
        }
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found = []
    for location, part in (("path", endpoint.path_part), ("query", endpoint.query)):
        schema = part.model_json_schema(ref_template=REFERENCE, schema_generator=AbsentIsNotNull)
        for name, of_field in schema.get("properties", {}).items():
            required = location == "path" or name in schema.get("required", ())
            described = {key: value for key, value in without_null(of_field).items() if key != "title"}
            found.append({"name": name, "in": location, "required": required, "schema": described})
    if endpoint.when is not None:
        flag = {"type": "boolean", "default": False}
        found.append({"name": endpoint.when[0], "in": "query", "required": False, "schema": flag})
    headers = [PAGE_HEADER] if endpoint.from_page else []
    if endpoint.request.kind is Kind.COMMAND:
        headers += ["Idempotency-Key", "Prefer"]
    if endpoint.if_match:
        headers.append("If-Match")
    if endpoint.is_read and endpoint.etag:
        headers.append("If-None-Match")
    for name in headers:
        description, described = _HEADERS[name]
        required = name == PAGE_HEADER
        found.append(
            {"name": name, "in": "header", "required": required, "description": description, "schema": described}
        )
    return found


def _responses(endpoint: Endpoint, refer: Refer) -> dict[str, Any]:
    reply = endpoint.request.reply_type()
    success: dict[str, Any] = {"description": "Done"}
    if reply is not None and endpoint.success != 204:  # noqa: PLR2004 - no content
        schema = (
            {"$ref": REFERENCE.format(model="PageSession")} if endpoint.from_page else refer[reply, "serialization"]
        )
        success["content"] = {JSON: {"schema": schema}}
    is_command = endpoint.request.kind is Kind.COMMAND
    headers = (("ETag", endpoint.etag), ("Location", endpoint.location), ("Idempotent-Replayed", is_command))
    success["headers"] = _headers(*(name for name, there in headers if there))
    responses = {str(endpoint.success): success}
    if endpoint.is_read and endpoint.etag:
        responses["304"] = {"description": "Unchanged", "headers": _headers("ETag")}
    if is_command:
        responses["202"] = {
            "description": "Accepted: the outcome will be available at the address in Location",
            "headers": _headers("Retry-After") | {"Location": _text_header("The address to poll for the outcome")},
            "content": {JSON: {"schema": {"$ref": REFERENCE.format(model="Accepted")}}},
        }
    by_status: dict[int, list[str]] = {}
    for refusal in endpoint.request.refuses:
        by_status.setdefault(STATUS_OF[refusal.kind], []).append(refusal.code)
    known = codes()
    for code in _edge_codes(endpoint):
        by_status.setdefault(known[code][0], []).append(code)
    for status, found in sorted(by_status.items()):
        responses[str(status)] = _problem(found, may_be_repeated=is_command)
    return responses


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, *_ALWAYS)}


def _text_header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _edge_codes(endpoint: Endpoint) -> Iterable[str]:
    yield from ("malformed_header", "invalid", "rate_limited", "internal_error", "unavailable")
    if endpoint.from_page:
        yield from ("not_from_page", "unauthenticated")
    if not endpoint.public:
        yield from EDGE_401
    if endpoint.placeholders:
        yield "not_found"
    yield from ("body_broken", "body_timeout", "body_too_large")  # also of one that nobody reads
    if endpoint.takes_body:
        yield from ("malformed_json", "unsupported_media_type")
    if endpoint.request.kind is Kind.COMMAND:
        yield from ("still_running", "outcome_unknown", IdempotencyKeyReused.code)
    if endpoint.is_read:
        yield "timeout"


def _problem(found: list[str], *, may_be_repeated: bool = False) -> dict[str, Any]:
    names = ["Retry-After"] if WAITED_FOR & set(found) else []
    if may_be_repeated and not EDGE_PROBLEMS.keys() >= set(found):
        names.append("Idempotent-Replayed")
    return {
        "description": ", ".join(sorted(set(found))),
        "headers": _headers(*names),
        "content": {PROBLEM: {"schema": {"$ref": REFERENCE.format(model="Problem")}}},
    }


def _problem_schemas() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "FieldError": FieldError.model_json_schema(),
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail", "instance", "code", "correlation_id"],
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "title": text,
                "status": {"type": "integer"},
                "detail": text,
                "instance": text,
                "code": {"type": "string", "examples": ["stale_revision"]},
                "correlation_id": text,
                "errors": {"type": "array", "items": {"$ref": REFERENCE.format(model="FieldError")}},
            },
        },
        "PageSession": {
            "type": "object",
            "required": ["session_id", "expires_in"],
            "properties": {"session_id": {"type": "string", "format": "uuid"}, "expires_in": {"type": "integer"}},
        },
        "Accepted": {
            "type": "object",
            "required": ["status", "command"],
            "properties": {"status": {"const": "accepted"}, "command": {"type": "string", "format": "uri-reference"}},
        },
        "CommandStatus": {
            "type": "object",
            "required": ["status"],
            "properties": {
                "status": {"enum": ["accepted", "succeeded", "failed"]},
                "outcome": {"description": "What the command was answered with"},
                "problem": {"type": "object"},
            },
        },
        "Health": {
            "type": "object",
            "required": ["status"],
            "properties": {
                "status": text,
                "version": {"type": "string", "description": "Only where the installation shows details here"},
                "checks": {"type": "object", "description": "As version"},
            },
        },
    }


def _system_paths() -> dict[str, Any]:
    def get(operation: str, summary: str, tag: str, responses: dict[str, Any], **more: Any) -> dict[str, Any]:
        answers = {**responses, "400": _problem(["malformed_request"])}
        described = {"operationId": operation, "summary": summary, "tags": [tag], "responses": answers}
        return {"get": {"security": [], **described, **more}}

    health = {
        status: {
            "description": description,
            "content": {JSON: {"schema": {"$ref": REFERENCE.format(model="Health")}}},
        }
        for status, description in (("200", "Healthy"), ("503", "Unavailable"))
    }
    address = {"name": "address", "in": "path", "required": True, "schema": {"type": "string"}}
    fingerprint_parameter = {
        "name": FINGERPRINT,
        "in": "query",
        "required": False,
        "description": "Taken from the command's address: selects one of the requests with the same Idempotency-Key",
        "schema": {"type": "string"},
    }
    content = {JSON: {"schema": {"$ref": REFERENCE.format(model="CommandStatus")}}}
    status = {
        "200": {"description": "The command's status", "content": content},
        "401": _problem(list(EDGE_401)),
        "404": _problem(["not_found"]),
        "410": _problem(["command_forgotten"]),
        "429": _problem(["rate_limited"]),
    }
    admin = {
        "200": {
            "description": "The state of each part",
            "headers": _headers(),
            "content": {JSON: {"schema": {"$ref": REFERENCE.format(model="SystemStatus")}}},
        },
        "401": _problem(list(EDGE_401)),
        "403": _problem([Forbidden.code]),
        "429": _problem(["rate_limited"]),
    }
    text = {
        "200": {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
        "404": _problem(["not_found"]),
    }
    keys = {"200": {"description": "JWK set", "content": {JSON: {"schema": {"type": "object"}}}}}
    return {
        "/api/commands/{address}": get(
            "get_command",
            "Get the outcome of a command, for its sender",
            "commands",
            status,
            parameters=[address, fingerprint_parameter],
            security=[*SIGNED_IN, {}],
        ),
        "/api/admin/status": get(
            "get_status", "Get the state of the installation, as an administrator", "system", admin, security=SIGNED_IN
        ),
        "/.well-known/jwks.json": get("get_jwks", "The public keys of access tokens", "system", keys),
        "/health": get("get_health", "Whether it is ready, and why", "system", health),
        "/health/live": get("get_liveness", "Whether it should be restarted", "system", health),
        "/health/ready": get("get_readiness", "Whether it should be sent requests", "system", health),
        "/metrics": get("get_metrics", "Metrics, where the installation shows details here", "system", text),
    }
