"""The auth service's handlers, one per message."""

from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.bus.handlers import Handlers
from chassis.networks import network
from chassis.outcomes import outcome_handlers
from chassis.unit_of_work import UnitOfWork
from contracts.auth.accounts import (
    ChangeProfile,
    EmailTaken,
    GetMe,
    PasswordTooCommon,
    PasswordTooLong,
    PasswordTooShort,
    ProfileChanged,
    RegisterUser,
    RegistrationClosed,
    User,
    UserNotFound,
    UserRegistered,
    email_key,
)
from contracts.auth.keys import GetPublicKeys, PublicKeys
from contracts.auth.sessions import (
    SESSION_CACHE,
    EndSession,
    GetKnownNetwork,
    GetLiveSession,
    InvalidCredentials,
    InvalidRefreshToken,
    KnownNetwork,
    ListSessions,
    LiveSession,
    RefreshTokens,
    Session,
    SessionEndedAlready,
    SessionNotFound,
    Sessions,
    SessionStarted,
    SignIn,
    SignOut,
    SignOutEverywhere,
    Tokens,
)
from contracts.catalogue import SUBSCRIPTIONS
from contracts.envelope import ActorKind, Envelope
from contracts.message import Event
from contracts.refusal import Forbidden, Invalid
from contracts.sealed import reveal
from workers.auth import audit, operator_commands
from workers.auth.ending import ENDED_SESSIONS_WINDOW, announce_ended, end_all_sessions, invalidate_ended
from workers.auth.passwords import Priority
from workers.auth.rules import RefreshDecision, check_new_address, check_new_password, decide_refresh
from workers.auth.storage import Account, SessionRow
from workers.auth.tools import Tools

handlers: Handlers[Tools] = Handlers()
handlers.include(operator_commands.handlers)
handlers.include(outcome_handlers("auth"))

# Password checks per sign-in: a concurrent sign-in may replace an outdated hash, after which this one checks again.
PASSWORD_CHECKS = 2


# Accounts


@handlers.answers(RegisterUser)
async def register_user(command: RegisterUser, envelope: Envelope, tools: Tools) -> User:
    attempts = tools.metrics.registrations
    if not tools.open_registration and envelope.actor.kind is not ActorKind.PRODUCER:
        attempts.labels("closed").inc()
        raise RegistrationClosed
    password = reveal(command.password)
    try:
        check_new_address(command.email)
    except Invalid:
        attempts.labels("address_refused").inc()
        raise
    try:
        check_new_password(password, command.email)
    except (PasswordTooShort, PasswordTooLong, PasswordTooCommon, Invalid):
        attempts.labels("password_refused").inc()
        raise
    # Takes 0.3 s of CPU, so it runs before the transaction, which holds a connection.
    password_hash = await tools.passwords.hash(password, Priority.REGISTRATION)
    async with tools.ledger.unit_of_work(envelope) as work:
        account = Account(
            id=uuid7(),
            email=command.email,
            name=command.name,
            roles=("user",),
            email_verified=False,
            created_at=work.now,
            password_hash=password_hash,
        )
        if not await tools.storage.add_account(work.connection, account, email_key(command.email)):
            attempts.labels("email_taken").inc()
            raise EmailTaken
        work.publish(
            UserRegistered(user_id=account.id, email=account.email, name=account.name),
            subject=f"user/{account.id}",
            sequence=1,
            partitionkey=str(account.id),
        )
        reply = work.reply(_user(account))
    attempts.labels("succeeded").inc()
    return reply


@handlers.answers(GetMe)
async def get_me(query: GetMe, envelope: Envelope, tools: Tools) -> User:  # noqa: ARG001 - the actor says it all
    async with tools.database.connection() as connection:
        account = await tools.storage.find_account(connection, _caller(envelope))
    if account is None:
        raise UserNotFound
    return _user(account)


@handlers.answers(ChangeProfile)
async def change_profile(command: ChangeProfile, envelope: Envelope, tools: Tools) -> User:
    user_id = _caller(envelope)
    async with tools.ledger.unit_of_work(envelope) as work:
        if "name" not in command.model_fields_set:
            unchanged = await tools.storage.find_account(work.connection, user_id)
            if unchanged is None:
                raise UserNotFound
            return work.reply(_user(unchanged))
        renamed = await tools.storage.rename(work.connection, user_id, command.name, work.now)
        if renamed is None:
            raise UserNotFound
        account, sequence = renamed
        work.publish(
            ProfileChanged(user_id=user_id, name=account.name),
            subject=f"user/{user_id}",
            sequence=sequence,
            partitionkey=str(user_id),
        )
        return work.reply(_user(account))


