"""What the gateway is told from outside."""

from typing import Annotated

from pydantic import Field

from chassis.settings import CommaSeparated, Key, Port, ServiceSettings


class GatewaySettings(ServiceSettings):
    side_port: Port = 9080
    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    http_reuse_port: bool = False  # several gateways on one port of one machine: the kernel gives each its part

    gateway_secret: Key  # signs command addresses and fingerprints; the same for all gateways of an installation

    rate_limit_per_user: Annotated[int, Field(ge=0)] = 100  # a minute; 0: no limit
    rate_limit_per_address: Annotated[int, Field(ge=0)] = 1000
    sign_in_attempts: Annotated[int, Field(ge=0)] = 5  # failed ones, for an account and an address together
    sign_in_window_seconds: Annotated[int, Field(ge=1)] = 900

    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0  # that many last entries of X-Forwarded-For are theirs
    cors_origins: CommaSeparated = ()
    max_body_bytes: Annotated[int, Field(ge=1024, le=32 << 20)] = 10 << 20
    max_concurrent_requests: Annotated[int, Field(ge=1)] = 1000  # carried out; beyond, they are shed with 503
    max_concurrent_requests_per_address: Annotated[int, Field(ge=0)] = 500  # bodies that arrive included; 0: no share
    idle_connection_seconds: Annotated[float, Field(gt=0, le=3600)] = 75  # more than what proxies before it keep one
    drain_grace_seconds: Annotated[float, Field(ge=0, le=60)] = 0  # a load balancer's time to notice readiness
