"""One row of the API's table, and how an HTTP request becomes the row's message."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from string import Formatter
from typing import Any

import msgspec
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from contracts.message import Kind, Request
from contracts.refusal import FieldError
from gateway.body import parse, read_body
from gateway.error_location import locate_error
from gateway.preconditions import read_if_match, whole_header
from gateway.problems import HttpProblem, from_validation_error

JSON_TYPES = ("application/json",)
PATCH_TYPES = ("application/json", "application/merge-patch+json")
EXPECTED, OTHERS = IF_MATCH_FIELDS = ("expected_revision", "other_revisions")


class _StrictPart(BaseModel):
    """A part of an HTTP request. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    method: str
    path: str  # {placeholders} are fields of the request
    request: type[Request[Any]]
    success: int = 200
    public: bool = False  # True: also for callers who are not signed in
    when: tuple[str, bool] | None = None  # query flag that selects one of two rows, and this row's value
    set_by_edge: frozenset[str] = field(default_factory=frozenset)  # fields that only the gateway sets
    if_match: bool = False  # If-Match is read into expected_revision and other_revisions
    etag: str | None = None  # the reply's field that is the ETag
    location: str | None = None  # template of the new resource's URL, with the reply's fields
    cached_seconds: float | None = None  # answered from the cache, under the request's name, an entry per reader
    compressed: bool = False  # compress large replies: only where they hold no secret (BREACH)
    attempts_on: str | None = None  # failed attempts are limited per value of this field and address
    no_idempotency: bool = False  # the Idempotency-Key is ignored: repeating is safe without one
    from_page: bool = False  # only for our own page: tokens are exchanged in cookies
    summary: str = ""

    @property
    def is_read(self) -> bool:
        return self.request.kind is Kind.QUERY

    @cached_property
    def takes_body(self) -> bool:
        return bool(self.body.model_fields)

    @cached_property
    def needs_body(self) -> bool:
        return any(field.is_required() for field in self.body.model_fields.values())

    @property
    def media_types(self) -> tuple[str, ...]:
        return PATCH_TYPES if self.method == "PATCH" else JSON_TYPES

    @cached_property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(name for _, name, _, _ in Formatter().parse(self.path) if name)

    @cached_property
    def path_part(self) -> type[BaseModel]:
        return self._part("Path", self.placeholders)

    @cached_property
    def query(self) -> type[BaseModel]:
        return self._part("Query", self._remaining_fields if self.method in ("GET", "DELETE") else ())

    @cached_property
    def body(self) -> type[BaseModel]:
        return self._part("", () if self.method in ("GET", "DELETE") else self._remaining_fields)

    def header_fields(self, reply: bytes) -> dict[str, Any]:
        """The fields of *reply* that the response's headers need; the rest is not parsed."""
        return msgspec.structs.asdict(self._decode_header_fields(reply))

    @cached_property
    def _decode_header_fields(self) -> Callable[[bytes], msgspec.Struct]:
        in_location = [name for _, name, _, _ in Formatter().parse(self.location or "") if name]
        names = [*dict.fromkeys([*in_location, *([self.etag] if self.etag else [])])]
        return msgspec.json.Decoder(msgspec.defstruct("Told", names)).decode

    @property
    def _remaining_fields(self) -> tuple[str, ...]:
        taken = {*self.placeholders, *self.set_by_edge, *IF_MATCH_FIELDS}
        return tuple(name for name in self.request.model_fields if name not in taken)

    def _part(self, name: str, fields: tuple[str, ...]) -> type[BaseModel]:
        known = self.request.model_fields
        parts: dict[str, Any] = {
            name: (known[name].rebuild_annotation(), ... if known[name].is_required() else known[name].default)
            for name in fields
        }
        return create_model(f"{self.request.__name__}{name}", __base__=_StrictPart, **parts)

    async def read(self, http: web.Request, set_by_edge: Mapping[str, Any]) -> Request[Any]:
        """The message of the HTTP request. Raises ``HttpProblem``."""
        path = self._path(http)
        query = self._query(http)
        body = await self._body(http)
        parts = [part for part in (path, query, body) if part is not None]
        values = {name: getattr(part, name) for part in parts for name in part.model_fields_set}
        values |= {name: value for name, value in set_by_edge.items() if name in self.set_by_edge}
        if self.if_match:
            values |= _if_match_fields(http)
        # The parts are validated already; model_construct keeps the set of fields that the client sent.
        return self.request.model_construct(_fields_set=set(values), **values)

    def _path(self, http: web.Request) -> BaseModel | None:
        if not self.placeholders:
            return None
        try:
            return self.path_part.model_validate(dict(http.match_info))
        except ValidationError as error:  # a malformed id belongs to no resource: 404
            wrong = from_validation_error(error).errors[0]
            raise HttpProblem("not_found", f"{wrong.pointer.strip('/')} in the path {wrong.detail}") from None

    def _query(self, http: web.Request) -> BaseModel | None:
        if not http.query_string and not self.query.model_fields:
            return None
        sent = {name: value for name, value in http.query.items() if self.when is None or name != self.when[0]}
        repeated = [name for name in http.query if len(http.query.getall(name)) > 1]
        if repeated:
            raise _invalid(f"/{repeated[0]}", "repeated", "must not be repeated")
        if not sent and not self.query.model_fields:
            return None
        try:
            return self.query.model_validate(sent)
        except ValidationError as error:
            raise from_validation_error(error) from None

    async def _body(self, http: web.Request) -> BaseModel | None:
        if not self.takes_body:
            if http.can_read_body and (await read_body(http, self.request)).strip() not in (b"", b"{}"):
                raise _invalid("", "unknown_field", "This request must not have a body")
            return None
        if not self.needs_body and not (http.can_read_body and await read_body(http, self.request)):
            return self.body()  # a missing body counts as {}, whatever its type
        if http.content_type not in self.media_types or (http.charset or "utf-8").lower() not in ("utf-8", "utf8"):
            accepts = {"Accept-Patch": ", ".join(PATCH_TYPES)} if self.method == "PATCH" else {}
            detail = f"Send {' or '.join(self.media_types)} in UTF-8"
            if not http.can_read_body:
                detail = f"The body is missing. {detail}"
            raise HttpProblem("unsupported_media_type", detail, headers=accepts)
        raw = await read_body(http, self.request)
        if not raw:
            raise HttpProblem("malformed_json", "The body is missing")
        try:
            return await parse(self.body, raw, self.request)
        except HttpProblem as problem:
            raise await locate_error(problem, raw) from None


def _if_match_fields(http: web.Request) -> dict[str, Any]:
    """If-Match as the fields expected_revision and other_revisions."""
    expected = read_if_match(whole_header(http, "If-Match"))
    if expected is None:
        return {}
    if not isinstance(expected, tuple):
        return {EXPECTED: expected}
    first, *others = expected
    return {EXPECTED: first, OTHERS: tuple(others)} if others else {EXPECTED: first}


def select_row(rows: Sequence[Endpoint], http: web.Request) -> Endpoint:
    """Of rows with the same method and path, the one that the query flag selects. Raises ``HttpProblem``."""
    first = rows[0]
    if first.when is None:
        return first
    flag = first.when[0]
    value = http.query.get(flag, "false")
    if value not in ("true", "false"):
        raise _invalid(f"/{flag}", "boolean_type", "must be true or false")
    return next(row for row in rows if row.when == (flag, value == "true"))


def _invalid(pointer: str, code: str, detail: str) -> HttpProblem:
    return HttpProblem("invalid", errors=(FieldError(pointer=pointer, code=code, detail=detail),))
