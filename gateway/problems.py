"""Errors as HTTP responses: problem documents (``application/problem+json``, RFC 9457)."""

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import to_json

from contracts import refusal
from contracts.refusal import FieldError, RefusalKind
from contracts.wording import describe_error

CONTENT_TYPE = "application/problem+json"
# The problem's code, for the request log.
CODE = web.RequestKey("code", str)
PREFIX = web.RequestKey("prefix", str)  # of all paths as clients see them, which a proxy strips
TYPES = "/api/docs#"  # a problem's type URI points to its code in the docs page

STATUS_OF: Mapping[RefusalKind, int] = {
    RefusalKind.INVALID: 422,
    RefusalKind.UNAUTHENTICATED: 401,
    RefusalKind.FORBIDDEN: 403,
    RefusalKind.NOT_FOUND: 404,
    RefusalKind.CONFLICT: 409,
    RefusalKind.GONE: 410,
    RefusalKind.PRECONDITION_FAILED: 412,
    RefusalKind.PRECONDITION_REQUIRED: 428,
    RefusalKind.TOO_MANY: 429,
}

# The gateway's own problems, besides the services' refusals: code → (status, title).
EDGE_PROBLEMS: Mapping[str, tuple[int, str]] = {
    "malformed_json": (400, "Malformed JSON"),
    "body_broken": (400, "Content-Encoding does not match the body, or the body ended early"),
    "malformed_request": (400, "Malformed HTTP request, or its headers are too large"),
    "malformed_header": (400, "Malformed header"),
    "unauthenticated": (401, "Sign in first"),
    "invalid_token": (401, "Invalid access token"),
    "token_algorithm": (401, "The algorithm of the access token's signature is not accepted"),
    "token_key_unknown": (401, "The access token names an unknown key"),
    "token_signature": (401, "The signature of the access token is invalid"),
    "token_expired": (401, "The access token has expired"),
    "session_ended": (401, "This session has ended"),
    "not_from_page": (403, "Cookies are accepted only from AutoGraph's own page"),
    "not_found": (404, "Not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "still_running": (409, "The first request with this Idempotency-Key is still running"),
    "command_forgotten": (410, "The outcome of this command is no longer kept"),
    "body_timeout": (408, "The body did not arrive in time"),
    "body_too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "Unsupported media type"),
    "invalid": (422, "The request is not valid"),
    "rate_limited": (429, "Too many requests"),
    "internal_error": (500, "Internal error"),
    "unavailable": (503, "Service unavailable"),
    "outcome_unknown": (503, "It is not known yet whether the broker accepted the command"),
    "timeout": (504, "The service did not answer in time"),
}
FAILURES = sorted({status for status, _ in EDGE_PROBLEMS.values() if status >= 500})  # noqa: PLR2004 - ours, all that there are

MAX_REPORTED_ERRORS = 100  # reported for one request, so that the response stays readable
# With more, only their number is reported: collecting 800,000 from 10 MB takes 2 s of CPU (2026-11).
MAX_COLLECTED_ERRORS = 1_000
MAX_NAME_CHARACTERS = 100  # of a member's name that a client chose

UNREAD_BODY_STATUSES = (408, 413)  # the rest of the body would be taken for the next request: close the connection


class HttpProblem(Exception):
    """Raised to answer a request with a problem document. *extra*: further members, *headers*: further headers."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        status: int | None = None,
        title: str | None = None,
    ) -> None:
        known = EDGE_PROBLEMS.get(code, (500, code))
        super().__init__(code)
        self.code = code
        self.status = status or known[0]
        self.title = title or known[1]
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def document(self, prefix: str = "") -> dict[str, Any]:
        """*prefix*: of all paths as clients see them."""
        document = {
            **self.extra,
            "type": f"{prefix}{TYPES}{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail or self.title,
            "code": self.code,
        }
        if self.errors:
            document["errors"] = [error.model_dump() for error in self.errors]
        return document

    def response(self, request: web.BaseRequest, correlation_id: str) -> web.Response:
        request[CODE] = self.code
        prefix = request.get(PREFIX, "")
        document = {**self.document(prefix), "instance": f"{prefix}{request.path}", "correlation_id": correlation_id}
        response = web.Response(
            status=self.status, body=to_json(document), headers={**self.headers, "Content-Type": CONTENT_TYPE}
        )
        if self.status in UNREAD_BODY_STATUSES:
            response.force_close()
        return response


def from_refusal(problem: refusal.Problem) -> HttpProblem:
    """A service's refusal or failure, with the status of its kind."""
    if problem.kind is None:
        if problem.code == "unavailable":
            return HttpProblem("unavailable", headers={"Retry-After": "1"})
        return HttpProblem(problem.code, status=500, title=problem.title)
    headers = {}
    extra = dict(problem.extra)
    if "current_revision" in extra:
        headers["ETag"] = etag(extra["current_revision"])
        extra["current_etag"] = headers["ETag"]
    status = STATUS_OF[problem.kind]
    if status == 401:  # noqa: PLR2004 - RFC 9110 11.6.1: a 401 names the scheme
        headers["WWW-Authenticate"] = "Bearer"
    return HttpProblem(
        problem.code,
        problem.detail,
        errors=problem.errors,
        headers=headers,
        extra=extra,
        status=status,
        title=problem.title,
    )


def from_validation_error(error: ValidationError) -> HttpProblem:
    """What is wrong with a request and where (JSON pointers); never the values, which may be secret."""
    if error.error_count() > MAX_COLLECTED_ERRORS:
        many = FieldError(pointer="", code="too_many_errors", detail=f"{error.error_count()} fields are not valid")
        return HttpProblem("invalid", errors=(many,))
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if len(found) == 1 and found[0]["type"] == "json_invalid":
        if "recursion limit" in found[0]["msg"]:
            return too_deep()
        return HttpProblem("malformed_json")
    return HttpProblem(
        "invalid",
        errors=tuple(
            FieldError(pointer=pointer_of(item["loc"]), code=code, detail=detail)
            for item in found[:MAX_REPORTED_ERRORS]
            for code, detail in [describe_error(item)]
        ),
    )


def too_deep() -> HttpProblem:
    deep = FieldError(pointer="", code="too_deep", detail="The document is nested too deep")
    return HttpProblem("invalid", errors=(deep,))


def etag(revision: int) -> str:
    return f'"{revision}"'


def with_coding(tag: str, coding: str) -> str:
    """*tag* for the representation in *coding* (empty: identity): each has its own strong tag (RFC 9110 8.8.3.3)."""
    if not tag:
        return tag
    plain = tag.strip('"').partition("-")[0]
    return f'"{plain}-{coding}"' if coding else f'"{plain}"'


def pointer_of(location: Iterable[int | str]) -> str:
    return "".join(f"/{shortened(str(part)).replace('~', '~0').replace('/', '~1')}" for part in location)


def shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARACTERS else f"{name[:MAX_NAME_CHARACTERS]}…"
