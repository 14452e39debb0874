"""What the operator's command is told: which servers are the user's own, and where the local stack is."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from chassis.settings import HttpUrl, Key, PostgresUrl, RabbitmqUrl, RedisUrl, SecretUrl, Settings
from compose.local.home import DEFAULT


class OperatorSettings(Settings):
    """Administrators' addresses. A server that is not named is the local stack's.

    ``AUTOGRAPH_HOME`` is the local stack's folder. ``AUTOGRAPH_PROGRAMS`` is where its servers' programs are unpacked,
    which several homes may share: otherwise each gets its own, in its ``programs/``.
    """

    profile_applies: ClassVar[bool] = False

    home: Path = DEFAULT
    programs: Path | None = None
    http_port: int = Field(default=8080, ge=1, le=65535)
    postgres_url: PostgresUrl | None = None
    redis_url: RedisUrl | None = None
    redis_service_users: Literal["on", "off"] = "off"  # of a Redis of your own; the local stack's always has them
    rabbitmq_url: RabbitmqUrl | None = None
    rabbitmq_management_url: HttpUrl | None = None
    s3_url: HttpUrl | None = None
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_worker_access_key: SecretStr | None = None  # of an identity that may use the buckets and no more
    s3_worker_secret_key: SecretStr | None = None
    s3_region: str = "us-east-1"
    installation_secret: Key | None = None  # every service's own passwords are derived from it
    auth_secret: Key | None = None
    password_pepper: Key | None = None  # of passwords; without it, derived from the auth secret
    gateway_secret: Key | None = None

    @field_validator("rabbitmq_management_url", mode="after")
    @classmethod
    def _broker_whole(cls, value: SecretUrl | None, info: ValidationInfo) -> SecretUrl | None:
        if (value is None) != (info.data.get("rabbitmq_url") is None):
            raise ValueError("AUTOGRAPH_RABBITMQ_URL and AUTOGRAPH_RABBITMQ_MANAGEMENT_URL go together")
        return value

    @field_validator("s3_secret_key", mode="after")
    @classmethod
    def _store_whole(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("s3_url") is not None and (value is None or info.data.get("s3_access_key") is None):
            raise ValueError("AUTOGRAPH_S3_URL needs AUTOGRAPH_S3_ACCESS_KEY and AUTOGRAPH_S3_SECRET_KEY")
        return value

    @field_validator("s3_worker_secret_key", mode="after")
    @classmethod
    def _worker_whole(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (value is None) != (info.data.get("s3_worker_access_key") is None):
            raise ValueError("AUTOGRAPH_S3_WORKER_ACCESS_KEY and AUTOGRAPH_S3_WORKER_SECRET_KEY go together")
        return value

    def given(self) -> dict[str, str]:
        """The servers that the user named, as environment variables."""
        values = {
            "AUTOGRAPH_POSTGRES_URL": self.postgres_url,
            "AUTOGRAPH_REDIS_URL": self.redis_url,
            "AUTOGRAPH_RABBITMQ_URL": self.rabbitmq_url,
            "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": self.rabbitmq_management_url,
            "AUTOGRAPH_S3_URL": self.s3_url,
            "AUTOGRAPH_S3_ACCESS_KEY": self.s3_access_key if self.s3_url else None,
            "AUTOGRAPH_S3_SECRET_KEY": self.s3_secret_key if self.s3_url else None,
            "AUTOGRAPH_S3_WORKER_ACCESS_KEY": self.s3_worker_access_key if self.s3_url else None,
            "AUTOGRAPH_S3_WORKER_SECRET_KEY": self.s3_worker_secret_key if self.s3_url else None,
        }
        found = {name: value.get_secret_value() for name, value in values.items() if value is not None}
        if self.redis_url is not None:
            found["AUTOGRAPH_REDIS_SERVICE_USERS"] = self.redis_service_users
        return found
