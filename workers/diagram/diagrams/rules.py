"""Rules for diagrams; pure functions."""

from collections.abc import Iterable
from typing import Protocol

from contracts.diagram.diagrams import (
    ChangeDiagram,
    DiagramType,
    Expected,
    InTrash,
    NotInTrash,
    RevisionRequired,
    StaleRevision,
)
from contracts.refusal import FieldError, Invalid

CONTENT_FIELDS = frozenset({"canvas_data", "note_content"})

NEVER_NULL = ("title", "type", "tags")

_TYPES_WITHOUT: dict[str, DiagramType] = {"canvas_data": "note", "note_content": "canvas"}


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
