"""The services' own users on the servers. Their passwords are derived, so that none is stored."""

from urllib.parse import quote, unquote, urlsplit, urlunsplit

from autograph.installation import Installation
from chassis.settings import PREFIX
from compose.local.service_users import redis_user, service_password
from compose.local.stack import Servers
from contracts.services import Engine, entry

__all__ = ["as_user", "own_secrets", "redis_secret", "service_environment", "service_password"]


def redis_secret(redis_url: str, installation_secret: str) -> str:
    """The secret for Redis users' passwords: the server's own password, which its configuration file knows."""
    return unquote(urlsplit(redis_url).password or "") or installation_secret


def service_environment(servers: Servers, installation_secret: str, service: str) -> dict[str, str]:
    """The variables with *service*'s server URLs, with its own users. Raises ``KeyError`` for an unknown service.

    No service gets another's credentials, nor an administrator's.
    """
    broker = as_user(
        servers.rabbitmq_url, f"autograph-{service}", service_password(installation_secret, "rabbitmq", service)
    )
    redis = servers.redis_url
    if servers.redis_service_users:
        secret = redis_secret(redis, installation_secret)
        redis = as_user(redis, redis_user(service), service_password(secret, "redis", service))
    environment = {"AUTOGRAPH_REDIS_URL": redis, "AUTOGRAPH_RABBITMQ_URL": broker}
    engines = entry(service).engines
    if Engine.POSTGRES in engines:
        environment["AUTOGRAPH_POSTGRES_URL"] = as_user(
            servers.postgres_pooler_url or servers.postgres_url,
            f"autograph_{service}",
            service_password(installation_secret, "postgres", service),
        )
    if Engine.S3 in engines:
        environment |= {
            "AUTOGRAPH_S3_URL": servers.s3_worker.url,
            "AUTOGRAPH_S3_ACCESS_KEY": servers.s3_worker.access_key,
            "AUTOGRAPH_S3_SECRET_KEY": servers.s3_worker.secret_key,
        }
    return environment


def own_secrets(found: Installation, service: str) -> dict[str, str]:
    """The variables with *service*'s own secrets, without those that are unknown."""
    of_service = entry(service)
    own = {of_service.secret_variable: found.own_secrets[service]} if service in found.own_secrets else {}
    optional = {
        name: found.optional_secrets[name] for name in of_service.optional_secrets if name in found.optional_secrets
    }
    return own | {f"{PREFIX}{name.upper()}": value for name, value in optional.items()}


def as_user(url: str, user: str, password: str) -> str:
    """*url* under another user."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{address}"))
