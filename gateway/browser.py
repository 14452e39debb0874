"""Sign-in for browsers: the tokens of replies move into cookies that no script can read, and leave with the session."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from aiohttp import web
from pydantic_core import to_json

from contracts.auth.sessions import SignIn, SignOut
from gateway.body import read_body
from gateway.edge import CORRELATION
from gateway.endpoint import Endpoint
from gateway.own_page import ACCESS_COOKIE, NOT_REMEMBERED, REMEMBERED, RENEWAL_COOKIE, OwnPage, is_remembered
from gateway.problems import HttpProblem
from gateway.responses import json_response

# Browsers keep no cookie longer (RFC 6265bis 5.5). The session ends earlier, which only the auth worker decides.
REMEMBERED_SECONDS: Final = 400 * 86_400

Answer = Callable[[web.Request], Awaitable[web.Response]]
Handle = Callable[[Sequence[Endpoint], web.Request], Awaitable[web.Response]]


class _Tokens(msgspec.Struct):
    access_token: str
    refresh_token: str
    expires_in: int
    session_id: str


class _RememberMe(msgspec.Struct):
    remember_me: bool = False


_read_tokens = msgspec.json.Decoder(_Tokens).decode
_read_remember_me = msgspec.json.Decoder(_RememberMe).decode


def page_route(handle: Handle, endpoint: Endpoint, own_page: OwnPage) -> Answer:
    """Answers a row that only the page may use: signs in, renews, or signs out."""
    signs_out = endpoint.request is SignOut

    async def answer(http: web.Request) -> web.Response:
        own_page.check(http)
        try:
            response = await handle((endpoint,), http)
        except HttpProblem as problem:
            if problem.status != 401 or endpoint.request is SignIn:  # noqa: PLR2004 - unauthenticated
                raise
            # The session is over. Its cookies would be sent, and refused, for as long as the browser keeps them.
            return _without_cookies(problem.response(http, http[CORRELATION]), clears_storage=signs_out)
        if signs_out:
            return _without_cookies(response, clears_storage=True)
        assert isinstance(response.body, bytes)
        remembers = is_remembered(http)
        if endpoint.request is SignIn:
            remembers = _read_remember_me(await read_body(http, endpoint.request)).remember_me
        return _with_cookies(_read_tokens(response.body), remembers=remembers)

    return answer


def _with_cookies(tokens: _Tokens, *, remembers: bool) -> web.Response:
    response = json_response(200, to_json({"session_id": tokens.session_id, "expires_in": tokens.expires_in}))
    refresh_token = (REMEMBERED if remembers else NOT_REMEMBERED) + tokens.refresh_token
    max_age = REMEMBERED_SECONDS if remembers else None  # None: until the browser is closed
    for name, value in ((ACCESS_COOKIE, tokens.access_token), (RENEWAL_COOKIE, refresh_token)):
        response.set_cookie(name, value, max_age=max_age, path="/", secure=True, httponly=True, samesite="Strict")
    return response


def _without_cookies(response: web.Response, *, clears_storage: bool) -> web.Response:
    for name in (ACCESS_COOKIE, RENEWAL_COOKIE):
        response.del_cookie(name, path="/", secure=True, httponly=True, samesite="Strict")
    if clears_storage:  # drafts and choices of the person who has used this browser
        response.headers["Clear-Site-Data"] = '"storage"'
    return response
