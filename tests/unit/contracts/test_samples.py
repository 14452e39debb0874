"""Golden samples: what was once published can be read for ever."""

from pathlib import Path

import pytest
from pydantic_core import from_json

import contracts
from contracts.catalogue import BY_WIRE_NAME
from contracts.envelope import decode, encode

SAMPLES = sorted((Path(contracts.__file__).parent / "samples").glob("*.json"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_published_message_is_still_read_and_written_the_same(sample: Path) -> None:
    envelope, data = decode(sample.read_bytes())
    message = BY_WIRE_NAME[envelope.type].model_validate(data, extra="forbid")

    assert from_json(encode(envelope, message)) == from_json(sample.read_bytes())


def test_every_field_of_every_message_stands_in_a_sample() -> None:
    published: dict[str, set[str]] = {}
    for sample in SAMPLES:  # a later optional field comes with a sample beside the first, which never changes
        document = from_json(sample.read_bytes())
        published.setdefault(document["type"], set()).update(document["data"])

    fields = {name: set(message.model_fields) for name, message in BY_WIRE_NAME.items()}
    lacking = {
        f"contracts/samples/{name}.json": sorted(wanted - published.get(name, set()))
        for name, wanted in fields.items()
        if name not in published or wanted - published[name]
    }
    assert lacking == {}, "write these samples (of a new field: beside the first, <wire name>.<what is new>.json)"
    assert published == fields
