"""The services' own users on the servers: passwords derived, so that nothing has to keep them."""

import base64
import hmac
from urllib.parse import quote, urlsplit, urlunsplit

from compose.local.stack import Servers


def service_password(installation_secret: str, server: str, service: str) -> str:
    digest = hmac.digest(installation_secret.encode(), f"{server}/{service}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode("ascii")[:32]


def service_environment(servers: Servers, installation_secret: str, service: str) -> dict[str, str]:
    """Where *service* (``gateway``, ``auth``, ``diagram``) finds its servers, under its own users.

    No service gets another's credentials, nor an administrator's.
    """
    broker = as_user(
        servers.rabbitmq_url, f"autograph-{service}", service_password(installation_secret, "rabbitmq", service)
    )
    environment = {"AUTOGRAPH_REDIS_URL": servers.redis_url, "AUTOGRAPH_RABBITMQ_URL": broker}
    if service != "gateway":
        environment["AUTOGRAPH_POSTGRES_URL"] = as_user(
            servers.postgres_url, f"autograph_{service}", service_password(installation_secret, "postgres", service)
        )
    if service == "diagram":
        environment |= {
            "AUTOGRAPH_S3_URL": servers.s3_worker.url,
            "AUTOGRAPH_S3_ACCESS_KEY": servers.s3_worker.access_key,
            "AUTOGRAPH_S3_SECRET_KEY": servers.s3_worker.secret_key,
        }
    return environment


def as_user(url: str, user: str, password: str) -> str:
    """*url* under another user."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{address}"))