# Signing in and refreshing


@handlers.answers(SignIn)
async def sign_in(command: SignIn, envelope: Envelope, tools: Tools) -> Tokens:
    """Wrong credentials are refused for every reason alike, and after the same time."""
    for _ in range(PASSWORD_CHECKS):
        account, outdated = await _check_password(command, envelope, tools)
        session = await _sign_in_checked_account(command, envelope, tools, account, outdated=outdated)
        if session is not None:
            tools.metrics.logins.labels("succeeded").inc()
            return await _issue_tokens(tools, session, 0)
    raise await _sign_in_failed(command, envelope, tools, account, "changed_meanwhile")


async def _check_password(command: SignIn, envelope: Envelope, tools: Tools) -> tuple[Account, bool]:
    """The account, and whether its password hash is outdated. Raises InvalidCredentials."""
    async with tools.database.connection() as connection:
        account = await tools.storage.find_account_by_email(connection, email_key(command.email))
    password_hash = account.password_hash if account else None
    checked = await tools.passwords.check(reveal(command.password), password_hash)
    if account is None or password_hash is None:
        raise await _sign_in_failed(command, envelope, tools, account, "no_such_account")
    if not checked.matches:
        raise await _sign_in_failed(command, envelope, tools, account, "wrong_password")
    if account.locked:
        raise await _sign_in_failed(command, envelope, tools, account, "locked")
    return account, checked.outdated


async def _sign_in_checked_account(
    command: SignIn, envelope: Envelope, tools: Tools, account: Account, *, outdated: bool
) -> SessionRow | None:
    """The new session. None: the account was locked, or its hash replaced, since the password was checked."""
    password_hash = account.password_hash
    assert password_hash is not None
    new_hash = await tools.passwords.hash(reveal(command.password)) if outdated else None
    async with tools.ledger.transaction(envelope) as work:
        current = await tools.storage.record_sign_in(work.connection, account.id, password_hash, new_hash, work.now)
        return None if current is None else await _begin_session(command, work, tools, current)


async def _begin_session(command: SignIn, work: UnitOfWork, tools: Tools, account: Account) -> SessionRow:
    session = SessionRow(
        id=work.envelope.id,  # so that a redelivery does not begin a second session
        user_id=account.id,
        created_at=work.now,
        expires_at=tools.lifetimes.session_end(work.now, remember=command.remember_me),
        last_seen_at=work.now,
        generation=0,
        used_generation=-1,
        device=command.device,
        address=command.address,
        ended=False,
        locked=False,
        roles=account.roles,
    )
    if not await tools.storage.add_session(work.connection, session, remember=command.remember_me):
        begun = await tools.storage.find_session(work.connection, session.id)
        if begun is None or begun.user_id != account.id or not begun.lives(work.now):
            work.invalidate(SESSION_CACHE.of(session.id))
            raise SessionEndedAlready
        await invalidate_ended(work, tools, account.id)
        return begun
    work.publish(
        SessionStarted(user_id=account.id, session_id=session.id),
        subject=f"session/{session.id}",
        sequence=1,
        partitionkey=str(account.id),
    )
    ended = await tools.storage.end_oldest_sessions(
        work.connection, account.id, session.id, tools.sessions_per_user - 1, work.now
    )
    announce_ended(work, account.id, ended, "too_many_sessions")
    await invalidate_ended(work, tools, account.id)
    return session


async def _sign_in_failed(
    command: SignIn, envelope: Envelope, tools: Tools, account: Account | None, reason: str
) -> InvalidCredentials:
    tools.metrics.logins.labels("refused").inc()
    user_id = account.id if account else None
    async with tools.ledger.transaction(envelope) as work:
        entry = audit.of_failed_sign_in(command, envelope, user_id, reason, work.now)
        await tools.storage.add_audit_entry(work.connection, entry)
    return InvalidCredentials()


