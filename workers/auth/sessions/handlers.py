"""Sessions: listing and ending them, and what the gateway checks."""

from chassis.bus.handlers import Handlers
from contracts.auth.accounts import UserNotFound
from contracts.auth.sessions import (
    SESSION_CACHE,
    EndSession,
    GetLiveSession,
    ListSessions,
    LiveSession,
    Session,
    SessionEndedAlready,
    SessionNotFound,
    Sessions,
    SignOut,
    SignOutEverywhere,
)
from contracts.envelope import Envelope
from workers.auth.policy import account_of
from workers.auth.sessions.ending import ENDED_SESSIONS_WINDOW, announce_ended, end_all_sessions
from workers.auth.tools import Tools

handlers: Handlers[Tools] = Handlers()


@handlers.answers(SignOut)
async def sign_out(command: SignOut, envelope: Envelope, tools: Tools) -> None:  # noqa: ARG001 - the actor says it all
    """A session that has ended already is no error."""
    user_id, session_id = account_of(envelope.actor), envelope.actor.session_id
    if session_id is None:
        raise SessionNotFound
    async with tools.ledger.unit_of_work(envelope) as work:
        work.invalidate(SESSION_CACHE.of(session_id))  # whoever ended it may not have invalidated the caches yet
        if await tools.storage.end_session(work.connection, session_id, user_id, "signed_out", work.now):
            announce_ended(work, user_id, [session_id], "signed_out")
        work.reply(None)


@handlers.answers(SignOutEverywhere)
async def sign_out_everywhere(command: SignOutEverywhere, envelope: Envelope, tools: Tools) -> None:  # noqa: ARG001 - as above
    user_id = account_of(envelope.actor)
    async with tools.ledger.unit_of_work(envelope) as work:
        if not await tools.storage.lock_account(work.connection, user_id):
            raise UserNotFound
        await end_all_sessions(work, tools, user_id, "signed_out_everywhere")
        work.reply(None)


@handlers.answers(EndSession)
async def end_session(command: EndSession, envelope: Envelope, tools: Tools) -> None:
    """Another user's session is not found."""
    user_id = account_of(envelope.actor)
    async with tools.ledger.unit_of_work(envelope) as work:
        work.invalidate(*command.invalidated_names())  # a refusal also tells the caller that it has ended
        if not await tools.storage.end_session(work.connection, command.session_id, user_id, "ended", work.now):
            raise SessionNotFound
        announce_ended(work, user_id, [command.session_id], "ended")
        work.reply(None)


@handlers.answers(ListSessions)
async def list_sessions(query: ListSessions, envelope: Envelope, tools: Tools) -> Sessions:  # noqa: ARG001 - as above
    """``last_seen_at`` changes at sign-in and refresh only: other requests do not write to it."""
    async with tools.database.connection() as connection:
        sessions = await tools.storage.list_sessions(connection, account_of(envelope.actor), tools.clock())
    return Sessions(
        items=tuple(
            Session(
                id=session.id,
                created_at=session.created_at,
                last_seen_at=session.last_seen_at,
                expires_at=session.expires_at,
                device=session.device,
                address=session.address,
                current=session.id == envelope.actor.session_id,
            )
            for session in sessions
        )
    )


@handlers.answers(GetLiveSession)
async def get_live_session(query: GetLiveSession, envelope: Envelope, tools: Tools) -> LiveSession:  # noqa: ARG001 - the edge asks for anybody
    now = tools.clock()
    async with tools.database.connection() as connection:
        found = await tools.storage.live_session(connection, query.session_id, now - ENDED_SESSIONS_WINDOW)
    if found is None or not found[0].lives(now):
        raise SessionEndedAlready
    session, withdrawn_keys = found
    return LiveSession(
        session_id=session.id,
        user_id=session.user_id,
        roles=session.roles,
        expires_at=session.expires_at,
        withdrawn_keys=withdrawn_keys,
    )
