"""What the auth service is told from outside."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from chassis.settings import Key, Port
from chassis.worker import WorkerSettings
from workers.auth.rules import Lifetimes


class AuthSettings(WorkerSettings):
    side_port: Port = 8085

    auth_secret: Key  # computes refresh tokens and encrypts the private keys at rest; whoever loses it signs all out

    # Of passwords. Without it, it is derived from the auth secret; both are tried for what is stored already.
    password_pepper: Key | None = None

    bcrypt_cost: Annotated[int, Field(ge=4, le=16)] = 12  # 0.3 s a hash; each step more doubles it
    password_threads: Annotated[int, Field(ge=0, le=256)] = 0  # 0: one for each core
    password_queue: Annotated[int, Field(ge=0, le=10_000)] = 64

    access_token_seconds: Annotated[int, Field(ge=60, le=86_400)] = 3_600
    session_hours: Annotated[int, Field(ge=1, le=8_760)] = 24
    remembered_session_days: Annotated[int, Field(ge=1, le=365)] = 30
    refresh_retry_seconds: Annotated[int, Field(ge=0, le=3_600)] = 60  # a spent refresh token is a retry, then a theft
    sessions_per_user: Annotated[int, Field(ge=1, le=100)] = 5
    key_rotation_days: Annotated[int, Field(ge=1, le=3_650)] = 30

    @property
    def lifetimes(self) -> Lifetimes:
        return Lifetimes(
            access_token=timedelta(seconds=self.access_token_seconds),
            session=timedelta(hours=self.session_hours),
            remembered_session=timedelta(days=self.remembered_session_days),
        )
