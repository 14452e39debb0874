"""Settings: environment, ``.env``, secret files and the defaults of a profile."""

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from chassis.flags import Flags, parse_flags
from chassis.setting_names import KNOWN

PREFIX: Final = "AUTOGRAPH_"
ENV_FILES: Final = (Path(".env"),)
MIN_KEY_CHARACTERS: Final = 32  # of hex: 128 bits
# difflib's ratio for one or two wrong letters. A name that differs more may be a setting of a later release.
MIN_SIMILARITY: Final = 0.85
# Variables that Kubernetes and Docker set in containers for a service named `autograph-…`.
_SERVICE_LINK: Final = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PORT|PROTO|ADDR))?)?$")
EX_CONFIG: Final = 78  # sysexits.h: something was found in an unconfigured or misconfigured state


class Profile(StrEnum):
    LOCAL = "local"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


# A profile's defaults. Addresses that need a password have no default in any profile.
PROFILE_DEFAULTS: Final[dict[Profile, dict[str, Any]]] = {
    Profile.LOCAL: {
        "log_format": LogFormat.CONSOLE,
        "side_host": "127.0.0.1",
        "http_host": "127.0.0.1",
        "redis_url": "redis://127.0.0.1:6379/0",
        "s3_url": "http://127.0.0.1:9000",
    },
    Profile.DOCKER: {
        "log_format": LogFormat.JSON,
        "side_host": "0.0.0.0",  # noqa: S104  # a container's own network: only published ports are reachable
        "http_host": "0.0.0.0",  # noqa: S104  # as side_host
        "redis_url": "redis://redis:6379/0",
        "s3_url": "http://s3:9000",
    },
    Profile.KUBERNETES: {
        "log_format": LogFormat.JSON,
        "side_host": "0.0.0.0",  # noqa: S104  # a pod's own network: network policies and services decide
        "http_host": "0.0.0.0",  # noqa: S104  # as side_host
        "redis_url": "redis://autograph-redis:6379/0",
        "s3_url": "http://autograph-s3:9000",
    },
}


class SecretUrl:
    """A URL that may contain a password: only ``get_secret_value()`` shows it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._parts = _split(url)

    def get_secret_value(self) -> str:
        return self._url

    @property
    def host(self) -> str | None:
        return self._parts.hostname

    @property
    def port(self) -> int | None:
        return self._parts.port

    @property
    def scheme(self) -> str:
        return self._parts.scheme

    def __str__(self) -> str:
        parts = self._parts
        address = parts.netloc.rpartition("@")[2]
        if "@" in parts.netloc:
            user, colon, _ = parts.netloc.rpartition("@")[0].partition(":")
            address = f"{user}:***@{address}" if colon else f"{user}@{address}"
        # A password may also be in the query (libpq's ?password=), so its values are hidden.
        query = "&".join(f"{pair.partition('=')[0]}=***" for pair in parts.query.split("&") if "=" in pair)
        return SplitResult(parts.scheme, address, parts.path, query, "").geturl()

    def __repr__(self) -> str:
        return f"SecretUrl('{self}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and self._url == other._url

    def __hash__(self) -> int:
        return hash(self._url)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), core_schema.no_info_after_validator_function(cls, handler(str))],
            mode="left_to_right",
            custom_error_type="url",
            custom_error_message="is not a URL; special characters in its user and password must be percent-encoded",
            serialization=core_schema.to_string_ser_schema(),
        )


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    # libpq accepts several hosts: a primary and its standbys.
    for host in parts.netloc.rpartition("@")[2].split(","):
        _ = parts._replace(netloc=host).port  # raises ValueError where the port is no number or out of range
    # An unescaped / ? or # in a password ends the host early: the rest would be shown as a path.
    misplaced = "@" in parts.path + parts.query + parts.fragment
    if not parts.scheme or misplaced or any(character.isspace() for character in url):
        raise ValueError
    return parts


def _of(*schemes: str, needs_host: bool = True) -> AfterValidator:
    def check(url: SecretUrl) -> SecretUrl:
        if url.scheme not in schemes:
            raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)} (it is {url})")
        if needs_host and not url.host:
            raise ValueError(f"names no host (it is {url})")
        return url

    return AfterValidator(check)


def _split_list(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _check_key_length(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value()) < MIN_KEY_CHARACTERS:
        raise ValueError(f"must have at least {MIN_KEY_CHARACTERS} characters")
    return key


# PostgreSQL's host may be in the query (the folder of a Unix socket).
PostgresUrl = Annotated[SecretUrl, _of("postgresql", "postgres", needs_host=False)]
RedisUrl = Annotated[SecretUrl, _of("redis", "rediss")]
RabbitmqUrl = Annotated[SecretUrl, _of("amqp", "amqps")]
HttpUrl = Annotated[SecretUrl, _of("http", "https")]
Port = Annotated[int, Field(ge=0, le=65535)]  # 0: a free one
Key = Annotated[SecretStr, AfterValidator(_check_key_length)]
PoolMax = Annotated[int, Field(ge=1, le=1_000)]
CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_list)]


class SettingsInvalid(Exception):
    """All mistakes of the settings, without the values of secrets."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__(f"The settings have {count}:\n" + "\n".join(f"  {problem}" for problem in problems))


