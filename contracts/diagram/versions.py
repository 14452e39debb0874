"""The versions of a diagram.

``version`` numbers contents, ``revision`` counts acknowledged changes: a change of the title alone, or one that an open
version takes, raises the revision and makes no version. ``If-Match`` compares revisions.
"""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from contracts.cache_name import CacheName
from contracts.diagram.diagrams import (
    CHANGE_REFUSALS,
    DIAGRAM_CACHE,
    READ_REFUSALS,
    CanvasJson,
    Cursor,
    DiagramSummary,
    Expected,
    InTrash,
    InvalidCursor,
    Others,
    RevisionRequired,
)
from contracts.message import Command, Query, Reply
from contracts.refusal import Refusal, RefusalKind, Refusals
from contracts.text import ONE_LINE, STORABLE

MAX_NAMING_BYTES = 32 * 1024  # a description of 5,000 characters, each as an escape
VersionNumber = Annotated[int, Field(ge=1, le=2_147_483_647)]
VersionLabel = Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True), ONE_LINE]
VersionDescription = Annotated[str, StringConstraints(min_length=1, max_length=5_000), STORABLE]


class VersionNotFound(Refusal):
    kind = RefusalKind.NOT_FOUND
    code = "version_not_found"
    title = "No such version"


class VersionSummary(Reply):
    number: int
    label: str | None
    description: str | None
    size_bytes: int
    created_at: AwareDatetime
    created_by: UUID
    created_by_producer: str | None = None  # the program that acted for ``created_by``: its name at the broker
    updated_at: AwareDatetime | None = None  # of the last change that it took; None from a worker before 0.2
    open: Annotated[bool, Field(description="May still take changes. Once false, the content never changes")] = False
    restored_from: int | None = None  # the number of the version whose content it has


class Version(VersionSummary):
    diagram_id: UUID
    canvas_data: CanvasJson | None
    note_content: str | None


class SavedVersion(VersionSummary):
    diagram_id: UUID
    diagram_revision: int  # what the next change is based on


class VersionPage(Reply):
    items: tuple[VersionSummary, ...]
    next_cursor: str | None
    total: int


class ListVersions(Query[VersionPage]):
    """Newest first."""

    wire_name: ClassVar[str] = "autograph.diagram.list_versions.v1"
    refuses: ClassVar[Refusals] = (*READ_REFUSALS, InvalidCursor)

    id: UUID
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class GetVersion(Query[Version]):
    wire_name: ClassVar[str] = "autograph.diagram.get_version.v1"
    refuses: ClassVar[Refusals] = (*READ_REFUSALS, VersionNotFound)

    id: UUID
    number: VersionNumber


class CreateVersion(Command[SavedVersion]):
    """Make the present content a version of its own, with a label if one is given.

    The newest version has that content already. It is closed and takes the label, unless it has one: then a version
    with the same content follows it.
    """

    wire_name: ClassVar[str] = "autograph.diagram.create_version.v1"
    max_bytes: ClassVar[int] = MAX_NAMING_BYTES
    refuses: ClassVar[Refusals] = (*CHANGE_REFUSALS, InTrash)
    invalidates: ClassVar[tuple[CacheName, ...]] = (DIAGRAM_CACHE,)

    id: UUID
    expected_revision: Expected | None = None
    other_revisions: Others = ()
    label: VersionLabel | None = None
    description: VersionDescription | None = None


class ChangeVersion(Command[VersionSummary]):
    """Change a version's label or description; null removes it. The content never changes; an open version is closed.

    The diagram's revision stays: who edits the diagram has no conflict.
    """

    wire_name: ClassVar[str] = "autograph.diagram.change_version.v1"
    max_bytes: ClassVar[int] = MAX_NAMING_BYTES
    refuses: ClassVar[Refusals] = (*READ_REFUSALS, VersionNotFound, InTrash)

    id: UUID
    number: VersionNumber
    label: VersionLabel | None = None
    description: VersionDescription | None = None


class RestoreVersion(Command[DiagramSummary]):
    """Make the next version with the content of an old one. The present content again changes nothing.

    The type changes if the content does not fit it.
    """

    wire_name: ClassVar[str] = "autograph.diagram.restore_version.v1"
    refuses: ClassVar[Refusals] = (*CHANGE_REFUSALS, RevisionRequired, InTrash, VersionNotFound)
    invalidates: ClassVar[tuple[CacheName, ...]] = (DIAGRAM_CACHE,)

    id: UUID
    number: VersionNumber
    expected_revision: Expected | None = None  # required
    other_revisions: Others = ()


MESSAGES = (
    ListVersions,
    GetVersion,
    CreateVersion,
    ChangeVersion,
    RestoreVersion,
)
