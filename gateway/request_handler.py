"""Handles the requests of the API's table: each sends at most one message to a worker and gets one response."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import SecretStr

from chassis.cache import CacheReader, Entry, Hit, Miss, Unchanged
from chassis.inflight import InFlight
from contracts.auth.sessions import GetKnownNetwork, GetLiveSession, KnownNetwork, LiveSession
from contracts.envelope import Envelope
from contracts.message import Kind, Request
from contracts.outcome import CommandOutcome, Outcome, Status
from gateway import responses
from gateway.admission import Admission, AdmittedRequest, Credentials, InFlightMark
from gateway.api.table import OUTCOMES
from gateway.body import read_body
from gateway.command_client import CommandClient, OutcomePending, envelope_of
from gateway.compression import Representation, negotiated
from gateway.edge import CORRELATION, TRACEPARENT
from gateway.endpoint import Endpoint, select_row
from gateway.idempotency import FINGERPRINT, Signer, message_id, read_fingerprint, read_key
from gateway.own_page import refresh_token
from gateway.passwords import PasswordLimits, is_password_work
from gateway.preconditions import known_revisions, revision_of, whole_header
from gateway.prefer import read_prefer
from gateway.problems import PREFIX, HttpProblem, etag
from gateway.sessions import Caller, cache_session, parse_session, with_live_session

# How long an idempotency key stays marked as in flight unless its mark is renewed: a killed gateway's mark expires.
MARK_SECONDS = 5.0
# Ends the cache variant: gateways before 0.2 use the caller's id alone, and cannot read compressed entries.
CACHED_FORM = ".gzip"


class RequestHandler:
    def __init__(
        self,
        *,
        admission: Admission,
        passwords: PasswordLimits,
        commands: CommandClient,
        cache: CacheReader,
        in_flight: InFlight,
        signer: Signer,
    ) -> None:
        self._admission = admission
        self._passwords = passwords
        self._commands = commands
        self._cache = cache
        self._in_flight = in_flight
        self._signer = signer

    async def handle(self, rows: Sequence[Endpoint], http: web.Request) -> web.Response:
        """*rows* share method and path. Raises ``HttpProblem``."""
        # Rows with the same method and path differ only in the message that they send.
        endpoint = rows[0]
        credentials = Credentials.IGNORED if endpoint.public else Credentials.REQUIRED
        caller = await self._admission.identify(http, credentials)
        if endpoint.is_read:
            return await self._read(endpoint, http, caller)
        return await self._write(rows, http, caller)

    async def command_outcome(self, http: web.Request) -> web.Response:
        """``GET /api/commands/{address}``: the outcome of a command, for its sender."""
        caller = await self._admission.identify(http, Credentials.OPTIONAL)
        caller = await self._check_session(http, await self._admission.admit(http, caller))
        address = self._signer.read_address(http.match_info["address"], caller.actor)
        query = OUTCOMES[address.worker](command_id=address.command_id, fingerprint=read_fingerprint(http.query))
        try:
            reply = await self._commands.call(query, _envelope(query, http, caller))
        except HttpProblem:  # the worker is unavailable; the command waits for it in its queue
            return responses.accepted_response()
        if reply.status is not Status.SUCCEEDED:
            return responses.accepted_response()
        outcome = CommandOutcome.model_validate_json(responses.reply_json(reply)).outcome
        return responses.accepted_response() if outcome is None else responses.ended_response(http, outcome)

    async def signed_in(self, http: web.Request) -> Caller:
        """The caller, whose session is live. Raises ``HttpProblem``."""
        caller = await self._admission.identify(http, Credentials.REQUIRED)
        return await self._check_session(http, await self._admission.admit(http, caller))

    async def _read(self, endpoint: Endpoint, http: web.Request, caller: Caller) -> web.Response:
        query, problem = await _try_read(endpoint, http)
        wanted = None
        if endpoint.cached_seconds is not None and query is not None:
            assert query.cached is not None
            owner = caller.actor.id if caller.claims is None else caller.claims.subject
            known = known_revisions(whole_header(http, "If-None-Match"))
            wanted = Entry(query.cached.in_request(query), f"{owner}{CACHED_FORM}", known)
        admitted = await self._admission.admit(http, caller, wanted=wanted)
        caller = await self._check_session(http, admitted)
        if query is None:
            assert problem is not None
            raise problem
        if isinstance(admitted.found, Unchanged):
            return responses.unchanged_response(http, endpoint, etag(int(admitted.found.tag)))
        if isinstance(admitted.found, Hit):
            return await responses.read_response(http, endpoint, Representation.from_cached(admitted.found.value))
        body = responses.reply_json(await self._commands.call(query, _envelope(query, http, caller)))
        found = Representation(etag(endpoint.header_fields(body)[endpoint.etag]) if endpoint.etag else "", body)
        if endpoint.cached_seconds is not None and isinstance(admitted.found, Miss):
            # Cached in the coding that this client accepts: its next request is likely to accept the same.
            if endpoint.compressed and found.is_negotiated:
                found = await negotiated(found, whole_header(http, "Accept-Encoding"))
            await self._cache.fill(
                admitted.found, found.cache_value, ttl_seconds=endpoint.cached_seconds, tag=revision_of(found.tag)
            )
        return await responses.read_response(http, endpoint, found)

    async def _write(self, rows: Sequence[Endpoint], http: web.Request, caller: Caller) -> web.Response:
        """A request with an idempotency key marks it as in flight, so that a concurrent repeat is refused (409)."""
        first = rows[0]
        key = None if first.no_idempotency else whole_header(http, "Idempotency-Key")
        if key is None:
            caller = await self._check_session(http, await self._admission.admit(http, caller))
            return await self._change(select_row(rows, http), http, caller, None)
        try:
            identity = message_id(caller.actor, http.method, http.path, read_key(key))
        except HttpProblem:
            await self._admission.admit(http, caller)  # counted as any other
            raise
        mark = InFlightMark(str(identity), uuid4().hex, MARK_SECONDS)
        admitted = await self._admission.admit(http, caller, mark=mark)
        if not admitted.marked:
            seconds = first.request.timeout.total_seconds()
            raise HttpProblem("still_running", headers={"Retry-After": str(round(seconds))})
        # The body is read under the mark as well.
        async with self._in_flight.renewing(mark.key, mark.owner, ttl_seconds=MARK_SECONDS):
            caller = await self._check_session(http, admitted)
            return await self._change(select_row(rows, http), http, caller, identity)

    async def _change(
        self, endpoint: Endpoint, http: web.Request, caller: Caller, identity: UUID | None
    ) -> web.Response:
        message = await endpoint.read(http, self._fields_set_by_edge(endpoint, http))
        fingerprint = await self._fingerprint(http, endpoint) if identity else None
        envelope = _envelope(message, http, caller, message_id=identity, fingerprint=fingerprint)
        if not is_password_work(message):
            return await self._carry_out(endpoint, http, message, envelope)
        await self._passwords.count(http, message)
        with self._passwords.slot(http, message):
            return await self._carry_out(endpoint, http, message, envelope)

    async def _carry_out(
        self, endpoint: Endpoint, http: web.Request, message: Request[Any], envelope: Envelope
    ) -> web.Response:
        if message.kind is not Kind.COMMAND:
            return responses.write_response(http, endpoint, await self._transient(endpoint, http, message, envelope))
        preference = read_prefer(http.headers.getall("Prefer", ()))
        try:
            if preference.respond_async or preference.wait_seconds == 0:
                await self._commands.submit(message, envelope)
                raise OutcomePending(confirmed=True)  # noqa: TRY301 - answered as any other that has no outcome yet
            outcome = await self._commands.call(message, envelope, wait_seconds=preference.wait_seconds)
        except OutcomePending as pending:
            address = self._signer.address(message.worker(), envelope.id, envelope.actor)
            # A key that is reused for another request names the same command: the fingerprint tells the requests apart.
            query_string = f"?{FINGERPRINT}={envelope.fingerprint}" if envelope.fingerprint else ""
            return responses.pending_response(
                f"{http[PREFIX]}/api/commands/{address}{query_string}", preference, confirmed=pending.confirmed
            )
        return responses.write_response(http, endpoint, outcome)

    async def _transient(
        self, endpoint: Endpoint, http: web.Request, message: Request[Any], envelope: Envelope
    ) -> Outcome:
        if endpoint.attempts_on is None:
            return await self._commands.call(message, envelope)

        async def is_known(email: str, network: str) -> bool:
            query = GetKnownNetwork(email=email, network=network)
            try:
                reply = await self._commands.call(query, _envelope(query, http, Caller(envelope.actor, None)))
            except HttpProblem:  # an auth worker of the previous release does not know this query
                return False
            return KnownNetwork.model_validate_json(responses.reply_json(reply)).known

        attempt = await self._passwords.count_attempt(http, getattr(message, endpoint.attempts_on), is_known)
        outcome = None
        try:
            outcome = await self._commands.call(message, envelope)
        finally:
            await self._passwords.judge_attempt(attempt, outcome)
        return outcome

    async def _check_session(self, http: web.Request, admitted: AdmittedRequest) -> Caller:
        """The caller with the session's current roles, from the cache or the auth worker. Raises ``HttpProblem``."""
        caller, found = admitted.caller, admitted.session
        if found is None:
            return caller
        if isinstance(found, Hit):
            return self._with_live_session(caller, parse_session(found.value))
        assert caller.claims is not None
        query = GetLiveSession(session_id=caller.claims.session_id)
        reply = responses.reply_json(await self._commands.call(query, _envelope(query, http, caller)))
        session = LiveSession.model_validate_json(reply)
        await cache_session(self._cache, found, session)
        return self._with_live_session(caller, session)

    def _with_live_session(self, caller: Caller, session: LiveSession) -> Caller:
        if session.withdrawn_keys:
            self._admission.drop_keys(session.withdrawn_keys)
        return with_live_session(caller, session)

    async def _fingerprint(self, http: web.Request, endpoint: Endpoint) -> str:
        preconditions = whole_header(http, "If-Match") or ""
        return self._signer.fingerprint(
            http.method, http.path_qs, preconditions, await read_body(http, endpoint.request)
        )

    def _fields_set_by_edge(self, endpoint: Endpoint, http: web.Request) -> dict[str, Any]:
        if not endpoint.set_by_edge:
            return {}
        if "refresh_token" in endpoint.set_by_edge:
            return {"refresh_token": SecretStr(refresh_token(http))}
        device = http.headers.get("User-Agent", "").encode("utf-8", "replace").decode("utf-8", "replace")
        return {"device": device.replace("\0", "")[:500] or None, "address": self._admission.address(http)}


async def _try_read(endpoint: Endpoint, http: web.Request) -> tuple[Request[Any] | None, HttpProblem | None]:
    """Returns the problem instead of raising it: rate limits and authentication come before it."""
    try:
        return await endpoint.read(http, {}), None
    except HttpProblem as problem:
        return None, problem


def _envelope(
    request: Request[Any],
    http: web.Request,
    caller: Caller,
    *,
    message_id: UUID | None = None,
    fingerprint: str | None = None,
) -> Envelope:
    return envelope_of(
        request,
        caller.actor,
        correlation_id=http[CORRELATION],
        traceparent=http[TRACEPARENT],
        message_id=message_id,
        fingerprint=fingerprint,
    )