class _UnreadableFile:
    """Replaces a value whose file could not be read, so that it is reported with all other mistakes."""

    def __init__(self, variable: str, reason: str) -> None:
        self.complaint = f"{variable} names a file that cannot be read: {reason}"


class _SecretFiles(PydanticBaseSettingsSource):
    """``AUTOGRAPH_X_FILE`` names a file that holds ``AUTOGRAPH_X``, as Docker and Kubernetes mount secrets."""

    def __init__(self, settings_cls: type[BaseSettings], variables: EnvSettingsSource) -> None:
        super().__init__(settings_cls)
        self._variables = variables.env_vars

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  # theirs
        variable = f"{PREFIX}{field_name}_file"
        path = self._variables.get(variable.lower())
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            return _UnreadableFile(variable.upper(), f"{path} ({reason})"), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class _ProfileDefaults(PydanticBaseSettingsSource):
    """The defaults of the profile, for services. An operator's command has no default addresses."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  # theirs
        try:
            profile = Profile(self.current_state.get("profile", Profile.LOCAL))
        except ValueError:  # reported by the field itself
            profile = Profile.LOCAL
        return PROFILE_DEFAULTS[profile].get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """The base of the settings of all programs.

    Order: arguments, environment, files named by the environment, ``.env``, files named by it, the profile, defaults.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILES,
        env_file_encoding="utf-8",
        env_ignore_empty=True,  # compose files pass unset variables as empty ones
        extra="ignore",  # one .env serves all programs; misspelled names are looked for among the settings of all
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
        use_attribute_docstrings=True,  # docs/settings.md shows them
    )

    profile_applies: ClassVar[bool] = True

    profile: Profile = Profile.LOCAL
    """Which defaults apply: for processes on this machine, for containers, or for a cluster."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe lines that are logged."""
    log_format: LogFormat = LogFormat.JSON
    """One JSON object a line, or text for a terminal."""

    @field_validator("*", mode="before")
    @classmethod
    def _files_are_readable(cls, value: object) -> object:
        if isinstance(value, _UnreadableFile):
            raise ValueError(value.complaint)  # noqa: TRY004  # a validator reports with ValueError
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # secrets come from *_FILE instead
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        assert isinstance(env_settings, EnvSettingsSource)
        assert isinstance(dotenv_settings, DotEnvSettingsSource)
        return (
            init_settings,
            env_settings,
            _SecretFiles(settings_cls, env_settings),
            dotenv_settings,
            _SecretFiles(settings_cls, dotenv_settings),
            *([_ProfileDefaults(settings_cls)] if cls.profile_applies else []),
        )


class FlagSettings(Settings):
    flags: Annotated[Flags, NoDecode, BeforeValidator(parse_flags)] = Flags()
    """Feature flags as name=on or name=off, separated by commas; `autograph flags` lists them."""


class RedisSettings(Settings):
    redis_url: RedisUrl
    """Sessions, cached reads and limits."""
    redis_pool_max: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Connections to Redis that one process opens at most."""


class RabbitmqSettings(Settings):
    rabbitmq_url: RabbitmqUrl
    """The broker, as this service's own user."""
    rabbitmq_management_url: HttpUrl | None = None
    """The broker's management API."""


class PostgresSettings(Settings):
    postgres_url: PostgresUrl
    """The database, as this service's own role."""
    postgres_pool_min: Annotated[int, Field(ge=0, le=1_000)] = 10
    """Connections to PostgreSQL that one process keeps open."""
    postgres_pool_max: PoolMax = 30
    """Connections to PostgreSQL that one process opens at most."""

    # On the field: a validator of the model does not run while any field is wrong.
    @field_validator("postgres_pool_max")
    @classmethod
    def _not_below_the_minimum(cls, value: int, info: ValidationInfo) -> int:
        minimum = info.data.get("postgres_pool_min", 0)
        if value < minimum:
            raise ValueError(f"is {value}, below {PREFIX}POSTGRES_POOL_MIN, which is {minimum}")
        return value


