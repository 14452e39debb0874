"""Rules for versions; pure functions."""

import hashlib
from dataclasses import dataclass

from contracts.diagram.diagrams import DiagramType, RevisionRequired
from contracts.diagram.versions import ChangeVersion, RestoreVersion, VersionSummary
from workers.diagram.archive.storage import Content


@dataclass(frozen=True, slots=True)
class Naming:
    label: str | None
    description: str | None

    @property
    def is_given(self) -> bool:
        return self.label is not None or self.description is not None


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 of the canvas as PostgreSQL writes it, and of the note; None where there is none."""

    canvas: bytes | None
    note: bytes | None


def digest(content: Content) -> Digest:
    canvas, note = content.canvas_json, content.note
    return Digest(
        None if canvas is None else hashlib.sha256(canvas).digest(),
        None if note is None else hashlib.sha256(note.encode()).digest(),
    )


def needs_successor(newest: VersionSummary, naming: Naming) -> bool:
    """Whether what *naming* says must stand in a version of its own: *newest* has a label that must stay."""
    return naming.is_given and Naming(newest.label, newest.description).is_given


def renamed(version: VersionSummary, command: ChangeVersion) -> Naming:
    """Fields that the command does not set keep their values."""
    asked = command.model_fields_set
    return Naming(
        command.label if "label" in asked else version.label,
        command.description if "description" in asked else version.description,
    )


def type_for(kind: DiagramType, content: Digest) -> DiagramType:
    """*kind*, or where it has no place for *content*, the type that has."""
    if content.canvas is not None and content.note is not None:
        return "mixed"
    if content.canvas is not None and kind == "note":
        return "canvas"
    if content.note is not None and kind == "canvas":
        return "note"
    return kind


def check_restore(command: RestoreVersion) -> None:
    """Raises ``RevisionRequired``."""
    if command.expected_revision is None:
        raise RevisionRequired
