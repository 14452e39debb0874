"""Settings of the operator's command: external servers, and the local stack's folder."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, create_model, field_validator

from autograph.stacks import running_stacks
from chassis.settings import HttpUrl, Key, LogFormat, PostgresUrl, RabbitmqUrl, RedisUrl, SecretUrl, Settings, load
from compose.local.home import DEFAULT, OperatorError
from contracts.services import SERVICES, Service

CHECKOUT: Final = Path(__file__).parents[1]

if TYPE_CHECKING:
    _ServiceSecrets = Settings
else:
    _ServiceSecrets = create_model(
        "_ServiceSecrets",
        __base__=Settings,
        **{
            f"{service.name}_secret": (
                Key | None,
                Field(None, description=f"As in the {service.name}{' service' if service.is_worker else ''}."),
            )
            for service in SERVICES
            if service.own_secret
        },
    )


class OperatorSettings(_ServiceSecrets):
    """Administrators' URLs. A server that is not set is the local stack's.

    ``AUTOGRAPH_HOME`` is the local stack's folder. ``AUTOGRAPH_PROGRAMS`` is where its servers' programs are unpacked,
    which several homes may share: otherwise each gets its own, in its ``programs/``.
    """

    profile_applies: ClassVar[bool] = False

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    log_format: LogFormat = LogFormat.CONSOLE
    home: Path = DEFAULT
    """The local stack's folder: data, secrets, ports and logs."""
    programs: Path | None = None
    """Where the local stack's server programs are unpacked, which several homes may share; otherwise `programs` in
    the home."""
    http_port: int = Field(default=8080, ge=1, le=65535)
    """The port of the local stack's gateway, if it is free."""
    postgres_url: PostgresUrl | None = None
    """A PostgreSQL of your own, as its administrator."""
    postgres_pooler_url: PostgresUrl | None = None
    """A pooler, such as PgBouncer, in front of the PostgreSQL of `AUTOGRAPH_POSTGRES_URL`, for the services."""
    redis_url: RedisUrl | None = None
    """A Redis or Valkey of your own."""
    redis_service_users: Literal["on", "off"] = "off"
    """Whether `autograph migrate` gives each service a user of its own in the Redis of `AUTOGRAPH_REDIS_URL`, as in the
    local stack."""
    rabbitmq_url: RabbitmqUrl | None = None
    """A RabbitMQ of your own, as its administrator."""
    rabbitmq_management_url: HttpUrl | None = None
    """The management API of the RabbitMQ of `AUTOGRAPH_RABBITMQ_URL`."""
    s3_url: HttpUrl | None = None
    """An object store of your own."""
    s3_access_key: SecretStr | None = None
    """The access key of the administrator of the object store of `AUTOGRAPH_S3_URL`."""
    s3_secret_key: SecretStr | None = None
    """The secret key of the administrator of the object store of `AUTOGRAPH_S3_URL`."""
    s3_worker_access_key: SecretStr | None = None
    """The access key of an identity of the object store that may use the buckets and no more, for the
    workers."""
    s3_worker_secret_key: SecretStr | None = None
    """The secret key that belongs to `AUTOGRAPH_S3_WORKER_ACCESS_KEY`."""
    s3_region: str = "us-east-1"
    """The region that requests to the object store are signed for."""
    installation_secret: Key | None = None
    """The secret from which every service's own passwords are derived."""
    password_pepper: Key | None = None
    """As in the auth service; without it, the pepper is derived from `AUTOGRAPH_AUTH_SECRET`."""

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

    def own_secret(self, service: Service) -> str | None:
        """The service's secret, if it is set."""
        return _plain(getattr(self, f"{service.name}_secret"))

    def optional_secrets(self) -> dict[str, str]:
        """Name of the setting → value, for those that are set."""
        names = [name for service in SERVICES for name in service.optional_secrets]
        return {name: value for name in names if (value := _plain(getattr(self, name)))}

    def external_servers(self) -> dict[str, str]:
        """The servers that are set, as environment variables."""
        values = {
            "AUTOGRAPH_POSTGRES_URL": self.postgres_url,
            "AUTOGRAPH_POSTGRES_POOLER_URL": self.postgres_pooler_url,
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


def operator_settings(*, starts: bool = False) -> OperatorSettings:
    """With the home: the one that is set, the working directory's, the running one, or the checkout's.

    *starts*: do not select a running stack. Raises ``OperatorError`` if several are running.
    """
    settings = load(OperatorSettings)
    if "home" in settings.model_fields_set or DEFAULT.is_dir():
        return settings
    running = [] if starts else running_stacks()
    if len(running) > 1:
        homes = ", ".join(str(stack.home) for stack in running)
        raise OperatorError(f"Several stacks run: set AUTOGRAPH_HOME to the one that you mean ({homes})")
    if running:
        [stack] = running
        settings = load(OperatorSettings, env_files=(stack.folder / ".env", Path(".env")))
        return settings.model_copy(update={"home": stack.home})
    return settings.model_copy(update={"home": CHECKOUT / DEFAULT})


def _plain(key: SecretStr | None) -> str | None:
    return key.get_secret_value() if key else None
