"""Registration and profile."""

from uuid_utils.compat import uuid7

from chassis.bus.handlers import Handlers
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
from contracts.envelope import Envelope
from contracts.refusal import Invalid
from contracts.sealed import reveal
from workers.auth.accounts.rules import check_new_address, check_new_password
from workers.auth.accounts.storage import Account
from workers.auth.passwords import Priority
from workers.auth.policy import account_of, may_register
from workers.auth.tools import Tools

handlers: Handlers[Tools] = Handlers()


@handlers.answers(RegisterUser)
async def register_user(command: RegisterUser, envelope: Envelope, tools: Tools) -> User:
    attempts = tools.metrics.registrations
    if not may_register(envelope.actor, open_registration=tools.open_registration):
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
        account = await tools.storage.find_account(connection, account_of(envelope.actor))
    if account is None:
        raise UserNotFound
    return _user(account)


@handlers.answers(ChangeProfile)
async def change_profile(command: ChangeProfile, envelope: Envelope, tools: Tools) -> User:
    user_id = account_of(envelope.actor)
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


def _user(account: Account) -> User:
    return User(
        id=account.id,
        email=account.email,
        name=account.name,
        roles=account.roles,
        email_verified=account.email_verified,
        created_at=account.created_at,
    )
