"""The handlers' dependencies, built from the settings."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chassis.database import Connection, Database
from chassis.key_pairs import CLOCK_SKEW, KeyCipher, derived_key
from chassis.retention import delete_in_batches
from chassis.unit_of_work import Ledger
from contracts.outcome import OUTCOME_DAYS
from workers.auth.hashes import Hashes
from workers.auth.keys.key_ring import KeyRing
from workers.auth.metrics import AuthMetrics
from workers.auth.passwords import PasswordPool
from workers.auth.settings import AuthSettings
from workers.auth.sign_in.rules import Lifetimes
from workers.auth.sign_in.tokens import RefreshTokenSigner, TokenIssuer
from workers.auth.storage import Storage

# Longer than the inbox keeps its rows: until then the audit log may need a session's device.
SESSION_RETENTION: Final = timedelta(days=OUTCOME_DAYS + 1)
RETENTION_CHECK_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    ledger: Ledger
    database: Database
    storage: Storage
    passwords: PasswordPool
    keys: KeyRing
    refresh_tokens: RefreshTokenSigner
    token_issuer: TokenIssuer
    metrics: AuthMetrics
    lifetimes: Lifetimes
    refresh_retry: timedelta
    sessions_per_user: int
    open_registration: bool
    clock: Callable[[], datetime]


@asynccontextmanager
async def open_tools(
    settings: AuthSettings,
    *,
    ledger: Ledger,
    database: Database,
    metrics: AuthMetrics,
    clock: Callable[[], datetime],
) -> AsyncIterator[Tools]:
    """Makes the first keys if there are none. Raises ``KeysUnreadable`` if the keys have another secret."""
    secret = settings.auth_secret.get_secret_value()
    lifetimes = settings.lifetimes
    keys = KeyRing(
        database,
        KeyCipher(secret),
        clock,
        rotate_after=timedelta(days=settings.key_rotation_days),
        expire_after=lifetimes.access_token + CLOCK_SKEW,
    )
    await keys.maintain()
    refresh_tokens = RefreshTokenSigner(secret)
    storage = Storage(metrics)
    async with database.connection() as connection:
        highest_cost = await storage.highest_cost(connection)
    hashes = Hashes(
        cost=settings.bcrypt_cost,
        peppers=_peppers(settings),
        peppered=settings.flags.peppered_passwords,
        highest_cost=highest_cost,
    )
    async with PasswordPool(hashes, threads=settings.password_threads, queue=settings.password_queue) as passwords:
        yield Tools(
            ledger=ledger,
            database=database,
            storage=storage,
            passwords=passwords,
            keys=keys,
            refresh_tokens=refresh_tokens,
            token_issuer=TokenIssuer(keys, refresh_tokens, lifetimes),
            metrics=metrics,
            lifetimes=lifetimes,
            refresh_retry=timedelta(seconds=settings.refresh_retry_seconds),
            sessions_per_user=settings.sessions_per_user,
            open_registration=settings.flags.open_registration,
            clock=clock,
        )


def _peppers(settings: AuthSettings) -> tuple[bytes, ...]:
    """The pepper for new hashes comes first."""
    secrets = (settings.password_pepper, settings.auth_secret)
    return tuple(derived_key(secret.get_secret_value(), "password pepper") for secret in secrets if secret is not None)


async def delete_expired_sessions(tools: Tools) -> int:
    """Deletes sessions that expired longer than the retention ago; returns how many."""

    async def delete(connection: Connection, limit: int) -> int:
        return await tools.storage.delete_expired_sessions(connection, tools.clock() - SESSION_RETENTION, limit)

    return await delete_in_batches(tools.database, delete)
