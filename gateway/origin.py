"""The origin under which clients see this installation (RFC 6454)."""

from urllib.parse import urlsplit

from aiohttp import web

from gateway.settings import GatewaySettings


class OwnOrigin:
    """The origin of ``AUTOGRAPH_PUBLIC_URL``; without it that of the request, whose TLS may end at a proxy in front."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._public = None
        if settings.public_url is not None:
            parts = urlsplit(settings.public_url.get_secret_value())
            self._public = f"{parts.scheme}://{parts.netloc}"

    def of(self, http: web.Request) -> str:
        return self._public or f"{http.scheme}://{http.host}"
