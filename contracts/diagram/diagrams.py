"""Diagrams: their fields, content, lists and trash."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, PlainValidator, StringConstraints, WithJsonSchema

from contracts.absent import NOT_NULL
from contracts.cache_name import CacheName
from contracts.message import Command, Event, Query, Reply, TransientCommand
from contracts.raw_json import RawJson
from contracts.refusal import Forbidden, Refusal, RefusalKind, Refusals
from contracts.text import ONE_LINE, STORABLE, TIME, storable_json

Title = Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True), ONE_LINE]
DiagramType = Literal["canvas", "note", "mixed"]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True), ONE_LINE]
Tags = Annotated[tuple[Tag, ...], Field(max_length=50)]
_AN_OBJECT = WithJsonSchema({"additionalProperties": True, "type": "object"})
# Opaque JSON: checked once when it arrives, and passed on unparsed.
Canvas = Annotated[RawJson, PlainValidator(storable_json), _AN_OBJECT]
CanvasJson = Annotated[RawJson, _AN_OBJECT]
Note = Annotated[str, StringConstraints(max_length=5_000_000), STORABLE]
Label = Annotated[str, StringConstraints(max_length=255), ONE_LINE]
Description = Annotated[str, StringConstraints(max_length=5_000), STORABLE]
# Contains a sort key: a title of 255 characters takes up to 6 bytes each in JSON, and a third more in base64.
Cursor = Annotated[str, StringConstraints(max_length=4_096, pattern=r"^[A-Za-z0-9_-]+$")]
Time = Annotated[AwareDatetime, TIME]
# The revision that a change is based on (the ETag's number; 0 never matches), or "*" for any revision.
Expected = Annotated[int, Field(ge=0)] | Literal["*"]
# Further accepted revisions. A separate field, so that a release that does not know it refuses more, never less.
Others = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=100)]
DIAGRAM_CACHE = CacheName("diagram", "id")
CHECKPOINT = (
    "`each`: a change of content makes the next version. `auto`: the newest version takes it while that is open, and "
    "else the next one is open afterwards"
)
MAX_CONTENT_BYTES = 32 * 1024 * 1024  # upper bound of AUTOGRAPH_MAX_BODY_BYTES


class DiagramNotFound(Refusal):
    kind = RefusalKind.NOT_FOUND
    code = "diagram_not_found"
    title = "No such diagram"


class StaleRevision(Refusal):
    """``extra`` has ``current_revision``, which the gateway returns as the current ETag."""

    kind = RefusalKind.PRECONDITION_FAILED
    code = "stale_revision"
    title = "The diagram was changed after the revision that this request is based on"


class RevisionRequired(Refusal):
    kind = RefusalKind.PRECONDITION_REQUIRED
    code = "if_match_required"
    title = "Changing the content requires If-Match with the ETag that the change is based on"


class NotInTrash(Refusal):
    kind = RefusalKind.CONFLICT
    code = "not_in_trash"
    title = "The diagram is not in the trash"


class InTrash(Refusal):
    kind = RefusalKind.CONFLICT
    code = "in_trash"
    title = "The diagram is in the trash: restore it first"


class InvalidCursor(Refusal):
    kind = RefusalKind.INVALID
    code = "invalid_cursor"
    title = "Invalid cursor"


READ_REFUSALS: Refusals = (Forbidden, DiagramNotFound)
CHANGE_REFUSALS: Refusals = (*READ_REFUSALS, StaleRevision)


class DiagramSummary(Reply):
    """A diagram without its content: in lists, and as the reply to changes."""

    id: UUID
    title: str
    type: DiagramType
    owner_id: UUID
    team_id: UUID | None
    folder_id: UUID | None
    tags: tuple[str, ...]
    version: int
    revision: int
    size_bytes: int
    starred: bool
    permission: Literal["owner", "edit", "view"]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    updated_by: UUID
    last_viewed_at: AwareDatetime | None
    view_count: int
    comment_count: int
    export_count: int
    collaborator_count: int
    deleted_at: AwareDatetime | None
    thumbnail_url: str | None


class Diagram(DiagramSummary):
    canvas_data: CanvasJson | None
    note_content: str | None


class DiagramPage(Reply):
    items: tuple[DiagramSummary, ...]
    next_cursor: str | None
    total: int


class CreateDiagram(Command[DiagramSummary]):
    wire_name: ClassVar[str] = "autograph.diagram.create_diagram.v1"
    max_bytes: ClassVar[int] = MAX_CONTENT_BYTES
    opaque: ClassVar[str | None] = "canvas_data"
    refuses: ClassVar[Refusals] = (Forbidden,)

    title: Title
    type: DiagramType
    canvas_data: Canvas | None = None
    note_content: Note | None = None
    tags: Tags = ()


class ChangeDiagram(Command[DiagramSummary]):
    """Change what is set (RFC 7396 on the top level: null removes). A change of content makes the next version.

    With ``checkpoint: auto``, for editors that save all the time, the newest version takes the change while it is
    open; else the change makes the next version, which is then open. A version is open to its author for
    ``AUTOGRAPH_VERSION_WINDOW_SECONDS`` from its beginning, until it has a label or a successor, and unless the change
    removes ten elements of the canvas or more.
    """

    wire_name: ClassVar[str] = "autograph.diagram.change_diagram.v1"
    max_bytes: ClassVar[int] = MAX_CONTENT_BYTES
    opaque: ClassVar[str | None] = "canvas_data"
    refuses: ClassVar[Refusals] = (*CHANGE_REFUSALS, RevisionRequired, InTrash)
    invalidates: ClassVar[tuple[CacheName, ...]] = (DIAGRAM_CACHE,)

    id: UUID
    expected_revision: Expected | None = None  # required for a change of content
    other_revisions: Others = ()
    title: Annotated[Title | None, NOT_NULL] = None
    type: Annotated[DiagramType | None, NOT_NULL] = None
    canvas_data: Canvas | None = None
    note_content: Note | None = None
    tags: Annotated[Tags | None, NOT_NULL] = None
    version_label: Label | None = None
    version_description: Description | None = None
    checkpoint: Annotated[Literal["each", "auto"], Field(description=CHECKPOINT)] = "each"


class TrashDiagram(Command[None]):
    wire_name: ClassVar[str] = "autograph.diagram.trash_diagram.v1"
    refuses: ClassVar[Refusals] = CHANGE_REFUSALS
    invalidates: ClassVar[tuple[CacheName, ...]] = (DIAGRAM_CACHE,)

    id: UUID
    expected_revision: Expected | None = None
    other_revisions: Others = ()


class RestoreDiagram(Command[DiagramSummary]):
    """Restore a diagram from the trash."""

    wire_name: ClassVar[str] = "autograph.diagram.restore_diagram.v1"
    refuses: ClassVar[Refusals] = (*CHANGE_REFUSALS, NotInTrash)
    invalidates: ClassVar[tuple[CacheName, ...]] = (DIAGRAM_CACHE,)

    id: UUID
    expected_revision: Expected | None = None
    other_revisions: Others = ()


class DeleteDiagram(Command[None]):
    """Permanently delete a diagram with all its versions, whether or not it is in the trash."""

    wire_name: ClassVar[str] = "autograph.diagram.delete_diagram.v1"
    refuses: ClassVar[Refusals] = CHANGE_REFUSALS
    invalidates: ClassVar[tuple[CacheName, ...]] = (DIAGRAM_CACHE,)

    id: UUID
    expected_revision: Expected | None = None
    other_revisions: Others = ()


class GetDiagram(Query[Diagram]):
    wire_name: ClassVar[str] = "autograph.diagram.get_diagram.v1"
    refuses: ClassVar[Refusals] = READ_REFUSALS
    cached: ClassVar[CacheName | None] = DIAGRAM_CACHE

    id: UUID


class ListDiagrams(Query[DiagramPage]):
    wire_name: ClassVar[str] = "autograph.diagram.list_diagrams.v1"
    refuses: ClassVar[Refusals] = (Forbidden, InvalidCursor)

    view: Literal["all", "recent", "trash"] = "all"
    type: DiagramType | None = None
    tag: Tag | None = None
    q: Annotated[str, StringConstraints(max_length=255), ONE_LINE] | None = None  # in the title
    created_from: Time | None = None
    created_to: Time | None = None
    sort: Literal["title", "created_at", "updated_at", "last_viewed_at", "size_bytes"] = "updated_at"
    order: Literal["asc", "desc"] = "desc"
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class ViewDiagram(TransientCommand[None]):
    """Say that a person has opened the diagram, so that it is among the recent ones.

    Reading a diagram does not: programs and the cache read, too. Views within a minute count once. Neither the revision
    nor the cached diagram changes, so its ``view_count`` and ``last_viewed_at`` may be 5 minutes old; in lists they are
    new.
    """

    wire_name: ClassVar[str] = "autograph.diagram.view_diagram.v1"
    refuses: ClassVar[Refusals] = READ_REFUSALS

    id: UUID


class DiagramCreated(Event):
    wire_name: ClassVar[str] = "autograph.diagram.diagram_created.v1"

    diagram_id: UUID
    owner_id: UUID
    title: str
    type: DiagramType
    version: int
    revision: int


class DiagramChanged(Event):
    """``changed`` names the fields; a subscriber that needs the content queries it."""

    wire_name: ClassVar[str] = "autograph.diagram.diagram_changed.v1"

    diagram_id: UUID
    owner_id: UUID
    changed: tuple[str, ...]
    version: int
    revision: int


class DiagramTrashed(Event):
    wire_name: ClassVar[str] = "autograph.diagram.diagram_trashed.v1"

    diagram_id: UUID
    owner_id: UUID


class DiagramRestored(Event):
    wire_name: ClassVar[str] = "autograph.diagram.diagram_restored.v1"

    diagram_id: UUID
    owner_id: UUID


class DiagramDeleted(Event):
    wire_name: ClassVar[str] = "autograph.diagram.diagram_deleted.v1"

    diagram_id: UUID
    owner_id: UUID


MESSAGES = (
    CreateDiagram,
    ChangeDiagram,
    TrashDiagram,
    RestoreDiagram,
    DeleteDiagram,
    GetDiagram,
    ListDiagrams,
    ViewDiagram,
    DiagramCreated,
    DiagramChanged,
    DiagramTrashed,
    DiagramRestored,
    DiagramDeleted,
)
