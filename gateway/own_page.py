"""Accepts cookies, and only from the page that this gateway serves.

A page of another origin can make a browser send cookies along. SameSite keeps other sites out, but another port of the
same host is the same site. So a cookie counts only if the browser says that a page of this very origin asks
(Fetch Metadata, or the Origin header of browsers that lack it), and for all but GET and HEAD only with a header of our
own, which other origins may not send without a preflight that the gateway never grants.
"""

from typing import Final

from aiohttp import web

from contracts.sealed import MAX_CHARACTERS
from gateway.origin import OwnOrigin
from gateway.problems import HttpProblem

# "__Host-": Secure, Path=/ and no Domain, which browsers enforce (RFC 6265bis 4.1.3.2).
ACCESS_COOKIE: Final = "__Host-autograph"
RENEWAL_COOKIE: Final = "__Host-autograph-renewal"
PAGE_HEADER: Final = "X-AutoGraph-Page"
# Before the refresh token: whether the cookie outlives the browser, which does not send what it knows of that.
REMEMBERED, NOT_REMEMBERED = "1.", "0."
_SAFE_METHODS = ("GET", "HEAD")


class OwnPage:
    def __init__(self, origin: OwnOrigin) -> None:
        self._origin = origin

    def check(self, http: web.Request) -> None:
        """Raises ``HttpProblem`` (403) unless a page of our own origin sent the request."""
        site = http.headers.get("Sec-Fetch-Site")
        is_own = site == "same-origin" if site else http.headers.get("Origin") == self._origin.of(http)
        if not is_own or (http.method not in _SAFE_METHODS and PAGE_HEADER not in http.headers):
            raise HttpProblem("not_from_page")

    def access_token(self, http: web.Request) -> str | None:
        """The access token in the request's cookie, if it has one. Raises ``HttpProblem`` (403)."""
        if "Cookie" not in http.headers:
            return None
        token = http.cookies.get(ACCESS_COOKIE)
        if token is not None:
            self.check(http)
        return token


def refresh_token(http: web.Request) -> str:
    """The refresh token in the request's cookie. Raises ``HttpProblem`` (401)."""
    kept = http.cookies.get(RENEWAL_COOKIE, "")
    if not kept.startswith((REMEMBERED, NOT_REMEMBERED)) or len(kept) > MAX_CHARACTERS:
        raise HttpProblem("unauthenticated")
    return kept[len(REMEMBERED) :]


def is_remembered(http: web.Request) -> bool:
    """Whether the renewal cookie outlives the browser."""
    return http.cookies.get(RENEWAL_COOKIE, "").startswith(REMEMBERED)
