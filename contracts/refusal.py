"""Refusals: expected errors of a request, as part of its contract.

A handler raises one; the reply carries it as a ``Problem``, and the gateway answers with the status of its kind.
"""

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class RefusalKind(StrEnum):
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    GONE = "gone"
    PRECONDITION_FAILED = "precondition_failed"
    PRECONDITION_REQUIRED = "precondition_required"
    TOO_MANY = "too_many"


class FieldError(BaseModel):
    """One error in a request: its JSON pointer (RFC 6901), code and description."""

    model_config = ConfigDict(frozen=True)

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """A refusal or failure in a reply; the gateway turns it into ``application/problem+json`` (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    kind: RefusalKind | None = None  # None: a failure of the service (500)
    code: str
    title: str
    detail: str | None = None
    errors: tuple[FieldError, ...] = ()
    extra: dict[str, Any] = Field(default_factory=dict)  # further members of the problem document, e.g. current_etag


class Refusal(Exception):
    """The request is refused, and the caller learns why. Nothing was changed.

    ``extra`` becomes members of the problem document: it must not contain secrets or other users' data.
    """

    kind: ClassVar[RefusalKind]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str | None = None, *, errors: tuple[FieldError, ...] = (), **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = errors
        self.extra = extra

    def problem(self) -> Problem:
        return Problem(
            kind=self.kind,
            code=self.code,
            title=self.title,
            detail=self.detail,
            errors=self.errors,
            extra=self.extra,
        )


Refusals = tuple[type[Refusal], ...]


class IdempotencyKeyReused(Refusal):
    kind = RefusalKind.INVALID
    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used for a different request"


class Invalid(Refusal):
    """The message does not fit its contract or the current state; ``errors`` says where."""

    kind = RefusalKind.INVALID
    code = "invalid"
    title = "The request is not valid"


class Forbidden(Refusal):
    kind = RefusalKind.FORBIDDEN
    code = "forbidden"
    title = "Permission denied"


# Of any request: that it does not fit its contract, and that its key names another one.
REFUSED_BY_ANY: Refusals = (Invalid, IdempotencyKeyReused)
