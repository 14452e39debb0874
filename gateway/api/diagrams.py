"""Rows of diagrams and their versions."""

from contracts.diagram import diagrams, versions
from gateway.endpoint import Endpoint

DIAGRAM = "/api/diagrams/{id}"
VERSION = f"{DIAGRAM}/versions/{{number}}"

ROWS: tuple[Endpoint, ...] = (
    Endpoint(method="POST", path="/api/diagrams", request=diagrams.CreateDiagram, success=201, etag="revision",
             location=DIAGRAM, summary="Create a diagram"),
    Endpoint(method="GET", path="/api/diagrams", request=diagrams.ListDiagrams, compressed=True,
             summary="List the caller's diagrams, a page at a time"),
    Endpoint(method="GET", path=DIAGRAM, request=diagrams.GetDiagram, etag="revision",
             cached_seconds=300, compressed=True, summary="Get a diagram with its content"),
    Endpoint(method="PATCH", path=DIAGRAM, request=diagrams.ChangeDiagram, etag="revision", if_match=True,
             summary="Change a diagram; a change of content makes the next version"),
    Endpoint(method="DELETE", path=DIAGRAM, when=("permanent", False), request=diagrams.TrashDiagram, success=204,
             if_match=True, summary="Put a diagram in the trash, or with permanent=true delete it for good"),
    Endpoint(method="DELETE", path=DIAGRAM, when=("permanent", True), request=diagrams.DeleteDiagram, success=204,
             if_match=True),
    Endpoint(method="POST", path=f"{DIAGRAM}/restore", request=diagrams.RestoreDiagram, etag="revision",
             if_match=True, summary="Restore a diagram from the trash"),
    Endpoint(method="POST", path=f"{DIAGRAM}/views", request=diagrams.ViewDiagram, success=204, no_idempotency=True,
             summary="Say that a person has opened the diagram, which puts it among the recent ones"),
    Endpoint(method="GET", path=f"{DIAGRAM}/versions", request=versions.ListVersions, compressed=True,
             summary="List a diagram's versions, newest first"),
    Endpoint(method="GET", path=VERSION, request=versions.GetVersion, compressed=True,
             summary="Get a version with its content"),
    Endpoint(method="POST", path=f"{DIAGRAM}/versions", request=versions.CreateVersion, if_match=True,
             summary="Make the present content a version of its own, with a label if given"),
    Endpoint(method="PATCH", path=VERSION, request=versions.ChangeVersion,
             summary="Change a version's label or description; its content never changes"),
    Endpoint(method="POST", path=f"{VERSION}/restore", request=versions.RestoreVersion, etag="revision",
             if_match=True, summary="Make the next version with the content of an old one"),
)  # fmt: skip
