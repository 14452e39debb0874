"""Run by `.venv-clients`: a journey with the client that openapi-python-client has made, as `autograph_client`."""

import sys
from uuid import uuid4

from autograph_client import AuthenticatedClient, Client
from autograph_client.api.auth import register_user, sign_in
from autograph_client.api.diagrams import change_diagram, create_diagram, get_diagram, list_diagrams
from autograph_client.models import (
    ChangeDiagram,
    CreateDiagram,
    CreateDiagramType,
    Diagram,
    DiagramPage,
    DiagramSummary,
    RegisterUser,
    SignIn,
    Tokens,
)
from autograph_client.models.create_diagram_canvas_data_type_0 import CreateDiagramCanvasDataType0

CANVAS = {"elements": [{"id": "a"}]}


def main(url: str) -> None:
    anyone = Client(url)
    email, password = f"{uuid4()}@example.org", "correct horse"
    register_user.sync(client=anyone, body=RegisterUser(email=email, password=password))
    tokens = sign_in.sync(client=anyone, body=SignIn(email=email, password=password))
    assert isinstance(tokens, Tokens), tokens
    anna = AuthenticatedClient(url, tokens.access_token)

    canvas = CreateDiagramCanvasDataType0.from_dict(CANVAS)
    made = create_diagram.sync(
        client=anna, body=CreateDiagram(title="Plan", type_=CreateDiagramType.CANVAS, canvas_data=canvas)
    )
    assert isinstance(made, DiagramSummary), made
    renamed = change_diagram.sync_detailed(made.id, client=anna, body=ChangeDiagram(title="New"), if_match='"1"')
    assert renamed.status_code == 200, renamed
    read = get_diagram.sync(made.id, client=anna)
    assert isinstance(read, Diagram), read
    # What the change left out stayed.
    assert (read.title, read.canvas_data.to_dict(), read.tags) == ("New", CANVAS, []), read
    listed = list_diagrams.sync(client=anna)
    assert isinstance(listed, DiagramPage), listed
    assert [one.title for one in listed.items] == ["New"], listed


main(sys.argv[1])
