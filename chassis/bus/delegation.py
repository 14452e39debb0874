"""Which worker may send which requests on behalf of the user whose message it handles.

``contracts.catalogue.DELEGATIONS`` says so. The broker's topic permissions follow from it, and so does what the asked
worker believes. The actor stays the user, so that it is the user's rights that count.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from chassis.bus.headers import service_user
from contracts.envelope import Actor, ActorKind
from contracts.message import Request

Delegations: TypeAlias = Mapping[str, tuple[type[Request[Any]], ...]]  # by the worker that may send them

# Whom a worker may speak for. A producer acts as itself only; nobody speaks for a service.
DELEGATING: Final = frozenset({ActorKind.USER, ActorKind.API_KEY})


def delegates(delegations: Delegations) -> dict[str, frozenset[str]]:
    """Broker users that may speak for users, by the wire name of what they may send."""
    users: dict[str, set[str]] = {}
    for worker, requests in delegations.items():
        for request in requests:
            users.setdefault(request.wire_name, set()).add(service_user(worker))
    return {name: frozenset(found) for name, found in users.items()}


def may_speak_for(actor: Actor, sender: str, wire_name: str, allowed: Mapping[str, Iterable[str]]) -> bool:
    """Whether *sender*, which is not the gateway, may send this request for *actor*."""
    return actor.kind in DELEGATING and sender in allowed.get(wire_name, ())
