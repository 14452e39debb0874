"""The description of the bus (AsyncAPI 3), generated from the contracts."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from contracts.absent import AbsentIsNotNull
from contracts.catalogue import EVENT_BULKHEADS, EVENTS, MESSAGES, REQUESTS, SUBSCRIPTIONS
from contracts.envelope import CONTENT_TYPE
from contracts.message import Event, Message, Request
from contracts.outcome import Outcome
from contracts.refusal import REFUSED_BY_ANY
from contracts.version import VERSION

DESCRIPTION = """\
Commands and queries have the key `<worker>.<name>`, events leave under `<worker>.<event>`. A producer publishes to a
topic exchange of its own, `autograph.producers.<name>`, which passes on what it is allowed, and to no other; the
exchanges that are named here are the gateway's and the workers'. Every body is a CloudEvents 1.0 document in structured
mode; `data` is described here. Replies go to the queue in the AMQP property `reply_to`, the sender's own: a producer
has `reply.producer-<name>.1` and, for each further process, the next number, and consumes from them exclusively. A
reply has the request's id as `causationid`. The property `user_id` is required: the broker verifies it.
An outside subscriber consumes events from `autograph.subscribers.<name>`, which the operator binds to the events that
it may have, and acknowledges each. The queue holds 100,000 events or 256 MiB; beyond that the oldest are dropped. An
event may be delivered more than once (same `id`) and in any order: `sequence` numbers a subject's events without gaps.
"""
REPLIES = "replies"
ATTRIBUTES = ("id", "source", "type", "time", "correlationid", "actor")


def document() -> dict[str, Any]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(message, "serialization") for message in MESSAGES]
    wanted += [(r, "serialization") for request in REQUESTS if (r := request.reply_type()) is not None]
    wanted += [(Outcome, "serialization")]
    refer: Any
    refer, definitions = models_json_schema(
        wanted, ref_template="#/components/schemas/{model}", schema_generator=AbsentIsNotNull
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "AutoGraph's bus", "version": VERSION, "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {message.routing_key(): _channel(message) for message in MESSAGES} | {REPLIES: _replies()},
        "operations": {
            message.wire_name.removeprefix("autograph."): _operation(message) for message in MESSAGES
        },
        "components": {
            "messages": {message.__name__: _message(message, refer) for message in MESSAGES}
            | {_reply_name(request): _reply(request, refer) for request in REQUESTS},
            "schemas": dict(sorted(definitions["$defs"].items())) | {"Envelope": _envelope()},
        },
    }  # fmt: skip


def _channel(message: type[Message]) -> dict[str, Any]:
    exchange: str = message.exchange()  # type: ignore[attr-defined]  # requests and events have it
    queues = _queues(message)
    return {
        "address": message.routing_key(),
        "description": f"Queue{'s' if len(queues) != 1 else ''}: {', '.join(queues) or 'none of AutoGraph'}.",
        "messages": {message.__name__: {"$ref": f"#/components/messages/{message.__name__}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": exchange, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _queues(message: type[Message]) -> list[str]:
    if issubclass(message, Request):
        return [message.queue(), f"{message.producers_queue()} (producers')"]
    assert issubclass(message, Event)
    return [
        message.queue(worker, EVENT_BULKHEADS.get(worker, {}).get(message))
        for worker, heard in SUBSCRIPTIONS.items()
        if message in heard
    ]


def _operation(message: type[Message]) -> dict[str, Any]:
    channel = f"#/channels/{message.routing_key()}"
    operation: dict[str, Any] = {
        "action": "send" if message in EVENTS else "receive",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{message.__name__}"}],
    }
    if issubclass(message, Request):
        operation["reply"] = {
            "address": {"location": "$message.header#/reply_to", "description": "The AMQP property reply_to."},
            "channel": {"$ref": f"#/channels/{REPLIES}"},
            "messages": [{"$ref": f"#/channels/{REPLIES}/messages/{_reply_name(message)}"}],
        }
    if message.__doc__ and message.__doc__.strip():
        operation["summary"] = " ".join(message.__doc__.split())
    return operation


def _message(message: type[Message], refer: Any) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": message.wire_name,
        "title": message.__name__,
        "contentType": CONTENT_TYPE,
        "payload": _payload(message.wire_name, refer[message, "serialization"]),
        "x-kind": message.kind.value,
    }
    if issubclass(message, Request):
        described["x-timeout-seconds"] = message.timeout.total_seconds()
        if message.operator_only:
            described["x-operator-only"] = True
    return described


def _replies() -> dict[str, Any]:
    names = [_reply_name(request) for request in REQUESTS]
    return {
        "address": None,  # the sender's own
        "description": "The sender's queue.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _reply_name(request: type[Request[Any]]) -> str:
    return f"{request.__name__}Reply"


def _reply(request: type[Request[Any]], refer: Any) -> dict[str, Any]:
    """An outcome; where it succeeded, with the request's own reply."""
    reply = request.reply_type()
    success = {"type": "null"} if reply is None else {"anyOf": [refer[reply, "serialization"], {"type": "null"}]}
    outcome = {"allOf": [refer[Outcome, "serialization"], {"type": "object", "properties": {"reply": success}}]}
    wire_name = f"autograph.{request.worker()}.reply.v1"
    refusals = sorted((*request.refuses, *REFUSED_BY_ANY), key=lambda refusal: refusal.code)
    return {
        "name": wire_name,
        "title": _reply_name(request),
        "contentType": CONTENT_TYPE,
        "payload": _payload(wire_name, outcome),
        "x-refusals": {refusal.code: refusal.title for refusal in refusals},
    }


def _payload(wire_name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "allOf": [
            {"$ref": "#/components/schemas/Envelope"},
            {
                "type": "object",
                "required": ["data"],
                "properties": {"type": {"const": wire_name}, "data": data},
            },
        ]
    }


def _envelope() -> dict[str, Any]:
    text = {"type": "string"}
    moment = {"type": "string", "format": "date-time"}
    identity = {"type": "string", "format": "uuid"}
    return {
        "type": "object",
        "required": ["specversion", *ATTRIBUTES],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": identity,
            "source": text,
            "type": text,
            "subject": text,
            "sequence": {"type": "string", "pattern": "^[0-9]{20}$"},
            "time": moment,
            "datacontenttype": {"const": "application/json"},
            "correlationid": text,
            "causationid": identity,
            "actor": {"type": "string", "examples": ["producer/<id>?name=producer-reports"]},
            "deadline": moment,
            "fingerprint": text,
            "partitionkey": text,
            "traceparent": text,
        },
    }