@handlers.answers(RefreshTokens)
async def refresh_tokens(command: RefreshTokens, envelope: Envelope, tools: Tools) -> Tokens:
    session_id, number = tools.refresh_tokens.read(reveal(command.refresh_token))
    async with tools.ledger.transaction(envelope) as work:
        session = await tools.storage.lock_session(work.connection, session_id)
        if session is None or not session.lives(work.now):
            work.invalidate(SESSION_CACHE.of(session_id))
            raise InvalidRefreshToken
        decision = decide_refresh(
            number,
            generation=session.generation,
            used_generation=session.used_generation,
            may_be_retry=work.now - session.last_seen_at <= tools.refresh_retry,
        )
        if decision is RefreshDecision.NEVER_ISSUED:
            raise InvalidRefreshToken
        if decision is RefreshDecision.REUSE:
            await tools.storage.end_session(work.connection, session.id, session.user_id, "refresh_reuse", work.now)
            announce_ended(work, session.user_id, [session.id], "refresh_reuse")
        elif (
            decision is RefreshDecision.ROTATE
        ):  # a repeat does not change last_seen_at, which says when the token was first presented
            await tools.storage.advance_session(
                work.connection, session.id, generation=number + 1, used_generation=number, now=work.now
            )
    if decision is RefreshDecision.REUSE:  # after the transaction: inside, it would roll back the end of the session
        raise InvalidRefreshToken
    return await _issue_tokens(tools, session, number + 1)


async def _issue_tokens(tools: Tools, session: SessionRow, number: int) -> Tokens:
    tokens = await tools.token_issuer.issue(
        user_id=session.user_id,
        roles=session.roles,
        session_id=session.id,
        session_end=session.expires_at,
        number=number,
        now=tools.clock(),
    )
    for token_type in ("access", "refresh"):
        tools.metrics.tokens.labels(token_type).inc()
    return tokens


# Sessions


@handlers.answers(SignOut)
async def sign_out(command: SignOut, envelope: Envelope, tools: Tools) -> None:  # noqa: ARG001 - the actor says it all
    """A session that has ended already is no error."""
    user_id, session_id = _caller(envelope), envelope.actor.session_id
    if session_id is None:
        raise SessionNotFound
    async with tools.ledger.unit_of_work(envelope) as work:
        work.invalidate(SESSION_CACHE.of(session_id))  # whoever ended it may not have invalidated the caches yet
        if await tools.storage.end_session(work.connection, session_id, user_id, "signed_out", work.now):
            announce_ended(work, user_id, [session_id], "signed_out")
        work.reply(None)


@handlers.answers(SignOutEverywhere)
async def sign_out_everywhere(command: SignOutEverywhere, envelope: Envelope, tools: Tools) -> None:  # noqa: ARG001 - as above
    user_id = _caller(envelope)
    async with tools.ledger.unit_of_work(envelope) as work:
        if not await tools.storage.lock_account(work.connection, user_id):
            raise UserNotFound
        await end_all_sessions(work, tools, user_id, "signed_out_everywhere")
        work.reply(None)


@handlers.answers(EndSession)
async def end_session(command: EndSession, envelope: Envelope, tools: Tools) -> None:
    """Another user's session is not found."""
    user_id = _caller(envelope)
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
        sessions = await tools.storage.list_sessions(connection, _caller(envelope), tools.clock())
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


@handlers.answers(GetKnownNetwork)
async def get_known_network(query: GetKnownNetwork, envelope: Envelope, tools: Tools) -> KnownNetwork:
    """Forbidden for anyone but the gateway: it reveals from where an account signs in."""
    if envelope.actor.kind is not ActorKind.ANONYMOUS:
        raise Forbidden
    async with tools.database.connection() as connection:
        addresses = await tools.storage.session_addresses(connection, email_key(query.email))
    return KnownNetwork(known=query.network in map(network, addresses))


# Queries of other services


@handlers.answers(GetPublicKeys)
async def get_public_keys(query: GetPublicKeys, envelope: Envelope, tools: Tools) -> PublicKeys:  # noqa: ARG001 - the same for all
    return PublicKeys(keys=await tools.keys.published())


async def record_event(event: Event, envelope: Envelope, tools: Tools) -> None:
    """Writes the event to the audit log."""
    async with tools.ledger.unit_of_work(envelope) as work:
        session_id = audit.session_of(event)
        session = None if session_id is None else await tools.storage.find_session(work.connection, session_id)
        await tools.storage.add_audit_entry(work.connection, audit.of_event(event, envelope, session))


for heard in SUBSCRIPTIONS["auth"]:
    handlers.hears(heard)(record_event)


def _caller(envelope: Envelope) -> UUID:
    """The acting account's id. Raises Forbidden for an actor without an account."""
    if envelope.actor.kind in (ActorKind.ANONYMOUS, ActorKind.SERVICE):
        raise Forbidden("This request is not made by a user account")
    return envelope.actor.id


def _user(account: Account) -> User:
    return User(
        id=account.id,
        email=account.email,
        name=account.name,
        roles=account.roles,
        email_verified=account.email_verified,
        created_at=account.created_at,
    )
