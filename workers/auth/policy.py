"""Who may do what with accounts and sessions: a pure function for each way of asking.

An account's data and sessions are seen and changed by the account alone: every statement on them takes its id. The
operator's commands are the chassis' to refuse (``operator_only``).
"""

from typing import Final
from uuid import UUID

from contracts.envelope import Actor, ActorKind
from contracts.refusal import Forbidden

_WITHOUT_ACCOUNT: Final = frozenset({ActorKind.ANONYMOUS, ActorKind.SERVICE})


def account_of(actor: Actor) -> UUID:
    """The account that *actor* acts for. Raises ``Forbidden`` for an actor without one."""
    if actor.kind in _WITHOUT_ACCOUNT:
        raise Forbidden("This request is not made by a user account")
    return actor.id


def may_register(actor: Actor, *, open_registration: bool) -> bool:
    """Whether *actor* may make an account; while registration is closed, only producers may."""
    return open_registration or actor.kind is ActorKind.PRODUCER


def check_network_query(actor: Actor) -> None:
    """The gateway asks before anybody has signed in. Raises ``Forbidden`` for others: it says where one signs in."""
    if actor.kind is not ActorKind.ANONYMOUS:
        raise Forbidden
