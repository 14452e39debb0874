"""The public API as one table, from which ``docs/openapi.json`` is generated."""

from collections.abc import Callable
from typing import Any

from contracts import auth, diagram
from contracts.catalogue import REQUESTS
from contracts.message import Request
from contracts.refusal import Forbidden
from gateway.endpoint import Cached, Endpoint

DIAGRAM = "/api/diagrams/{id}"
OF_SIGN_IN = frozenset({"device", "address"})
SEES = (Forbidden, diagram.DiagramNotFound)
CHANGES = (*SEES, diagram.StaleRevision)

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(method="POST", path="/api/auth/register", request=auth.RegisterUser, success=201, public=True,
             refusals=(auth.EmailTaken, auth.PasswordTooShort, auth.PasswordTooLong, auth.PasswordTooCommon,
                       auth.RegistrationClosed),
             summary="Create an account"),
    Endpoint(method="POST", path="/api/auth/login", request=auth.SignIn, public=True, set_by_edge=OF_SIGN_IN,
             attempts_on="email", no_idempotency=True, refusals=(auth.InvalidCredentials, auth.SessionEndedAlready),
             summary="Sign in"),
    Endpoint(method="POST", path="/api/auth/refresh", request=auth.RefreshTokens, public=True, no_idempotency=True,
             refusals=(auth.InvalidRefreshToken,), summary="Exchange a refresh token for the next pair of tokens"),
    Endpoint(method="POST", path="/api/auth/logout", request=auth.SignOut, success=204,
             refusals=(Forbidden, auth.SessionNotFound), summary="End this session"),
    Endpoint(method="POST", path="/api/auth/logout-all", request=auth.SignOutEverywhere, success=204,
             refusals=(Forbidden, auth.UserNotFound), summary="End all sessions of the caller"),
    Endpoint(method="GET", path="/api/auth/me", request=auth.GetMe, refusals=(Forbidden, auth.UserNotFound),
             summary="Get the caller's profile"),
    Endpoint(method="PATCH", path="/api/auth/me", request=auth.ChangeProfile, refusals=(Forbidden, auth.UserNotFound),
             summary="Change the caller's profile"),
    Endpoint(method="GET", path="/api/auth/sessions", request=auth.ListSessions, refusals=(Forbidden,),
             summary="List the caller's sessions"),
    Endpoint(method="DELETE", path="/api/auth/sessions/{session_id}", request=auth.EndSession, success=204,
             refusals=(Forbidden, auth.SessionNotFound), summary="End one of the caller's sessions"),

    Endpoint(method="POST", path="/api/diagrams", request=diagram.CreateDiagram, success=201, etag="revision",
             location=DIAGRAM, refusals=(Forbidden,), summary="Create a diagram"),
    Endpoint(method="GET", path="/api/diagrams", request=diagram.ListDiagrams,
             compressed=True, refusals=(Forbidden, diagram.InvalidCursor),
             summary="List the caller's diagrams, a page at a time"),
    Endpoint(method="GET", path=DIAGRAM, request=diagram.GetDiagram, etag="revision", refusals=SEES,
             cached=Cached("diagram/{id}", seconds=300), compressed=True, summary="Get a diagram with its content"),
    Endpoint(method="PATCH", path=DIAGRAM, request=diagram.ChangeDiagram, etag="revision", if_match=True,
             refusals=(*CHANGES, diagram.RevisionRequired, diagram.InTrash),
             summary="Change a diagram; a change of content makes the next version"),
    Endpoint(method="DELETE", path=DIAGRAM, when=("permanent", False), request=diagram.TrashDiagram, success=204,
             if_match=True, refusals=CHANGES,
             summary="Put a diagram in the trash, or with permanent=true delete it for good"),
    Endpoint(method="DELETE", path=DIAGRAM, when=("permanent", True), request=diagram.DeleteDiagram, success=204,
             if_match=True, refusals=CHANGES),
    Endpoint(method="POST", path=f"{DIAGRAM}/restore", request=diagram.RestoreDiagram, etag="revision",
             if_match=True, refusals=(*CHANGES, diagram.NotInTrash), summary="Restore a diagram from the trash"),
    Endpoint(method="GET", path=f"{DIAGRAM}/versions", request=diagram.ListVersions, compressed=True,
             refusals=(*SEES, diagram.InvalidCursor), summary="List a diagram's versions, newest first"),
    Endpoint(method="GET", path=f"{DIAGRAM}/versions/{{number}}", request=diagram.GetVersion, compressed=True,
             refusals=(*SEES, diagram.VersionNotFound), summary="Get a version with its content"),
)  # fmt: skip

# The query for the outcome of a command, by worker: each worker answers one of this name.
OUTCOMES: dict[str, Callable[..., Request[Any]]] = {
    request.worker(): request for request in REQUESTS if request.action() == "get_command"
}
