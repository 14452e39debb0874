"""HTTP responses for outcomes."""

from aiohttp import web
from pydantic_core import to_json

from contracts.outcome import Outcome, Status
from gateway.compression import Representation, negotiated
from gateway.endpoint import Endpoint
from gateway.preconditions import known_tag, whole_header
from gateway.prefer import Preference
from gateway.problems import PREFIX, HttpProblem, etag, from_refusal

JSON = "application/json; charset=utf-8"
RETRY_LATER = {"Retry-After": "1"}


def reply_json(outcome: Outcome) -> bytes:
    """The reply's JSON. Raises ``HttpProblem`` if the outcome is a refusal or failure."""
    if outcome.status is Status.SUCCEEDED:
        return outcome.reply or b"null"
    assert outcome.problem is not None
    raise from_refusal(outcome.problem)


def unchanged_response(http: web.Request, endpoint: Endpoint, tag: str) -> web.Response:
    """304 without a representation: *tag* is one that the client has."""
    headers = {"Vary": "Accept-Encoding"} if endpoint.compressed else {}
    known = known_tag(whole_header(http, "If-None-Match"), tag) or tag
    return web.Response(status=304, headers={**headers, "Cache-Control": "private, no-cache", "ETag": known})


async def read_response(http: web.Request, endpoint: Endpoint, found: Representation) -> web.Response:
    """200 with *found*, or 304 if the client has it already."""
    headers = {"Vary": "Accept-Encoding"} if endpoint.compressed else {}
    if found.tag:
        headers["Cache-Control"] = "private, no-cache"
        known = known_tag(whole_header(http, "If-None-Match"), found.tag)
        if known is not None:
            return web.Response(status=304, headers={**headers, "ETag": known})
    if endpoint.compressed and found.is_negotiated:
        found = await negotiated(found, whole_header(http, "Accept-Encoding"))
    if found.tag:
        headers["ETag"] = found.tag
    if found.coding:
        headers["Content-Encoding"] = found.coding
    return json_response(200, found.body, headers)


def write_response(http: web.Request, endpoint: Endpoint, outcome: Outcome) -> web.Response:
    headers = {"Idempotent-Replayed": "true"} if outcome.replayed else {}
    try:
        reply = reply_json(outcome)
    except HttpProblem as problem:
        problem.headers |= headers
        raise
    if endpoint.success == 204:  # noqa: PLR2004 - no content
        return web.Response(status=204, headers=headers)
    if endpoint.etag is not None or endpoint.location is not None:
        fields = endpoint.header_fields(reply)
        if endpoint.etag is not None:
            headers["ETag"] = etag(fields[endpoint.etag])
        if endpoint.location is not None:
            headers["Location"] = http[PREFIX] + endpoint.location.format(**fields)
    return json_response(endpoint.success, reply, headers)


def pending_response(location: str, preference: Preference, *, confirmed: bool) -> web.Response:
    """202 with the command's address. Raises ``HttpProblem`` if it is unknown whether the broker has the command."""
    if not confirmed:
        raise HttpProblem(
            "outcome_unknown",
            "Poll the command's address, or repeat the request with the same Idempotency-Key",
            headers={**RETRY_LATER, "Location": location},
            extra={"command": location},
        )
    headers = {**RETRY_LATER, "Location": location}
    if preference.applied:
        headers["Preference-Applied"] = preference.applied
    return json_response(202, to_json({"status": "accepted", "command": location}), headers)


def accepted_response() -> web.Response:
    return json_response(200, to_json({"status": "accepted"}), RETRY_LATER)


def ended_response(http: web.Request, outcome: Outcome) -> web.Response:
    if outcome.status is Status.SUCCEEDED:
        return json_response(200, b'{"status":"succeeded","outcome":%b}' % reply_json(outcome))
    assert outcome.problem is not None
    return json_response(
        200, to_json({"status": "failed", "problem": from_refusal(outcome.problem).document(http[PREFIX])})
    )


def json_response(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, headers={**(headers or {}), "Content-Type": JSON})
