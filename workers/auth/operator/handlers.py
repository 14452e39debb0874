"""Handlers of the operator's commands: lock or reset a stolen account, withdraw a stolen key.

The chassis refuses these commands from anyone else (``operator_only``).
"""

from uuid import UUID

from chassis.bus.handlers import Handlers
from chassis.cache import ALL_ENTRIES
from chassis.unit_of_work import UnitOfWork
from contracts.auth.accounts import UserNotFound
from contracts.auth.operator import (
    AccountState,
    EndUserSessions,
    KeyNotFound,
    KeyWithdrawn,
    LockUser,
    ResetPassword,
    SetAdministrator,
    UnlockUser,
    WithdrawKey,
)
from contracts.auth.sessions import SESSION_CACHE
from contracts.envelope import Envelope
from contracts.message import Request
from contracts.sealed import reveal
from workers.auth.accounts.rules import check_new_password
from workers.auth.audit import entries as audit
from workers.auth.sessions.ending import end_all_sessions
from workers.auth.sessions.storage import OperatorReason
from workers.auth.tools import Tools

handlers: Handlers[Tools] = Handlers()


@handlers.answers(LockUser)
async def lock_user(command: LockUser, envelope: Envelope, tools: Tools) -> AccountState:
    """Safe to repeat."""
    async with tools.ledger.unit_of_work(envelope) as work:
        if not await tools.storage.set_locked(work.connection, command.user_id, work.now, locked=True):
            raise UserNotFound
        return await _end_sessions(command, work, tools, command.user_id, "locked", locked=True)


@handlers.answers(UnlockUser)
async def unlock_user(command: UnlockUser, envelope: Envelope, tools: Tools) -> AccountState:
    async with tools.ledger.unit_of_work(envelope) as work:
        if not await tools.storage.set_locked(work.connection, command.user_id, work.now, locked=False):
            raise UserNotFound
        await _record(command, work, tools, f"user/{command.user_id}")
        return work.reply(AccountState(user_id=command.user_id, locked=False, sessions_ended=0))


@handlers.answers(ResetPassword)
async def reset_password(command: ResetPassword, envelope: Envelope, tools: Tools) -> AccountState:
    password = reveal(command.password)
    async with tools.database.connection() as connection:
        found = await tools.storage.find_account(connection, command.user_id)
    if found is None:
        raise UserNotFound
    check_new_password(password, found.email)
    password_hash = await tools.passwords.hash(password)
    async with tools.ledger.unit_of_work(envelope) as work:
        account = await tools.storage.set_password(work.connection, command.user_id, password_hash, work.now)
        if account is None:
            raise UserNotFound
        return await _end_sessions(command, work, tools, command.user_id, "password_reset", locked=account.locked)


@handlers.answers(EndUserSessions)
async def end_user_sessions(command: EndUserSessions, envelope: Envelope, tools: Tools) -> AccountState:
    async with tools.ledger.unit_of_work(envelope) as work:
        account = await tools.storage.find_account(work.connection, command.user_id)
        if account is None or not await tools.storage.lock_account(work.connection, command.user_id):
            raise UserNotFound
        return await _end_sessions(command, work, tools, command.user_id, "ended_by_operator", locked=account.locked)


@handlers.answers(SetAdministrator)
async def set_administrator(command: SetAdministrator, envelope: Envelope, tools: Tools) -> AccountState:
    """Invalidates the account's sessions, which carry the roles: the next request of each has the new ones."""
    async with tools.ledger.unit_of_work(envelope) as work:
        account = await tools.storage.set_administrator(
            work.connection, command.user_id, work.now, administrator=command.administrator
        )
        if account is None:
            raise UserNotFound
        sessions = await tools.storage.list_sessions(work.connection, command.user_id, work.now)
        work.invalidate(*(SESSION_CACHE.of(session.id) for session in sessions))
        await _record(command, work, tools, f"user/{command.user_id}", administrator=int(command.administrator))
        return work.reply(AccountState(user_id=command.user_id, locked=account.locked, sessions_ended=0))


@handlers.answers(WithdrawKey)
async def withdraw_key(command: WithdrawKey, envelope: Envelope, tools: Tools) -> KeyWithdrawn:
    """Invalidates all cached sessions: every gateway fetches them again, and with them the withdrawn keys."""
    async with tools.ledger.unit_of_work(envelope) as work:
        signs_now = await tools.keys.withdraw(work.connection, command.key_id)
        work.invalidate(ALL_ENTRIES)  # a refusal also tells the operator that the key is withdrawn
        if signs_now is None:
            raise KeyNotFound
        await _record(command, work, tools, f"key/{command.key_id}")
        return work.reply(KeyWithdrawn(key_id=command.key_id, signs_now=signs_now))


async def _end_sessions(
    command: Request[AccountState],
    work: UnitOfWork,
    tools: Tools,
    user_id: UUID,
    reason: OperatorReason,
    *,
    locked: bool,
) -> AccountState:
    ended = await end_all_sessions(work, tools, user_id, reason)
    await _record(command, work, tools, f"user/{user_id}", sessions_ended=len(ended))
    return work.reply(AccountState(user_id=user_id, locked=locked, sessions_ended=len(ended)))


async def _record(
    command: Request[AccountState] | WithdrawKey, work: UnitOfWork, tools: Tools, subject: str, **detail: int
) -> None:
    entry = audit.of_operator(command.routing_key(), work.envelope, subject, work.now, detail)
    await tools.storage.add_audit_entry(work.connection, entry)
