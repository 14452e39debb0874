"""The gateway's settings."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from chassis.settings import CommaSeparated, HttpUrl, Key, Port, SecretUrl, ServiceSettings
from contracts.services import GATEWAY, entry
from gateway.forwarded import Header


def _public(url: SecretUrl) -> SecretUrl:
    parts = urlsplit(url.get_secret_value())
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"has a host and perhaps a path, and nothing else (it is {url})")
    return url


PublicUrl = Annotated[HttpUrl, AfterValidator(_public)]


class GatewaySettings(ServiceSettings):
    side_port: Port = entry(GATEWAY).side_port
    http_host: str = "127.0.0.1"
    """The address that the API is served on."""
    http_port: Port = 8080
    """The port that the API is served on; 0 is any that is free."""
    http_reuse_port: bool = False
    """Whether several gateways may share the port on one machine (SO_REUSEPORT): the kernel distributes connections."""
    public_url: PublicUrl | None = None
    """The URL at which clients reach the gateway. If it has a path, links begin with that path."""
    public_details: bool = False
    """Whether /metrics and the details of /health are also served on the public port."""

    gateway_secret: Key
    """Signs command addresses and fingerprints; the same for all gateways of an installation."""

    rate_limit_per_user: Annotated[int, Field(ge=0)] = 100
    """Requests of a user in a minute, other than reads; 0 is no limit."""
    rate_limit_reads_per_user: Annotated[int, Field(ge=0)] | None = None
    """Reads (GET, HEAD) of a user in a minute; 0 is no limit. If it is not set, six times
    `AUTOGRAPH_RATE_LIMIT_PER_USER`."""
    rate_limit_per_address: Annotated[int, Field(ge=0)] = 1000
    """Requests of an address in a minute; 0 is no limit."""
    password_requests_per_address: Annotated[int, Field(ge=0)] = 60
    """Sign-ins and registrations from an address (IPv6: a /56) in a minute, each a third of a second of a core; 0 is
    no limit."""
    registrations_in_all: Annotated[int, Field(ge=0)] = 120
    """Registrations in a minute at all gateways together; 0 is no limit."""
    max_password_requests: Annotated[int, Field(ge=4)] = 24
    """Sign-ins and registrations in flight at one gateway."""
    sign_in_attempts: Annotated[int, Field(ge=0)] = 5
    """Failed sign-ins for an account and an address together in the window of `AUTOGRAPH_SIGN_IN_WINDOW_SECONDS`; 0 is
    no limit."""
    sign_in_failures_per_address: Annotated[int, Field(ge=0)] = 50
    """Failed sign-ins from an address (IPv6: a /64) at any accounts in the window of
    `AUTOGRAPH_SIGN_IN_WINDOW_SECONDS`; 0 is no limit. An address from which the account signed in before is exempt."""
    sign_in_failures_per_56: Annotated[int, Field(ge=0)] = 100
    """Failed sign-ins from an IPv6 /56 at any accounts in the window of `AUTOGRAPH_SIGN_IN_WINDOW_SECONDS`; 0 is no
    limit. An address from which the account signed in before is exempt."""
    sign_in_failures_per_48: Annotated[int, Field(ge=0)] = 200
    """Failed sign-ins from an IPv6 /48 at any accounts in the window of `AUTOGRAPH_SIGN_IN_WINDOW_SECONDS`; 0 is no
    limit. An address from which the account signed in before is exempt."""
    sign_in_window_seconds: Annotated[int, Field(ge=1)] = 900
    """The window in which failed sign-ins count, except those for an account from any addresses."""
    sign_in_failures_per_account: Annotated[int, Field(ge=0)] = 20
    """Failed sign-ins for an account from any addresses in the window of `AUTOGRAPH_SIGN_IN_ACCOUNT_WINDOW_SECONDS`; 0
    is no limit. An address from which the account signed in before is exempt."""
    sign_in_account_window_seconds: Annotated[int, Field(ge=1)] = 3_600
    """The window in which failed sign-ins for an account from any addresses count."""

    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """The number of proxies in front: the gateway trusts this many last entries of the forwarded header."""
    forwarded_header: Header = "x-forwarded-for"
    """Which of the two headers all proxies in front of the gateway write; the gateway ignores the other one."""
    cors_origins: CommaSeparated = ()
    """Origins whose pages may call the API, separated by commas; * is any."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=32 << 20)] = 10 << 20
    """The largest body of a request."""
    max_concurrent_requests: Annotated[int, Field(ge=1)] = 1000
    """Requests that one gateway handles at once; further ones are refused with 503."""
    max_concurrent_requests_per_address: Annotated[int, Field(ge=0)] = 500
    """Requests of one address in flight at one gateway, also those whose bodies are still arriving; 0 is no
    limit."""
    idle_connection_seconds: Annotated[float, Field(gt=0, le=3600)] = 75
    """How long a connection without a request is kept: longer than a proxy in front keeps it."""
    drain_grace_seconds: Annotated[float, Field(ge=0, le=60)] = 0
    """How long a stopping gateway still accepts requests, while a load balancer notices that it is not
    ready."""

    @property
    def path_prefix(self) -> str:
        """What a proxy takes off each path, and each link has before it: ``/autograph``, or empty."""
        return "" if self.public_url is None else urlsplit(self.public_url.get_secret_value()).path.rstrip("/")

    @property
    def is_public_over_tls(self) -> bool:
        return self.public_url is not None and self.public_url.scheme == "https"
