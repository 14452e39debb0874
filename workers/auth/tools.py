"""What the handlers use, built by hand from settings and the chassis's parts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn

from chassis.database import Database
from chassis.key_pairs import CLOCK_SKEW, Safe, derived_key
from chassis.logging import logger
from chassis.metrics import AuthMetrics
from chassis.unit_of_work import Ledger
from workers.auth.hashes import Hashes
from workers.auth.keys import KeyRing
from workers.auth.passwords import Passwords
from workers.auth.rules import Lifetimes
from workers.auth.settings import AuthSettings
from workers.auth.storage import Storage
from workers.auth.tokens import Mint, RefreshTokens

# Longer than the inbox keeps its rows: by then nobody asks about a session, nor does the audit log for its device.
KEPT_AFTER_EXPIRY: Final = timedelta(days=8)
FORGET_EVERY_SECONDS: Final = 600.0
FORGET_AT_ONCE: Final = 5_000  # rows a statement, so that no delete holds locks for long

log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    ledger: Ledger
    database: Database
    storage: Storage
    passwords: Passwords
    keys: KeyRing
    refresh_tokens: RefreshTokens
    mint: Mint
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
    """Makes the first keys where there are none. Raises ``KeysUnreadable`` under another secret than theirs."""
    secret = settings.auth_secret.get_secret_value()
    lifetimes = settings.lifetimes
    keys = KeyRing(
        database,
        Safe(secret),
        clock,
        rotate_after=timedelta(days=settings.key_rotation_days),
        outlive=lifetimes.access_token + CLOCK_SKEW,
    )
    await keys.keep()
    refresh_tokens = RefreshTokens(secret)
    storage = Storage(metrics)
    async with database.connection() as connection:
        highest_cost = await storage.highest_cost(connection)
    hashes = Hashes(
        cost=settings.bcrypt_cost,
        peppers=_peppers(settings),
        peppered=settings.flags.peppered_passwords,
        highest_cost=highest_cost,
    )
    async with Passwords(hashes, threads=settings.password_threads, queue=settings.password_queue) as passwords:
        yield Tools(
            ledger=ledger,
            database=database,
            storage=storage,
            passwords=passwords,
            keys=keys,
            refresh_tokens=refresh_tokens,
            mint=Mint(keys, refresh_tokens, lifetimes),
            metrics=metrics,
            lifetimes=lifetimes,
            refresh_retry=timedelta(seconds=settings.refresh_retry_seconds),
            sessions_per_user=settings.sessions_per_user,
            open_registration=settings.flags.open_registration,
            clock=clock,
        )


def _peppers(settings: AuthSettings) -> tuple[bytes, ...]:
    """The one for new hashes first."""
    secrets = (settings.password_pepper, settings.auth_secret)
    return tuple(derived_key(secret.get_secret_value(), "password pepper") for secret in secrets if secret is not None)


async def forget_sessions(tools: Tools) -> int:
    """Delete sessions that expired long ago; returns how many."""
    forgotten = 0
    while True:
        async with tools.database.connection() as connection:
            expired_before = tools.clock() - KEPT_AFTER_EXPIRY
            batch = await tools.storage.forget_sessions(connection, expired_before, FORGET_AT_ONCE)
        forgotten += batch
        if batch < FORGET_AT_ONCE:
            return forgotten


async def forget_sessions_for_ever(tools: Tools) -> NoReturn:
    """Runs for as long as the process."""
    while True:
        try:
            await forget_sessions(tools)
        except Exception as error:  # noqa: BLE001 - an outage of the database must not end the clean-up
            log.warning("sessions not cleaned", error=type(error).__qualname__)
        await asyncio.sleep(FORGET_EVERY_SECONDS)
