"""The API documentation as one HTML page without scripts, generated from the OpenAPI document."""

import base64
import hashlib
from html import escape
from typing import Any

from gateway.openapi import codes

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 2rem 1rem 6rem; }
h1 { margin-top: 0 } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } summary code { font-weight: 600 }
.method { display: inline-block; width: 4.5rem; font: 600 .8rem ui-monospace, monospace }
code, pre { font-family: ui-monospace, monospace; font-size: .9em } pre { background: var(--soft); padding: .8rem;
overflow-x: auto; border-radius: .4rem } table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line) }
.soft { opacity: .7 }
"""


_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def page(document: dict[str, Any]) -> str:
    info = document["info"]
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    sections = "".join(
        f'<h2 id="{tag["name"]}">{escape(tag["name"].capitalize())}</h2>'
        + "".join(_operation(*one, document) for one in operations if tag["name"] in one[2]["tags"])
        for tag in document["tags"]
    )
    problems = "".join(
        f'<tr id="{code}"><td><code>{code}</code><td>{status}<td>{escape(title)}'
        for code, (status, title) in codes().items()
    )
    paragraphs = escape(info["description"]).replace("\n", " ")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])} API <small class=soft>{escape(info['version'])}</small></h1>"
        f'<p>{_code(paragraphs)}<p><a href="docs/try">Try requests</a>. '
        'For programs: <a href="openapi.json">openapi.json</a>'
        f"{sections}<h2 id=problems>Problems</h2><table><tr><th>code<th>status<th>meaning{problems}</table></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(found['name'])}</code><td>{found['in']}"
        f"<td>{_code(escape(found.get('description') or _kind(found['schema'])))}"
        for found in operation.get("parameters", ())
    )
    body = operation.get("requestBody", {}).get("content", {})
    fields = _fields(next(iter(body.values()))["schema"], document) if body else ""
    answers = "".join(
        f"<tr><td>{status}<td>{_code(escape(answer['description']))}{_answer(answer, document)}"
        for status, answer in operation["responses"].items()
    )
    signed_in = "" if operation.get("security", document["security"]) else ' <span class="soft">public</span>'
    return (
        f'<details id="{operation["operationId"]}"><summary><span class="method">{method}</span>'
        f"<code>{escape(path)}</code> {escape(operation['summary'])}{signed_in}</summary>"
        + (f"<h4>Parameters</h4><table>{parameters}</table>" if parameters else "")
        + (f"<h4>Body <span class=soft>{escape(', '.join(body))}</span></h4>{fields}" if body else "")
        + f"<h4>Answers</h4><table>{answers}</table></details>"
    )


def _answer(answer: dict[str, Any], document: dict[str, Any]) -> str:
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    return _fields(schema, document) if schema and "$ref" in schema else ""


def _fields(schema: dict[str, Any], document: dict[str, Any]) -> str:
    name = schema["$ref"].rpartition("/")[2]
    found = document["components"]["schemas"][name]
    required = found.get("required", ())
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code><td>{escape(_kind(of_field))}"
        f"<td class=soft>{'required' if field in required else ''}"
        for field, of_field in found.get("properties", {}).items()
    )
    return f"<table>{rows}</table>"


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " / ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minLength", "from"), ("maxLength", "to"), ("minimum", "from"), ("maximum", "to"))
        if key in schema
    ]
    return " ".join([schema.get("format", kind), *bounds])


def _code(text: str) -> str:
    """Escaped text with `marks` as code."""
    parts = text.split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
