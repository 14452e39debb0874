"""Every service as one entry, from which everything else about it follows.

That is: messages, queues, subscriptions and rights on the broker, role and schema in PostgreSQL, user in Redis,
credentials, the launcher, containers, the chart, Prometheus' targets, alerts and dashboards. What must stand in a file
is written there by ``autograph generate``. CONTRIBUTING.md says how to add a worker.
"""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from contracts import auth, diagram
from contracts.message import Event, Message, Request

GATEWAY: Final = "gateway"
# Letters only: a name begins queues, routing keys, a schema, users of three servers, variables and containers.
_NAME: Final = re.compile(r"[a-z]{1,15}")


class Engine(StrEnum):
    POSTGRES = "postgres"
    REDIS = "redis"
    RABBITMQ = "rabbitmq"
    S3 = "s3"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Service:
    """The gateway, or a worker, which runs as ``python -m workers.<name>``."""

    name: str
    side_port: int  # for metrics and health checks
    needs: AbstractSet[Engine] = frozenset()  # besides Redis and RabbitMQ, which every service uses
    messages: tuple[type[Message], ...] = ()  # the requests that it handles and the events that it publishes
    hears: tuple[type[Event], ...] = ()  # the events that it subscribes to
    # Events whose handling is slow: each named bulkhead is a queue with consumers of its own.
    event_bulkheads: Mapping[type[Event], str] = field(default_factory=dict)
    # The requests that it may send on behalf of the user whose message it handles.
    asks: tuple[type[Request[Any]], ...] = ()
    revision: str = "0001"  # the oldest schema revision that it works with
    pool_max: int = 30  # connections to PostgreSQL that one process opens at most, by default
    own_secret: bool = False  # whether it has a setting AUTOGRAPH_<NAME>_SECRET
    optional_secrets: tuple[str, ...] = ()  # further settings that are secrets and may be left out
    extensions: tuple[str, ...] = ()  # PostgreSQL extensions that it uses, whichever schema they are in
    buckets: tuple[str, ...] = ()  # in the object store
    cpu: str = ""  # CPU request of a pod; empty: the chart's default
    # Settings of a pod whose default depends on the machine.
    pod_settings: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name of a service: 1 to 15 letters from a to z")
        if strangers := [message.wire_name for message in self.messages if message.worker() != self.name]:
            raise ValueError(f"{self.name} does not own {', '.join(strangers)}: a wire name is autograph.<worker>.…")
        if unheard := [event.wire_name for event in self.event_bulkheads.keys() - set(self.hears)]:
            raise ValueError(f"{self.name} has a bulkhead for {', '.join(unheard)}, to which it does not subscribe")

    @property
    def is_worker(self) -> bool:
        return self.name != GATEWAY

    @property
    def module(self) -> str:
        """What ``python -m`` runs."""
        return f"workers.{self.name}" if self.is_worker else self.name

    @property
    def settings_class(self) -> tuple[str, str]:
        """Module and name."""
        return f"{self.module}.settings", f"{self.name.capitalize()}Settings"

    @property
    def engines(self) -> tuple[Engine, ...]:
        """All servers that it uses."""
        return tuple(engine for engine in Engine if engine in {Engine.REDIS, Engine.RABBITMQ, *self.needs})

    @property
    def caches(self) -> tuple[str, ...]:
        """The kinds of the cached answers that it invalidates: the first part of their names."""
        cached = (message.cached for message in self.messages if issubclass(message, Request))
        return tuple(sorted({name.kind for name in cached if name is not None}))

    @property
    def secret_variable(self) -> str:
        return f"AUTOGRAPH_{self.name.upper()}_SECRET"


SERVICES: Final[tuple[Service, ...]] = (
    Service(name=GATEWAY, side_port=9080, own_secret=True),
    Service(
        name="auth",
        side_port=8085,
        needs={Engine.POSTGRES},
        messages=auth.MESSAGES,
        # It writes the audit log, which also covers diagrams.
        hears=(
            auth.accounts.UserRegistered,
            auth.sessions.SessionStarted,
            auth.sessions.SessionEnded,
            diagram.diagrams.DiagramTrashed,
            diagram.diagrams.DiagramRestored,
            diagram.diagrams.DiagramDeleted,
        ),
        revision="0007",
        own_secret=True,
        optional_secrets=("password_pepper",),
        cpu="1",  # hashing passwords takes a core
        pod_settings={"password_threads": 1},
    ),
    Service(
        name="diagram",
        side_port=8082,
        needs={Engine.POSTGRES, Engine.S3},
        messages=diagram.MESSAGES,
        revision="0009",
        extensions=("pg_trgm",),
        buckets=("diagrams", "uploads", "exports"),
    ),
)
BUCKETS: Final = tuple(bucket for service in SERVICES for bucket in service.buckets)
_BY_NAME: Final = {service.name: service for service in SERVICES}


def entry(name: str) -> Service:
    """Raises ``KeyError``."""
    return _BY_NAME[name]


def needing(engine: Engine) -> tuple[Service, ...]:
    return tuple(service for service in SERVICES if engine in service.engines)


# PostgreSQL's connections

RESERVED_CONNECTIONS: Final = 20  # for migrations, backups, the doctor, psql, and PostgreSQL's own three
PROCESSES: Final = 3  # of each worker: connections are provided for at least this many


def max_connections(
    processes: Mapping[str, int] | None = None,
    pools: Mapping[str, int] | None = None,
    services: Iterable[Service] = SERVICES,
) -> int:
    """The number of connections that PostgreSQL must accept when all pools are full.

    *processes* by worker, where there are more than the default. *pools*: maximum sizes that settings have changed.
    """
    processes, pools = processes or {}, pools or {}
    return RESERVED_CONNECTIONS + sum(
        pools.get(service.name, service.pool_max) * max(PROCESSES, processes.get(service.name, 1))
        for service in services
        if Engine.POSTGRES in service.engines
    )
