"""One row of the API's table, and how a request becomes its message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from string import Formatter
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from contracts.message import Kind, Request
from contracts.refusal import FieldError, Refusal
from gateway.problems import Problem, of_validation

JSON_TYPES = ("application/json",)
PATCH_TYPES = ("application/json", "application/merge-patch+json")


class _FromOutside(BaseModel):
    """A part of a request: outsiders get no tolerance."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Cached:
    """A read that may be answered from the leased cache, for each reader by itself."""

    name: str  # with the path's placeholders
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    method: str
    path: str  # {placeholders} are fields of the request
    request: type[Request[Any]]
    success: int = 200
    public: bool = False  # signed-in callers only, unless it says otherwise
    refusals: tuple[type[Refusal], ...] = ()
    flag: str | None = None  # this row is meant where the query has ?flag=true
    from_edge: frozenset[str] = field(default_factory=frozenset)  # fields that the edge sets, and nobody else
    if_match: str | None = None  # the field that If-Match fills
    etag: str | None = None  # the reply's field that is the ETag
    location: str | None = None  # of what was made, with the reply's fields
    cached: Cached | None = None
    attempts_on: str | None = None  # failed tries are limited for this field's value and the address together
    no_idempotency: bool = False  # safe to repeat without a key, which is ignored
    summary: str = ""

    @property
    def is_read(self) -> bool:
        return self.request.kind is Kind.QUERY

    @property
    def takes_body(self) -> bool:
        return bool(self.body.model_fields)

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
        return self._part("Query", self._rest if self.method in ("GET", "DELETE") else ())

    @cached_property
    def body(self) -> type[BaseModel]:
        return self._part("", () if self.method in ("GET", "DELETE") else self._rest)

    @property
    def _rest(self) -> tuple[str, ...]:
        taken = {*self.placeholders, *self.from_edge, self.if_match}
        return tuple(name for name in self.request.model_fields if name not in taken)

    def _part(self, name: str, fields: tuple[str, ...]) -> type[BaseModel]:
        known = self.request.model_fields
        parts: dict[str, Any] = {
            name: (known[name].rebuild_annotation(), ... if known[name].is_required() else known[name].default)
            for name in fields
        }
        return create_model(f"{self.request.__name__}{name}", __base__=_FromOutside, **parts)

    async def read(self, http: web.Request, from_edge: Mapping[str, Any]) -> Request[Any]:
        """The message that *http* stands for. Raises ``Problem``."""
        path = self._path(http)
        query = self._query(http)
        body = await self._body(http)
        parts = [part for part in (path, query, body) if part is not None]
        values = {name: getattr(part, name) for part in parts for name in part.model_fields_set}
        values |= {name: value for name, value in from_edge.items() if name in self.from_edge}
        if self.if_match is not None:
            expected = read_if_match(http.headers.get("If-Match"))
            if expected is not None:
                values[self.if_match] = expected
        # All parts are validated: building it unvalidated keeps what was set apart from what was left out.
        return self.request.model_construct(_fields_set=set(values), **values)

    def _path(self, http: web.Request) -> BaseModel | None:
        if not self.placeholders:
            return None
        try:
            return self.path_part.model_validate(dict(http.match_info))
        except ValidationError:
            raise Problem("not_found") from None  # what is no id is nobody's id

    def _query(self, http: web.Request) -> BaseModel | None:
        sent = {name: value for name, value in http.query.items() if name != self.flag}
        if len(http.query) != len(set(http.query)):
            repeated = FieldError(pointer="", code="repeated", detail="A query parameter stands more than once")
            raise Problem("invalid", errors=(repeated,))
        if not sent and not self.query.model_fields:
            return None
        try:
            return self.query.model_validate(sent)
        except ValidationError as error:
            raise of_validation(error) from None

    async def _body(self, http: web.Request) -> BaseModel | None:
        if not self.takes_body:
            if http.can_read_body and (await http.read()).strip() not in (b"", b"{}"):
                raise Problem(
                    "invalid", errors=(FieldError(pointer="", code="unknown_field", detail="No body is read here"),)
                )
            return None
        if http.content_type not in self.media_types or (http.charset or "utf-8").lower() not in ("utf-8", "utf8"):
            accepts = {"Accept-Patch": ", ".join(PATCH_TYPES)} if self.method == "PATCH" else {}
            raise Problem("unsupported_media_type", f"Send {' or '.join(self.media_types)} in UTF-8", headers=accepts)
        try:
            raw = await http.read()
        except web.HTTPRequestEntityTooLarge:
            raise Problem("body_too_large") from None
        try:
            return self.body.model_validate_json(raw, strict=True, context={"edge": True})
        except ValidationError as error:
            raise of_validation(error) from None


def read_if_match(header: str | None) -> int | str | None:
    """The revision that a change is based on, ``*``, or None without a header.

    A tag that cannot be one of ours (weak, or not a revision) matches nothing, which is what revision 0 says: refused
    by the worker as stale, with the current one (RFC 9110 13.1.1).
    """
    if header is None:
        return None
    value = header.strip()
    if value == "*":
        return "*"
    if value.startswith('"') and value.endswith('"') and value[1:-1].isdecimal() and len(value) <= 20:  # noqa: PLR2004 - 64 bits
        return int(value[1:-1])
    if not value.startswith(('"', "W/")) or "," in value:
        raise Problem("malformed_header", 'If-Match takes one entity tag, as in If-Match: "3"')
    return 0
