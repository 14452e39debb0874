"""Signing in, refreshing, and from where an account signs in."""

from chassis.bus.handlers import Handlers
from chassis.networks import network
from chassis.unit_of_work import UnitOfWork
from contracts.auth.accounts import email_key
from contracts.auth.sessions import (
    SESSION_CACHE,
    GetKnownNetwork,
    InvalidCredentials,
    InvalidRefreshToken,
    KnownNetwork,
    RefreshTokens,
    SessionEndedAlready,
    SessionStarted,
    SignIn,
    Tokens,
)
from contracts.envelope import Envelope
from contracts.sealed import reveal
from workers.auth.accounts.storage import Account
from workers.auth.audit import entries as audit
from workers.auth.policy import check_network_query
from workers.auth.sessions.ending import announce_ended, invalidate_ended
from workers.auth.sessions.storage import SessionRow
from workers.auth.sign_in.rules import RefreshDecision, decide_refresh
from workers.auth.tools import Tools

handlers: Handlers[Tools] = Handlers()


# Password checks per sign-in: a concurrent sign-in may replace an outdated hash, after which this one checks again.
PASSWORD_CHECKS = 2


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


@handlers.answers(GetKnownNetwork)
async def get_known_network(query: GetKnownNetwork, envelope: Envelope, tools: Tools) -> KnownNetwork:
    check_network_query(envelope.actor)
    async with tools.database.connection() as connection:
        addresses = await tools.storage.session_addresses(connection, email_key(query.email))
    return KnownNetwork(known=query.network in map(network, addresses))
