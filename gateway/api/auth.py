"""Rows of accounts and sessions."""

from contracts.auth import accounts, sessions
from gateway.endpoint import Endpoint

OF_SIGN_IN = frozenset({"device", "address"})

ROWS: tuple[Endpoint, ...] = (
    Endpoint(method="POST", path="/api/auth/register", request=accounts.RegisterUser, success=201, public=True,
             summary="Create an account"),
    Endpoint(method="POST", path="/api/auth/login", request=sessions.SignIn, public=True, set_by_edge=OF_SIGN_IN,
             attempts_on="email", no_idempotency=True, summary="Sign in"),
    Endpoint(method="POST", path="/api/auth/refresh", request=sessions.RefreshTokens, public=True, no_idempotency=True,
             summary="Exchange a refresh token for the next pair of tokens"),
    Endpoint(method="POST", path="/api/auth/logout", request=sessions.SignOut, success=204, summary="End this session"),
    Endpoint(method="POST", path="/api/auth/logout-all", request=sessions.SignOutEverywhere, success=204,
             summary="End all sessions of the caller"),
    Endpoint(method="POST", path="/api/auth/page/login", request=sessions.SignIn, public=True, set_by_edge=OF_SIGN_IN,
             attempts_on="email", no_idempotency=True, from_page=True, summary="Sign in from the page, by cookies"),
    Endpoint(method="POST", path="/api/auth/page/refresh", request=sessions.RefreshTokens, public=True,
             set_by_edge=frozenset({"refresh_token"}), no_idempotency=True, from_page=True,
             summary="Renew the page's cookies"),
    Endpoint(method="POST", path="/api/auth/page/logout", request=sessions.SignOut, success=204, from_page=True,
             summary="End the page's session and remove its cookies"),
    Endpoint(method="GET", path="/api/auth/me", request=accounts.GetMe, summary="Get the caller's profile"),
    Endpoint(method="PATCH", path="/api/auth/me", request=accounts.ChangeProfile,
             summary="Change the caller's profile"),
    Endpoint(method="GET", path="/api/auth/sessions", request=sessions.ListSessions,
             summary="List the caller's sessions"),
    Endpoint(method="DELETE", path="/api/auth/sessions/{session_id}", request=sessions.EndSession, success=204,
             summary="End one of the caller's sessions"),
)  # fmt: skip
