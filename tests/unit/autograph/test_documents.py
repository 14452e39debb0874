"""The documents that follow from the code hang together."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from autograph import asyncapi
from autograph.generate import DOCS, generate
from contracts.catalogue import MESSAGES, REQUESTS
from gateway import openapi


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def resolve(document: Any, reference: str) -> Any:
    found = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


@pytest.mark.parametrize("document", [asyncapi.document(), openapi.document()], ids=["asyncapi", "openapi"])
def test_every_reference_leads_somewhere(document: Any) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        assert resolve(document, reference), reference


def test_every_message_has_a_channel_and_an_operation_and_every_request_a_reply() -> None:
    document = asyncapi.document()
    described = {message["name"] for message in document["components"]["messages"].values()}
    assert {message.wire_name for message in MESSAGES} <= described
    for message in MESSAGES:
        operation = document["operations"][message.wire_name.removeprefix("autograph.")]
        assert operation["action"] == ("receive" if message in REQUESTS else "send")
        assert ("reply" in operation) is (message in REQUESTS)
        channel = resolve(document, operation["channel"]["$ref"])
        assert channel["address"] == message.routing_key()
        for reference in (one["$ref"] for one in operation["messages"]):
            assert resolve(document, resolve(document, reference)["$ref"])["name"] == message.wire_name


def test_on_the_bus_a_secret_is_a_box_and_at_the_edge_a_password() -> None:
    on_the_bus = asyncapi.document()["components"]["schemas"]["SignIn"]["properties"]["password"]
    assert set(on_the_bus["properties"]) == {"key", "box"}
    at_the_edge = openapi.document()["components"]["schemas"]["SignIn"]["properties"]["password"]
    assert at_the_edge["format"] == "password"


def test_the_committed_documents_follow_from_the_code() -> None:
    generate(check=True)
    assert yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8")) == asyncapi.document()


def test_a_document_that_does_not_follow_any_more_is_named(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograph.generate.DOCS", tmp_path)
    with pytest.raises(SystemExit, match=r"openapi\.json, .*asyncapi\.yaml"):
        generate(check=True)
    generate()
    generate(check=True)
    (tmp_path / "openapi.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"openapi\.json does not follow"):
        generate(check=True)
