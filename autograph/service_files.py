"""Generates the sections of files that follow from the services' entries (contracts/services.py)."""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from autograph.sections import without_sections
from autograph.settings_page import description, settings_of
from autograph.topology import NEEDED
from contracts.services import SERVICES, Engine, Service, max_connections

WIDTH: Final = 120
WORKERS: Final = tuple(service for service in SERVICES if service.is_worker)
WITH_SECRET: Final = tuple(service for service in SERVICES if service.own_secret)
POD_POOL: Final = 20  # the maximum size of a pod's pool of connections to PostgreSQL
NETWORKS: Final = {Engine.POSTGRES: "database", Engine.S3: "objects"}
S3_VARIABLES: Final = ("AUTOGRAPH_S3_URL", "AUTOGRAPH_S3_ACCESS_KEY", "AUTOGRAPH_S3_SECRET_KEY")
WATCHED: Final = ("../chassis", "../contracts")


def variables(service: Service) -> list[str]:
    """The variables that the service reads from files: those that ``autograph credentials`` writes."""
    named = {Engine.S3: S3_VARIABLES}
    found = [name for engine in service.engines for name in named.get(engine, (f"AUTOGRAPH_{engine.upper()}_URL",))]
    return [*found, *([service.secret_variable] if service.own_secret else [])]


# compose/


def compose(_: str) -> dict[str, str]:
    return {
        "service secrets": _lines(
            f"{name}_FILE: /run/autograph/operator/{name}" for name in (one.secret_variable for one in WITH_SECRET)
        ),
        "credential mounts": _lines(f"- {one.name}-credentials:/run/autograph/{one.name}" for one in SERVICES),
        "workers to wait for": _lines(
            f"{one.name}: {{ condition: service_healthy, required: false }}" for one in WORKERS
        ),
        "workers": "\n\n".join(map(_container, WORKERS)),
        "connections": f"- max_connections={max_connections()}",
        "credential volumes": _lines(f"{one.name}-credentials: {{}}" for one in SERVICES),
    }


def _container(worker: Service) -> str:
    folder = f"/run/autograph/{worker.name}"
    networks = ["bus", *(NETWORKS[engine] for engine in worker.engines if engine in NETWORKS), "monitoring"]
    return _lines(
        [
            f"{worker.name}:",
            "  <<: *service",
            f"  command: [python, -m, {worker.module}]",
            "  environment:",
            f'    AUTOGRAPH_SIDE_PORT: "{worker.side_port}"',
            *(f"    {name}_FILE: {folder}/{name}" for name in variables(worker)),
            "  healthcheck: *ready",
            f"  networks: [{', '.join(networks)}]",
            f'  volumes: ["{worker.name}-credentials:{folder}:ro"]',
        ]
    )


def compose_for_development(_: str) -> dict[str, str]:
    return {"workers": "\n\n".join(map(_container_for_development, WORKERS))}


def _container_for_development(worker: Service) -> str:
    return _lines(
        [
            f"{worker.name}:",
            "  <<: *code",
            "  environment: *talkative",
            "  stop_grace_period: 5s",
            "  develop:",
            "    watch:",
            "      - { action: rebuild, path: ../requirements.lock }",
            *(
                f"      - {{ action: restart, path: {path} }}"
                for path in (f"../{worker.module.replace('.', '/')}", *WATCHED)
            ),
        ]
    )


def compose_lint(_: str) -> dict[str, str]:
    return {"services": _lines(f'{one.name}: "as secrets"' for one in SERVICES)}


def dockerfile(_: str) -> dict[str, str]:
    return {"services": f'ARG SERVICES="{" ".join(one.name for one in SERVICES)}"'}


def probe(_: str) -> dict[str, str]:
    ports = _lines(f'    "{one.module}": {one.side_port},' for one in SERVICES)
    return {"side ports": f"SIDE_PORTS = {{\n{ports}\n}}"}


# Prometheus


def prometheus(_: str) -> dict[str, str]:
    return {
        "targets": _lines(
            f"- {{ names: [{one.name}], type: A, port: {one.side_port}, refresh_interval: 15s }}" for one in SERVICES
        )
    }


def alerts(_: str) -> dict[str, str]:
    absent = (f'absent(up{{job="autograph", service="{one.name}"}})' for one in SERVICES)
    return {"services": "expr: |\n  " + "\n  or ".join(absent)}


def tests_of_alerts(_: str) -> dict[str, str]:
    labels = {one.name: f'job="autograph",service="{one.name}",instance="{one.name}:1"' for one in SERVICES}
    series = {name: f"- {{ series: 'up{{{said}}}', values: '1x10' }}" for name, said in labels.items()}
    return {
        "services but auth": _lines(line for name, line in series.items() if name != "auth"),
        "services": _lines(series.values()),
    }


# helm/autograph/


def chart_values(_: str) -> dict[str, str]:
    return {"workers": "\n".join(map(_chart_worker, WORKERS))}


def _chart_worker(worker: Service) -> str:
    queues = sorted(queue for queue in NEEDED.queues if queue.startswith(f"{worker.name}."))
    of_nobody = {f"{worker.name}.parked", f"{worker.name}.refused"}
    settings = [
        f"{name}: {value}  # {description(settings_of(worker), name)}" for name, value in worker.pod_settings.items()
    ]
    if Engine.POSTGRES in worker.engines:
        settings += [
            "postgres_pool_min: 2  # connections that a pod keeps open",
            f"postgres_pool_max: {min(POD_POOL, worker.pool_max)}  # connections that a pod opens at most",
        ]
    secret = "true  # it has an AUTOGRAPH_<NAME>_SECRET" if worker.own_secret else "false  # only its credentials"
    resources = ["  resources:", f'    requests: {{cpu: "{worker.cpu}", memory: 160Mi}}  # what a pod gets for certain']
    return _lines(
        [
            f"{worker.name}:",
            f"  sidePort: {worker.side_port}  # for metrics and health",
            f"  needs: [{', '.join(worker.engines)}]  # the servers that it may reach and gets credentials for",
            f"  ownSecret: {secret}",
            "  # The queues that keda scales by.",
            *_wrapped(f"  queues: [{', '.join(queue for queue in queues if queue not in of_nobody)}]"),
            *(resources if worker.cpu else []),
            "  settings:",
            *(f"    {line}" for line in settings),
        ]
    )


def chart_values_for_development(text: str) -> dict[str, str]:
    """Secrets that the file does not set already: existing clusters have data encrypted with those."""
    there = without_sections(text)
    missing = [one for one in WITH_SECRET if one.secret_variable not in there]
    return {
        "secrets": _lines(f"{one.secret_variable}: development-only-{one.name}-development-only" for one in missing)
    }


def _wrapped(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, WIDTH - 2, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


# Path in the checkout → the function that generates the file's sections, given the file's current text.
SECTIONS: Final[Mapping[str, Callable[[str], dict[str, str]]]] = {
    "compose/compose.yaml": compose,
    "compose/compose.dev.yaml": compose_for_development,
    "compose/.compose-lint.yml": compose_lint,
    "compose/Dockerfile": dockerfile,
    "compose/probe.py": probe,
    "compose/prometheus/prometheus.yaml": prometheus,
    "compose/prometheus/rules/alerts.yaml": alerts,
    "compose/prometheus/tests/alerts.yaml": tests_of_alerts,
    "helm/autograph/values.yaml": chart_values,
    "helm/autograph/values-dev.yaml": chart_values_for_development,
}
