"""Pagination cursors: opaque to the client, and valid only for the list that issued them.

A cursor holds the sort key and id of the page's last item, not an offset: concurrent inserts and deletes do not shift
pages.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, TypeAdapter
from pydantic_core import to_json

from contracts.diagram.diagrams import InvalidCursor, ListDiagrams
from contracts.diagram.versions import ListVersions
from contracts.text import STORABLE
from workers.diagram.lists.rules import Moment

Key = str | int | datetime | None
Position = tuple[Key, UUID]  # sort key and id of a page's last item

_BIGINT = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
_LIST_BYTES = 8  # of the digest that binds a cursor to its list: against mistakes, not against attackers

_POSITIONS: dict[str, TypeAdapter[Any]] = {
    "title": TypeAdapter(tuple[Annotated[str, STORABLE], UUID]),
    "created_at": TypeAdapter(tuple[Moment, UUID]),
    "updated_at": TypeAdapter(tuple[Moment, UUID]),
    "last_viewed_at": TypeAdapter(tuple[Moment | None, UUID]),
    "size_bytes": TypeAdapter(tuple[_BIGINT, UUID]),
}
_NUMBER = TypeAdapter(Annotated[int, Field(strict=True, ge=1, le=2_147_483_647)])


def after_diagram(query: ListDiagrams, position: Position) -> str:
    """The cursor of the page that begins behind *position*."""
    return _encode(query, position)


def diagram_position(query: ListDiagrams) -> Position | None:
    """The position behind which *query*'s page begins; None: the first page. Raises ``InvalidCursor``."""
    if query.cursor is None:
        return None
    position: Position = _decode(query, query.cursor, _POSITIONS[query.sort])
    return position


def after_version(query: ListVersions, number: int) -> str:
    return _encode(query, number)


def version_position(query: ListVersions) -> int | None:
    """Raises ``InvalidCursor``."""
    if query.cursor is None:
        return None
    number: int = _decode(query, query.cursor, _NUMBER)
    return number


def _encode(query: ListDiagrams | ListVersions, position: Any) -> str:
    return urlsafe_b64encode(_list_digest(query) + to_json(position)).rstrip(b"=").decode("ascii")


def _decode(query: ListDiagrams | ListVersions, cursor: str, kind: TypeAdapter[Any]) -> Any:
    try:
        document = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if document[:_LIST_BYTES] != _list_digest(query):
            raise InvalidCursor
        return kind.validate_json(document[_LIST_BYTES:])
    except ValueError:  # also pydantic's and base64's
        raise InvalidCursor from None


def _list_digest(query: ListDiagrams | ListVersions) -> bytes:
    """Digest of all parameters that affect the items and their order, which excludes the page size."""
    return hashlib.sha256(query.model_dump_json(exclude={"cursor", "limit"}).encode()).digest()[:_LIST_BYTES]
