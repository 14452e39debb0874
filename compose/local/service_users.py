"""The services' own users: derived passwords, and each one's permissions in Redis."""

import base64
import hashlib
import hmac
from typing import Final

from contracts.services import GATEWAY, Engine, Service, entry, needing

_CACHE: Final = ("~cache:epoch", "~cache:members")
# The commands of the cache's scripts (chassis/cache/scripts) and EVAL: a script has its caller's permissions.
_SCRIPTS: Final = "+eval +evalsha +time +get +set +exists +hget +hset +hsetnx +hgetall +hdel +unlink"
# Marks of isolated deliveries (chassis/delivery_marks.py), per worker.
_MARKS: Final = "+pttl +del"
# Login, database of the URL, health check. Clients send their name by themselves.
_CONNECTION: Final = "+auth +hello +select +client|setinfo +ping"

REDIS_SERVICES: Final = tuple(service.name for service in needing(Engine.REDIS))


def service_password(secret: str, server: str, service: str) -> str:
    digest = hmac.digest(secret.encode(), f"{server}/{service}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode("ascii")[:32]


def redis_user(service: str) -> str:
    return f"autograph-{service}"


def redis_rules(secret: str, service: str) -> list[str]:
    """All rules for ``ACL SETUSER`` or an ACL file. The password is stored as a digest, which cannot be guessed.

    *secret*: from which the password is derived: the administrator's password of that Redis.
    """
    digest = hashlib.sha256(service_password(secret, "redis", service).encode()).hexdigest()
    return ["reset", "on", f"#{digest}", *_rights(entry(service))]


def _rights(service: Service) -> list[str]:
    """Only gateways read and keep what is cached, count limits, and mark what is in flight.

    A worker may say that its own entries are over, which takes no right to read them. Each service says how it is,
    which gateways read.
    """
    if service.name == GATEWAY:
        keys = ["~c:*", "~g:*", "~l:*", "~f:*", f"~status:{GATEWAY}", "%R~status:*"]
        commands = f"{_CONNECTION} {_SCRIPTS} +pttl +pexpire +incr +decr +del"
    else:
        keys = [f"%W~{of}:*:{kind}/*" for kind in service.caches for of in ("c", "g")] + [
            f"~suspect:{service.name}:*",
            f"~status:{service.name}",
        ]
        commands = f"{_CONNECTION} {_SCRIPTS} {_MARKS}"
    return [*_CACHE, *keys, *commands.split()]


def redis_configuration(secret: str) -> str:
    """Lines for valkey.conf, so that the users exist from the server's start."""
    lines = [f"user {redis_user(service)} {' '.join(redis_rules(secret, service))}" for service in REDIS_SERVICES]
    return "\n".join(lines) + "\n"
