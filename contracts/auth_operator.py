"""What only the operator of an installation may tell the auth service: contain a stolen account, or a stolen key."""

from typing import ClassVar
from uuid import UUID

from contracts.auth import KeyId
from contracts.message import Command, Reply
from contracts.refusal import Refusal, RefusalKind
from contracts.sealed import SealedText

# A queue of their own: they must get through while others sign in, or attack.
BULKHEAD = "operator"


class AccountState(Reply):
    """A person's account after the command."""

    user_id: UUID
    locked: bool
    sessions_ended: int  # by this command


class KeyWithdrawn(Reply):
    """*signs_now*: the key that tokens are signed with from now on."""

    key_id: str
    signs_now: str


class LockUser(Command[AccountState]):
    """Nobody signs in to the account until it is unlocked, and its sessions end."""

    wire_name: ClassVar[str] = "autograph.auth.lock_user.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True

    user_id: UUID


class UnlockUser(Command[AccountState]):
    """The account's password is good again; sessions that have ended stay so."""

    wire_name: ClassVar[str] = "autograph.auth.unlock_user.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True

    user_id: UUID


class ResetPassword(Command[AccountState]):
    """The account has this password and no other, and its sessions end. It stays locked if it was."""

    wire_name: ClassVar[str] = "autograph.auth.reset_password.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True

    user_id: UUID
    password: SealedText


class EndUserSessions(Command[AccountState]):
    """End all sessions of the account."""

    wire_name: ClassVar[str] = "autograph.auth.end_user_sessions.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True

    user_id: UUID


class WithdrawKey(Command[KeyWithdrawn]):
    """What a signing key has signed is worthless from now on, at every gateway; another key signs."""

    wire_name: ClassVar[str] = "autograph.auth.withdraw_key.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True

    key_id: KeyId


class KeyNotFound(Refusal):
    kind = RefusalKind.NOT_FOUND
    code = "key_not_found"
    title = "No such signing key is in use"


MESSAGES = (LockUser, UnlockUser, ResetPassword, EndUserSessions, WithdrawKey)
