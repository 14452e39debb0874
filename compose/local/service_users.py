"""The services' own users: their passwords, derived so that nothing has to keep them, and what each may do in Redis."""

import base64
import hashlib
import hmac
from typing import Final

from contracts.services import GATEWAY, Engine, Service, entry, needing

_CACHE: Final = ("~cache:epoch", "~cache:members")
# What the cache's scripts call (chassis/cache/scripts), and what calls them. A script may do what its caller may.
_SCRIPTS: Final = "+eval +evalsha +time +get +set +exists +hget +hset +hsetnx +hgetall +hdel +unlink"
# Of deliveries that are handled alone (chassis/delivery_marks.py), each worker its own.
_MARKS: Final = "+pttl +del"
# Signing in, the database of the address, and health's question. Clients tell their name unasked.
_CONNECTION: Final = "+auth +hello +select +client|setinfo +ping"

REDIS_SERVICES: Final = tuple(service.name for service in needing(Engine.REDIS))


def service_password(secret: str, server: str, service: str) -> str:
    digest = hmac.digest(secret.encode(), f"{server}/{service}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode("ascii")[:32]


def redis_user(service: str) -> str:
    return f"autograph-{service}"


def redis_rules(secret: str, service: str) -> list[str]:
    """For ``ACL SETUSER`` or an ACL file, whole. The password's digest: it was drawn at random and has no dictionary.

    *secret*: what the password is derived from, which is the administrator's own password of that Redis.
    """
    digest = hashlib.sha256(service_password(secret, "redis", service).encode()).hexdigest()
    return ["reset", "on", f"#{digest}", *_rights(entry(service))]


def _rights(service: Service) -> list[str]:
    """Only gateways read and keep what is cached, count limits, and mark what is in flight.

    A worker may say that its own entries are over, which takes no right to read them.
    """
    if service.name == GATEWAY:
        keys = ["~c:*", "~g:*", "~l:*", "~f:*"]
        commands = f"{_CONNECTION} {_SCRIPTS} +pttl +pexpire +incr +decr +del"
    else:
        keys = [f"%W~{of}:*:{kind}/*" for kind in service.caches for of in ("c", "g")] + [f"~suspect:{service.name}:*"]
        commands = f"{_CONNECTION} {_SCRIPTS} {_MARKS}"
    return [*_CACHE, *keys, *commands.split()]


def redis_configuration(secret: str) -> str:
    """Lines for valkey.conf, so that the users are there from the server's start."""
    lines = [f"user {redis_user(service)} {' '.join(redis_rules(secret, service))}" for service in REDIS_SERVICES]
    return "\n".join(lines) + "\n"
