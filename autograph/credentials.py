"""Passwords of the services' own users on the servers, derived, so that nothing has to keep them."""

import base64
import hmac


def service_password(installation_secret: str, server: str, service: str) -> str:
    digest = hmac.digest(installation_secret.encode(), f"{server}/{service}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode("ascii")[:32]
