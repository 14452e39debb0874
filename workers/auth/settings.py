"""The auth service's settings."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from chassis.settings import Key, Port
from chassis.worker import WorkerSettings
from contracts.services import entry
from workers.auth.sign_in.rules import Lifetimes


class AuthSettings(WorkerSettings):
    side_port: Port = entry("auth").side_port

    auth_secret: Key
    """Computes refresh tokens and encrypts private keys at rest. If it is lost, all users are signed out."""

    password_pepper: Key | None = None
    """The key of the hash of each password that is stored with a pepper. Without it, the pepper is derived from
    `AUTOGRAPH_AUTH_SECRET`; both are tried for hashes that are stored already."""

    bcrypt_cost: Annotated[int, Field(ge=4, le=16)] = 12
    """The cost of a password's hash: 12 takes 0.3 s, each further step doubles the time."""
    password_threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Passwords hashed at once; 0 is one for each core."""
    password_queue: Annotated[int, Field(ge=0, le=10_000)] = 64
    """Passwords that may wait for a thread; further sign-ins are refused."""

    access_token_seconds: Annotated[int, Field(ge=60, le=86_400)] = 3_600
    """How long an access token is valid."""
    session_hours: Annotated[int, Field(ge=1, le=8_760)] = 24
    """How long a session lasts."""
    remembered_session_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How long a session lasts that began with `remember_me`."""
    refresh_retry_seconds: Annotated[int, Field(ge=0, le=3_600)] = 60
    """How long the reuse of a spent refresh token counts as a retry of the client, not as theft."""
    sessions_per_user: Annotated[int, Field(ge=1, le=100)] = 5
    """Sessions of a user; a further one ends the oldest."""
    key_rotation_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    """How long one key signs tokens."""

    @property
    def lifetimes(self) -> Lifetimes:
        return Lifetimes(
            access_token=timedelta(seconds=self.access_token_seconds),
            session=timedelta(hours=self.session_hours),
            remembered_session=timedelta(days=self.remembered_session_days),
        )
