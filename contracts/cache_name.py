"""Names of cached answers: which query's answer has one, and which command invalidates it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class CacheName:
    """``<kind>/<id>``. The worker that owns the query invalidates it, in every cache."""

    kind: str
    field: str  # of the request, which has the id

    def of(self, identity: UUID) -> str:
        return f"{self.kind}/{identity}"

    def in_request(self, request: Any) -> str:
        return self.of(getattr(request, self.field))

    def read(self, name: str) -> UUID | None:
        """The id in *name*; None: it is a name of another kind."""
        kind, _, identity = name.partition("/")
        return UUID(identity) if kind == self.kind else None
