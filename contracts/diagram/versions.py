"""The versions of a diagram."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.diagram.diagrams import READ_REFUSALS, CanvasJson, Cursor, InvalidCursor
from contracts.message import Query, Reply
from contracts.refusal import Refusal, RefusalKind, Refusals


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


class Version(VersionSummary):
    diagram_id: UUID
    canvas_data: CanvasJson | None
    note_content: str | None


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
    number: Annotated[int, Field(ge=1, le=2_147_483_647)]


MESSAGES = (
    ListVersions,
    GetVersion,
)