class ObjectStoreSettings(Settings):
    s3_url: HttpUrl
    """The object store."""
    s3_access_key: Annotated[SecretStr, Field(min_length=1)]
    """The object store's access key."""
    s3_secret_key: Annotated[SecretStr, Field(min_length=1)]
    """The object store's secret key."""
    s3_region: str = "us-east-1"
    """The region that requests to the object store are signed for."""


class OutboundSettings(Settings):
    """Of a service that sends requests to servers that users name (``chassis.outbound``)."""

    outbound_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split_list)] = ()
    """Networks that requests to servers outside may reach although they are private, as 10.1.2.0/24, with commas."""
    outbound_proxy: HttpUrl | None = None
    """A proxy for requests to servers outside. It decides then what may be reached: addresses are not checked here."""


class ServiceSettings(FlagSettings, RedisSettings, RabbitmqSettings):
    """Settings of the gateway and of every worker."""

    side_host: str = "127.0.0.1"
    """The address that metrics and health checks are served on."""
    side_port: Port = 0
    """The port of metrics and health checks; 0 is any that is free."""
    drain_seconds: Annotated[float, Field(gt=0, le=600)] = 20.0
    """How long a stopping process may take to finish what is in flight."""
    otlp_url: HttpUrl | None = None
    """An OpenTelemetry collector, as http://collector:4318; without it nothing is traced."""
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of traces that is kept; all services keep the same ones."""


SettingsT = TypeVar("SettingsT", bound=Settings)


def read(
    settings_class: type[SettingsT],
    env_files: Sequence[Path] = ENV_FILES,
    *,
    overrides: Mapping[str, Any] | None = None,
) -> SettingsT:
    """Raises ``SettingsInvalid`` with all mistakes at once. Later *env_files* have precedence.

    *overrides*: field → value, with precedence over the environment.
    """
    try:
        misspelled = [f"{name} is no setting: {near} is" for name, near in _unknown(settings_class, env_files) if near]
        settings = settings_class(_env_file=env_files, **(overrides or {}))
    except ValidationError as error:
        problems = [
            _describe(problem["loc"], problem["type"], problem["msg"])
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        # Not chained: the validation error holds the values.
        raise SettingsInvalid([*misspelled, *problems]) from None
    except UnicodeDecodeError:
        raise SettingsInvalid([".env is not UTF-8 text"]) from None
    except SettingsError as error:
        raise SettingsInvalid([str(error)]) from None
    if misspelled:
        raise SettingsInvalid(misspelled)
    return settings


def _unknown(settings_class: type[Settings], env_files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Variables with our prefix that are no setting of any program, each with the most similar setting or ``""``."""
    known = KNOWN | {field.upper() for field in settings_class.model_fields}
    known |= {f"{name}_FILE" for name in known}
    in_files = DotEnvSettingsSource(settings_class, env_file=env_files, case_sensitive=True).env_vars
    for name, value in {**in_files, **os.environ}.items():
        bare = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or not value or bare in known or _SERVICE_LINK.search(bare):
            continue
        nearest = get_close_matches(bare, sorted(known), n=1, cutoff=MIN_SIMILARITY)
        yield name, f"{PREFIX}{nearest[0]}" if nearest else ""


def load(settings_class: type[SettingsT], env_files: Sequence[Path] = ENV_FILES) -> SettingsT:
    """As ``read``, but a mistake ends the process with status 78 and a message on stderr."""
    try:
        settings = read(settings_class, env_files)
    except SettingsInvalid as problems:
        print(problems, file=sys.stderr)  # noqa: T201  # logging is configured by the settings
        raise SystemExit(EX_CONFIG) from None
    for name, _ in _unknown(settings_class, env_files):
        print(f"{name} is no setting of this release, and is ignored", file=sys.stderr)  # noqa: T201  # as above
    return settings


def _describe(location: tuple[int | str, ...], kind: str, message: str) -> str:
    variable = f"{PREFIX}{str(location[0]).upper()}" if location else "the settings"
    if kind == "missing":
        return f"{variable} is not set (nor is {variable}_FILE)"
    text = message.removeprefix("Value error, ")
    return text if text.startswith(f"{variable}_FILE ") else f"{variable}: {text}"
