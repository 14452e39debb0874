"""Commands to the auth service that only the installation's operator may send."""

from typing import ClassVar
from uuid import UUID

from contracts.auth.accounts import PasswordTooCommon, PasswordTooLong, PasswordTooShort, UserNotFound
from contracts.auth.keys import KeyId
from contracts.message import Command, Reply
from contracts.refusal import Refusal, RefusalKind, Refusals
from contracts.sealed import SealedText

# A queue of their own, so that sign-ins, or an attack with them, cannot delay these commands.
BULKHEAD = "operator"


class KeyNotFound(Refusal):
    kind = RefusalKind.NOT_FOUND
    code = "key_not_found"
    title = "No such signing key is in use"


class AccountState(Reply):
    """A person's account after the command."""

    user_id: UUID
    locked: bool
    sessions_ended: int  # by this command


class KeyWithdrawn(Reply):
    """*signs_now*: the key that signs tokens from now on."""

    key_id: str
    signs_now: str


class LockUser(Command[AccountState]):
    """Lock an account: its sessions end, and nobody can sign in to it until it is unlocked."""

    wire_name: ClassVar[str] = "autograph.auth.lock_user.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True
    refuses: ClassVar[Refusals] = (UserNotFound,)

    user_id: UUID


class UnlockUser(Command[AccountState]):
    """Unlock an account. Its ended sessions stay ended."""

    wire_name: ClassVar[str] = "autograph.auth.unlock_user.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True
    refuses: ClassVar[Refusals] = (UserNotFound,)

    user_id: UUID


class ResetPassword(Command[AccountState]):
    """Set a new password and end all sessions of the account. A locked account stays locked."""

    wire_name: ClassVar[str] = "autograph.auth.reset_password.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True
    refuses: ClassVar[Refusals] = (UserNotFound, PasswordTooShort, PasswordTooLong, PasswordTooCommon)

    user_id: UUID
    password: SealedText


class EndUserSessions(Command[AccountState]):
    """End all sessions of the account."""

    wire_name: ClassVar[str] = "autograph.auth.end_user_sessions.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True
    refuses: ClassVar[Refusals] = (UserNotFound,)

    user_id: UUID


class SetAdministrator(Command[AccountState]):
    """Give or take the role ``admin``. It counts from the account's next request, in all its sessions."""

    wire_name: ClassVar[str] = "autograph.auth.set_administrator.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True
    refuses: ClassVar[Refusals] = (UserNotFound,)

    user_id: UUID
    administrator: bool


class WithdrawKey(Command[KeyWithdrawn]):
    """Withdraw a signing key: every gateway rejects tokens that it signed, and another key signs."""

    wire_name: ClassVar[str] = "autograph.auth.withdraw_key.v1"
    bulkhead: ClassVar[str | None] = BULKHEAD
    operator_only: ClassVar[bool] = True
    refuses: ClassVar[Refusals] = (KeyNotFound,)

    key_id: KeyId


MESSAGES = (LockUser, UnlockUser, ResetPassword, EndUserSessions, SetAdministrator, WithdrawKey)
