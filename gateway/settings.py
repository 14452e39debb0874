"""What the gateway is told from outside."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from chassis.settings import CommaSeparated, HttpUrl, Key, Port, SecretUrl, ServiceSettings
from gateway.forwarded import Header


def _public(url: SecretUrl) -> SecretUrl:
    parts = urlsplit(url.get_secret_value())
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"has a host and perhaps a path, and nothing else (it is {url})")
    return url


PublicUrl = Annotated[HttpUrl, AfterValidator(_public)]


class GatewaySettings(ServiceSettings):
    side_port: Port = 9080
    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    public_url: PublicUrl | None = None  # where clients reach it; behind a proxy maybe under a path, which links have
    public_details: bool = False  # /metrics, and what /health found, also where clients reach them

    gateway_secret: Key  # signs command addresses and fingerprints; the same for all gateways of an installation

    rate_limit_per_user: Annotated[int, Field(ge=0)] = 100  # a minute; 0: no limit
    rate_limit_per_address: Annotated[int, Field(ge=0)] = 1000
    # Each sign-in or registration is a third of a second of a core.
    password_requests_per_address: Annotated[int, Field(ge=0)] = 60  # a minute; IPv6: for a /56; 0: no limit
    registrations_in_all: Annotated[int, Field(ge=0)] = 120  # a minute, at all gateways together; 0: no limit
    max_password_requests: Annotated[int, Field(ge=4)] = 24  # at once, at this gateway
    # Failed sign-ins in a window; each 0: no limit. All but the first do not hold where the account signed in before.
    sign_in_attempts: Annotated[int, Field(ge=0)] = 5  # for an account and an address together
    sign_in_failures_per_address: Annotated[int, Field(ge=0)] = 50  # at any accounts; IPv6: for a /64
    sign_in_failures_per_56: Annotated[int, Field(ge=0)] = 100  # at any accounts, for an IPv6 network of this size
    sign_in_failures_per_48: Annotated[int, Field(ge=0)] = 200
    sign_in_window_seconds: Annotated[int, Field(ge=1)] = 900
    sign_in_failures_per_account: Annotated[int, Field(ge=0)] = 20  # from any addresses
    sign_in_account_window_seconds: Annotated[int, Field(ge=1)] = 3_600

    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0  # that many last entries of X-Forwarded-For are theirs
    forwarded_header: Header = "x-forwarded-for"  # which of the two all of them write: of the other nothing is believed
    cors_origins: CommaSeparated = ()
    max_body_bytes: Annotated[int, Field(ge=1024, le=32 << 20)] = 10 << 20
    max_concurrent_requests: Annotated[int, Field(ge=1)] = 1000  # carried out; beyond, they are shed with 503
    max_concurrent_requests_per_address: Annotated[int, Field(ge=0)] = 500  # bodies that arrive included; 0: no share
    idle_connection_seconds: Annotated[float, Field(gt=0, le=3600)] = 75  # more than what proxies before it keep one
    drain_grace_seconds: Annotated[float, Field(ge=0, le=60)] = 0  # a load balancer's time to notice readiness

    @property
    def path_prefix(self) -> str:
        """What a proxy takes off each path, and each link has before it: ``/autograph``, or empty."""
        return "" if self.public_url is None else urlsplit(self.public_url.get_secret_value()).path.rstrip("/")

    @property
    def is_public_over_tls(self) -> bool:
        return self.public_url is not None and self.public_url.scheme == "https"
