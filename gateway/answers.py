"""Carries out the rows of the API's table: one request in, at most one message out, one answer back."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from aiohttp import web
from pydantic_core import to_json

from chassis.cache import CacheReader, Entry, Hit, Miss
from chassis.inflight import InFlight
from contracts.auth import GetLiveSession, LiveSession
from contracts.message import Kind, Request
from contracts.outcome import Outcome, Status
from gateway.api import OUTCOMES
from gateway.asking import Asking, Pending, envelope_of
from gateway.edge import CORRELATION, TRACEPARENT
from gateway.endpoint import Endpoint
from gateway.entrance import Admission, Claim, Entrance
from gateway.idempotency import Signer, message_id, read_key
from gateway.prefer import Preference, read_prefer
from gateway.problems import Problem, etag, of_refusal
from gateway.sessions import Caller, keep

JSON = "application/json; charset=utf-8"
ACCEPTED_RETRY_SECONDS = "1"


class Answers:
    def __init__(
        self, *, entrance: Entrance, asking: Asking, cache: CacheReader, in_flight: InFlight, signer: Signer
    ) -> None:
        self._entrance = entrance
        self._asking = asking
        self._cache = cache
        self._in_flight = in_flight
        self._signer = signer

    async def answer(self, rows: Sequence[Endpoint], http: web.Request) -> web.Response:
        """*rows* share method and path; one with a flag is meant where the query says so. Raises ``Problem``."""
        endpoint = _meant(rows, http)
        caller = await self._entrance.identify(http, public=endpoint.public)
        if endpoint.is_read:
            return await self._read(endpoint, http, caller)
        return await self._write(endpoint, http, caller)

    async def command(self, http: web.Request) -> web.Response:
        """``GET /api/commands/{address}``: how a command ended, for whoever sent it."""
        caller = await self._entrance.identify(http, public=True)
        admission = await self._entrance.admit(http, caller)
        await self._ensure_live(http, admission)
        address = self._signer.read_address(http.match_info["address"], caller.actor)
        query = OUTCOMES[address.worker](command_id=address.command_id)
        try:
            told = await self._asking.ask(query, self._envelope(query, http, caller))
        except Problem:  # the worker is away; the command waits for it in its queue
            return _accepted_status()
        if told.status is not Status.SUCCEEDED or told.reply["outcome"] is None:
            return _accepted_status()
        outcome = Outcome.model_validate(told.reply["outcome"])
        if outcome.status is Status.SUCCEEDED:
            return _json(200, {"status": "succeeded", "outcome": outcome.reply})
        assert outcome.problem is not None
        problem = of_refusal(outcome.problem)
        document = {"code": problem.code, "title": problem.title, "status": problem.status, **problem.extra}
        if problem.detail:
            document["detail"] = problem.detail
        return _json(200, {"status": "failed", "problem": document})

    async def _read(self, endpoint: Endpoint, http: web.Request, caller: Caller) -> web.Response:
        query = await endpoint.read(http, {})
        wanted = None
        if endpoint.cached is not None:
            wanted = Entry(endpoint.cached.name.format(**query.__dict__), str(caller.actor.id))
        admission = await self._entrance.admit(http, caller, wanted=wanted)
        await self._ensure_live(http, admission)
        if isinstance(admission.found, Hit):
            known_tag, _, known_body = admission.found.value.partition(b"\n")
            return _representation(http, known_tag.decode("ascii"), known_body)
        outcome = await self._asking.ask(query, self._envelope(query, http, caller))
        reply = _reply(outcome)
        tag = etag(reply[endpoint.etag]) if endpoint.etag else ""
        body = to_json(reply)
        if endpoint.cached is not None and isinstance(admission.found, Miss):
            await self._cache.fill(
                admission.found, tag.encode("ascii") + b"\n" + body, stay_seconds=endpoint.cached.seconds
            )
        return _representation(http, tag, body)

    async def _write(self, endpoint: Endpoint, http: web.Request, caller: Caller) -> web.Response:
        key = None if endpoint.no_idempotency else read_key(http.headers.get("Idempotency-Key"))
        identity = message_id(caller.actor, http.method, http.path, key) if key else None
        claim = None
        if identity is not None:
            claim = Claim(str(identity), uuid4().hex, endpoint.request.timeout.total_seconds())
        admission = await self._entrance.admit(http, caller, claim=claim)
        if claim is not None and not admission.claimed:
            seconds = str(int(endpoint.request.timeout.total_seconds()))
            raise Problem("still_running", headers={"Retry-After": seconds})
        try:
            await self._ensure_live(http, admission)
            message = await endpoint.read(http, self._from_edge(http))
            envelope = self._envelope(
                message,
                http,
                caller,
                message_id=identity,
                fingerprint=await self._fingerprint(http) if identity else None,
            )
            took_back = None
            if endpoint.attempts_on is not None:
                took_back = await self._entrance.count_attempt(http, getattr(message, endpoint.attempts_on))
            preference = read_prefer(http.headers.get("Prefer"))
            try:
                if preference.respond_async and message.kind is Kind.COMMAND:
                    await self._asking.submit(message, envelope)
                    raise Pending(confirmed=True)  # noqa: TRY301 - answered as any other that has no outcome yet
                outcome = await self._asking.ask(message, envelope, wait_seconds=preference.wait_seconds)
            except Pending as pending:
                address = self._signer.address(message.worker(), envelope.id, caller.actor)
                return _pending(f"/api/commands/{address}", preference, confirmed=pending.confirmed)
            if took_back is not None and outcome.status is Status.SUCCEEDED:
                await took_back()
            return _changed(endpoint, outcome)
        finally:
            if claim is not None:
                await self._in_flight.release(claim.key, claim.owner)

    async def _ensure_live(self, http: web.Request, admission: Admission) -> None:
        """Raises ``Problem`` unless the caller's session lives: by the cache, or else by the auth worker."""
        if admission.session_known:
            return
        claims = admission.caller.claims
        assert claims is not None
        assert admission.session is not None
        query = GetLiveSession(session_id=claims.session_id)
        outcome = await self._asking.ask(query, self._envelope(query, http, admission.caller))
        session = LiveSession.model_validate(_reply(outcome))
        await keep(self._cache, admission.session, session, claims)

    async def _fingerprint(self, http: web.Request) -> str:
        preconditions = http.headers.get("If-Match", "")
        try:
            body = await http.read()
        except web.HTTPRequestEntityTooLarge:
            raise Problem("body_too_large") from None
        return self._signer.fingerprint(http.method, http.path_qs, preconditions, body)

    def _from_edge(self, http: web.Request) -> dict[str, Any]:
        device = http.headers.get("User-Agent", "").encode("utf-8", "replace").decode("utf-8", "replace")
        return {"device": device.replace("\0", "")[:500] or None, "address": self._entrance.address(http)}

    @staticmethod
    def _envelope(request: Request[Any], http: web.Request, caller: Caller, **more: Any) -> Any:
        return envelope_of(
            request, caller.actor, correlation_id=http[CORRELATION], traceparent=http.get(TRACEPARENT), **more
        )


