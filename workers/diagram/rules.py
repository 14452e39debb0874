"""Rules for diagrams; pure functions."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Protocol
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime

from contracts.diagram import (
    ChangeDiagram,
    DiagramType,
    Expected,
    InTrash,
    NotInTrash,
    RevisionRequired,
    StaleRevision,
)
from contracts.envelope import Actor, ActorKind
from contracts.refusal import FieldError, Forbidden, Invalid

CONTENT_FIELDS = frozenset({"canvas_data", "note_content"})
NEVER_NULL = ("title", "type", "tags")

_OWNERS = frozenset({ActorKind.USER, ActorKind.API_KEY, ActorKind.PRODUCER})
_TYPES_WITHOUT: dict[str, DiagramType] = {"canvas_data": "note", "note_content": "canvas"}


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside of the calendar in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class DiagramState(Protocol):
    """A diagram's current state, as far as the rules need it."""

    @property
    def revision(self) -> int: ...
    @property
    def in_trash(self) -> bool: ...


class Conditional(Protocol):
    """A command that may name the revisions on which it is based."""

    @property
    def expected_revision(self) -> Expected | None: ...
    @property
    def other_revisions(self) -> tuple[int, ...]: ...


def reader(actor: Actor) -> UUID:
    """The owner whose diagrams *actor* may read. Raises ``Forbidden``."""
    if actor.kind not in _OWNERS:
        raise Forbidden("Diagrams belong to users: sign in first")
    if actor.kind is ActorKind.API_KEY and not actor.scopes:
        raise Forbidden("The API key has no scope")
    return actor.id


def writer(actor: Actor) -> UUID:
    """The owner whose diagrams *actor* may create and change. Raises ``Forbidden``."""
    owner = reader(actor)
    if actor.kind is ActorKind.API_KEY and not {"write", "admin"} & set(actor.scopes):
        raise Forbidden("The API key lacks the scope write")
    return owner


def size_bytes(canvas: bytes | None, note: str | None) -> int:
    """Size of the canvas as compact JSON, plus the note in UTF-8."""
    return len(canvas or b"") + len((note or "").encode())


def without_repeats(tags: Iterable[str]) -> list[str]:
    """Keeps the order of first occurrence."""
    return list(dict.fromkeys(tags))


def check_type(kind: DiagramType, *, has_canvas: bool, has_note: bool, asked: Iterable[str]) -> None:
    """A canvas has no note and a note has no canvas; a mixed diagram may have both. Raises ``Invalid``.

    *asked*: the fields that the request sets, of which the error's pointer names one.
    """
    for field, present in (("canvas_data", has_canvas), ("note_content", has_note)):
        if present and kind == _TYPES_WITHOUT[field]:
            pointer = field if field in asked else "type"
            detail = f"a diagram of type {kind} has no {field}: make it mixed, or set {field} to null"
            raise Invalid(errors=(FieldError(pointer=f"/{pointer}", code="does_not_fit_type", detail=detail),))


def check_change(command: ChangeDiagram) -> None:
    """Checks that need no state of the diagram. Raises ``Invalid``, ``RevisionRequired``."""
    errors = tuple(
        FieldError(pointer=f"/{field}", code="null", detail="must not be null")
        for field in NEVER_NULL
        if field in command.model_fields_set and getattr(command, field) is None
    )
    if errors:
        raise Invalid(errors=errors)
    if command.expected_revision is None and command.model_fields_set & CONTENT_FIELDS:
        raise RevisionRequired


def check_revision(command: Conditional, found: DiagramState) -> None:
    """Raises ``StaleRevision``."""
    if command.expected_revision not in (None, "*", found.revision) and found.revision not in command.other_revisions:
        raise StaleRevision(current_revision=found.revision)


def check_live(found: DiagramState) -> None:
    """Raises ``InTrash``."""
    if found.in_trash:
        raise InTrash


def check_in_trash(found: DiagramState) -> None:
    """Raises ``NotInTrash``."""
    if not found.in_trash:
        raise NotInTrash


def check_moments(**fields: datetime | None) -> None:
    """Refuses moments that are outside the calendar in UTC, in which PostgreSQL stores them.

    Raises ``Invalid``.
    """
    for field, moment in fields.items():
        try:
            if moment is not None:
                _in_utc(moment)
        except ValueError as error:
            raise Invalid(errors=(FieldError(pointer=f"/{field}", code="out_of_range", detail=str(error)),)) from None
