"""Who may do what with diagrams, in one place: a pure function for requests, and an SQL fragment for rows.

A diagram is its owner's: nobody else sees it.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from contracts.diagram.diagrams import (
    ChangeDiagram,
    CreateDiagram,
    DeleteDiagram,
    GetDiagram,
    ListDiagrams,
    RestoreDiagram,
    TrashDiagram,
    ViewDiagram,
)
from contracts.diagram.versions import ChangeVersion, CreateVersion, GetVersion, ListVersions, RestoreVersion
from contracts.envelope import Actor, ActorKind
from contracts.message import Request
from contracts.refusal import Forbidden


class Level(IntEnum):
    """Each includes those before it. An owner has all of them."""

    VIEW = 1
    EDIT = 2
    MANAGE = 3


NEEDS: Final[Mapping[type[Request[Any]], Level]] = {
    GetDiagram: Level.VIEW,
    ViewDiagram: Level.VIEW,
    ListDiagrams: Level.VIEW,
    ListVersions: Level.VIEW,
    GetVersion: Level.VIEW,
    CreateDiagram: Level.EDIT,
    ChangeDiagram: Level.EDIT,
    CreateVersion: Level.EDIT,
    ChangeVersion: Level.EDIT,
    RestoreVersion: Level.EDIT,
    TrashDiagram: Level.MANAGE,
    RestoreDiagram: Level.MANAGE,
    DeleteDiagram: Level.MANAGE,
}
_OWNERS: Final = frozenset({ActorKind.USER, ActorKind.API_KEY, ActorKind.PRODUCER})
_WRITING_SCOPES: Final = frozenset({"write", "admin"})


def authorise(actor: Actor, request: Request[Any]) -> UUID:
    """The account with whose rights *actor* does what *request* asks. Raises ``Forbidden``."""
    if actor.kind not in _OWNERS:
        raise Forbidden("Diagrams belong to users: sign in first")
    if actor.kind is ActorKind.API_KEY:
        if not actor.scopes:
            raise Forbidden("The API key has no scope")
        if NEEDS[type(request)] > Level.VIEW and _WRITING_SCOPES.isdisjoint(actor.scopes):
            raise Forbidden("The API key lacks the scope write")
    return actor.id


def visible_to(account: str) -> str:
    """The condition on rows of ``files`` that *account*, an SQL expression, may see: all others do not exist for it."""
    return f"owner_id = {account}"