def _meant(rows: Sequence[Endpoint], http: web.Request) -> Endpoint:
    for row in rows:
        if row.flag is not None and http.query.get(row.flag) == "true":
            return row
    return next(row for row in rows if row.flag is None)


def _reply(outcome: Outcome) -> Any:
    if outcome.status is Status.SUCCEEDED:
        return outcome.reply
    assert outcome.problem is not None
    raise of_refusal(outcome.problem)


def _representation(http: web.Request, tag: str, body: bytes) -> web.Response:
    if not tag:
        return web.Response(body=body, headers={"Content-Type": JSON})
    headers = {"Content-Type": JSON, "ETag": tag, "Cache-Control": "private, no-cache"}
    known = http.headers.get("If-None-Match")
    if known is not None and (
        known.strip() == "*" or tag in (part.strip().removeprefix("W/") for part in known.split(","))
    ):
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers)


def _changed(endpoint: Endpoint, outcome: Outcome) -> web.Response:
    headers = {"Idempotent-Replayed": "true"} if outcome.replayed else {}
    try:
        reply = _reply(outcome)
    except Problem as problem:
        problem.headers |= headers
        raise
    if endpoint.success == 204:  # noqa: PLR2004 - no content
        return web.Response(status=204, headers=headers)
    if endpoint.etag is not None:
        headers["ETag"] = etag(reply[endpoint.etag])
    if endpoint.location is not None:
        headers["Location"] = endpoint.location.format(**reply)
    return _json(endpoint.success, reply, headers)


def _pending(location: str, preference: Preference, *, confirmed: bool) -> web.Response:
    if not confirmed:
        raise Problem(
            "outcome_unknown",
            "Ask the command's address, or repeat the request with the same Idempotency-Key",
            headers={"Retry-After": ACCEPTED_RETRY_SECONDS, "Location": location},
            extra={"command": location},
        )
    headers = {"Location": location, "Retry-After": ACCEPTED_RETRY_SECONDS}
    if preference.respond_async or preference.wait_seconds is not None:
        headers["Preference-Applied"] = preference.applied
    return _json(202, {"status": "accepted", "command": location}, headers)


def _accepted_status() -> web.Response:
    return _json(200, {"status": "accepted"}, {"Retry-After": ACCEPTED_RETRY_SECONDS})


def _json(status: int, document: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=to_json(document), headers={**(headers or {}), "Content-Type": JSON})
