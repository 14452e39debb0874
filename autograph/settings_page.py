"""Generates docs/settings.md, and the module of known setting names, from the settings classes."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from autograph.settings import OperatorSettings
from chassis.settings import PREFIX, PROFILE_DEFAULTS, Profile, ServiceSettings, Settings
from contracts.services import SERVICES, Service

# Variables that no process reads as a setting.
OTHERS: Final = {
    "IMAGE": "compose: the image of gateway, workers and jobs, where it is not built here.",
    "OPERATOR_IMAGE": "compose: the same with PostgreSQL's programs, of migration and operator.",
    "HTTP_ADDRESS": "compose: the address of this machine that the gateway's port is published on.",
    "GRAFANA_PORT": "compose: Grafana's port on 127.0.0.1.",
    "PROMETHEUS_PORT": "compose: Prometheus' port on 127.0.0.1.",
    "MAIL_PORT": "compose: the mail box's port on 127.0.0.1.",
    "POSTGRES_PORT": "compose.dev.yaml: PostgreSQL's port on 127.0.0.1.",
    "RABBITMQ_MANAGEMENT_PORT": "compose.dev.yaml: the management API's port on 127.0.0.1.",
    "FAILPOINTS": "tests: a socket by which a process is stopped at a named place.",
    "FAULTS_LONG": "tests: run `make faults` for hours.",
    "FAULTS_REPORT": "tests: where `make faults` writes what held.",
    "TEST_COMPOSE": "tests: the compose program that is tried.",
    "TEST_SERVERS": "tests: the home of servers that run already.",
}
_LIMITS: Final = (
    ("minimum", "≥ {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "≤ {}"),
    ("minLength", "at least {} characters"),
)
_HEAD: Final = f"""\
# Settings

`make gen` writes this page from the settings' classes. A setting is an environment variable, or a line in the file
`.env` of the folder in which a process starts; the environment has precedence. `{PREFIX}X_FILE` names a file that
contains the value of `{PREFIX}X`, as Docker and Kubernetes mount secrets.

If a setting is invalid, the process ends at start with status 78 and reports all errors at once. A name that is close
to one of these names is an error too. Any other name that begins with `{PREFIX}` gives a warning on standard error and
is ignored, so that a release can run beside the next one, which has more settings.

`autograph` is the operator's command, which also runs the local stack: `autograph up` passes addresses and credentials
to each service itself.

| setting | read by | type and limits | default | what it does |
| --- | --- | --- | --- | --- |
"""


def settings_of(service: Service) -> type[ServiceSettings]:
    """Found by its name, so that no other module has to import the class of a new service."""
    module, name = service.settings_class
    found: type[ServiceSettings] = getattr(import_module(module), name)
    return found


@cache
def programs() -> Mapping[str, type[Settings]]:
    """The settings class of each program."""
    return {**{service.name: settings_of(service) for service in SERVICES}, "autograph": OperatorSettings}


def page() -> str:
    rows = "".join(f"| {' | '.join(row)} |\n" for row in _rows())
    others = "".join(f"| `{PREFIX}{name}` | {what} |\n" for name, what in sorted(OTHERS.items()))
    return f"{_HEAD}{rows}\n## Variables of other programs\n\n| variable | what reads it |\n| --- | --- |\n{others}"


def names_module() -> str:
    names = sorted({name.upper() for service in programs().values() for name in service.model_fields} | OTHERS.keys())
    lines = "".join(f'        "{name}",\n' for name in names)
    return f'''"""The names of all programs' settings, to detect misspelled ones. Written by `make gen`."""

from typing import Final

KNOWN: Final = frozenset(
    {{
{lines}    }}
)
'''


def _rows() -> Iterator[tuple[str, ...]]:
    readers: defaultdict[str, dict[str, FieldInfo]] = defaultdict(dict)
    for service, settings in programs().items():
        for name, field in settings.model_fields.items():
            readers[name][service] = field
    schemas = {service: settings.model_json_schema() for service, settings in programs().items()}
    for name, fields in sorted(readers.items()):
        yield (
            f"`{PREFIX}{name.upper()}`",
            "all" if len(fields) == len(programs()) else ", ".join(fields),
            _types(name, {service: schemas[service] for service in fields}),
            _defaults(name, fields),
            _text(name, fields),
        )


def description(settings: type[Settings], name: str) -> str:
    """The description in the first class that has one: subclasses may only change the default."""
    for one in settings.__mro__:
        field = one.model_fields.get(name) if issubclass(one, Settings) else None
        if field is not None and field.description:
            return " ".join(field.description.split())
    return ""


def _text(name: str, fields: Mapping[str, FieldInfo]) -> str:
    said: defaultdict[str, list[str]] = defaultdict(list)
    for service in fields:
        if text := description(programs()[service], name):
            said[text].append(service)
    if len(said) <= 1:
        return "".join(said)
    return " ".join(f"{', '.join(services)}: {text}" for text, services in said.items())


def _types(name: str, schemas: Mapping[str, Mapping[str, Any]]) -> str:
    said: defaultdict[str, list[str]] = defaultdict(list)
    for service, schema in schemas.items():
        said[_type(schema["properties"][name], schema.get("$defs", {}))].append(service)
    return _joined(said)


def _type(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return _type(definitions[field["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in field:
        return ", or ".join(_type(one, definitions) for one in field["anyOf"] if one.get("type") != "null")
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    names = {
        "integer": "whole number", "number": "number", "boolean": "true or false", "array": "list", "object": "flags",
    }  # fmt: skip
    form = {"password": "secret", "path": "path"}.get(field.get("format", ""), "text")
    limits = [said.format(f"{field[key]:,}") for key, said in _LIMITS if key in field]
    return ", ".join([names.get(field.get("type", ""), form), *limits])


def _defaults(name: str, fields: Mapping[str, FieldInfo]) -> str:
    by_profile = {profile: PROFILE_DEFAULTS[profile][name] for profile in Profile if name in PROFILE_DEFAULTS[profile]}
    said: defaultdict[str, list[str]] = defaultdict(list)
    for service, field in fields.items():
        if by_profile and programs()[service].profile_applies:
            text = ", ".join(f"{_value(value)} ({profile})" for profile, value in by_profile.items())
        else:
            text = "must be set" if field.is_required() else _value(field.default)
        said[text].append(service)
    return _joined(said)


def _joined(said: Mapping[str, list[str]]) -> str:
    """The common text, or each text with its services."""
    return next(iter(said)) if len(said) == 1 else "; ".join(f"{', '.join(who)}: {text}" for text, who in said.items())


def _value(value: object) -> str:
    match value:
        case None | () | "":
            return "none"
        case Enum():
            return f"`{value.value}`"
        case bool():
            return f"`{str(value).lower()}`"
        case BaseModel():
            return "none"
    return "none" if value is PydanticUndefined else f"`{value}`"
