"""The envelope on the wire."""

import gc
import weakref
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from contracts import envelope as envelope_module
from contracts.envelope import Actor, ActorKind, Envelope, decode, encode
from contracts.message import Command

actors = st.builds(
    Actor,
    kind=st.sampled_from(ActorKind),
    id=st.uuids(),
    session_id=st.none() | st.uuids(),
    name=st.none() | st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True),
    roles=st.lists(st.sampled_from(["user", "admin"]), unique=True).map(tuple),
    scopes=st.lists(st.sampled_from(["read", "write"]), unique=True).map(tuple),
)


class Change(Command[None]):
    wire_name: ClassVar[str] = "autograph.easel.change.v1"

    title: str | None = None
    note: str | None = None


def envelope(actor: Actor) -> Envelope:
    return Envelope(
        id=UUID(int=7),
        source="/gateway",
        type=Change.wire_name,
        sequence=12,
        time=datetime(2026, 1, 1, tzinfo=UTC),
        correlationid="c-1",
        actor=actor,
    )


@given(actors)
def test_an_actor_survives_the_wire(actor: Actor) -> None:
    assert Actor.parse(str(actor)) == actor


def test_the_same_user_with_other_rights_is_written_otherwise() -> None:
    anna = Actor(kind=ActorKind.USER, id=UUID(int=1), session_id=UUID(int=2), roles=("user",), scopes=("read",))
    others = [
        anna.model_copy(update={"kind": ActorKind.API_KEY}),
        anna.model_copy(update={"session_id": UUID(int=3)}),
        anna.model_copy(update={"name": "anna"}),
        anna.model_copy(update={"roles": ("user", "admin")}),
        anna.model_copy(update={"scopes": ("read", "write")}),
    ]

    assert len({str(actor) for actor in (anna, *others)}) == 1 + len(others)
    assert [Actor.parse(str(actor)) for actor in others] == others


@pytest.mark.parametrize("text", ["", "user", "user/", "nobody/0192", "user/not-a-uuid", "user/x?roles"])
def test_what_is_no_actor_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError is the promise
        Actor.parse(text)


@given(actors)
def test_attributes_are_scalars_and_come_back(actor: Actor) -> None:
    body = encode(envelope(actor), Change(title=None))
    document = from_json(body)

    assert all(isinstance(value, str) for name, value in document.items() if name != "data")
    assert document["sequence"] == "00000000000000000012"
    assert decode(body) == (envelope(actor), {"title": None})  # absent is not null: no note


@pytest.mark.parametrize("body", [b"[]", b"1", b"{", b"\xff", b"{}"])
def test_what_is_no_document_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError is the promise
        decode(body)


def test_an_actor_that_is_long_is_read_and_not_kept() -> None:
    kept = envelope_module._parsed.cache_info().currsize
    actor = Actor(kind=ActorKind.PRODUCER, id=uuid4(), name="x" * envelope_module.MAX_CACHED_CHARACTERS)

    assert envelope_module._actor(str(actor)) == actor
    assert envelope_module._parsed.cache_info().currsize == kept


def test_an_actor_that_says_much_is_not_kept() -> None:
    """A producer's roles and scopes are its own words: each message could bring others, of megabytes."""
    actor = Actor(kind=ActorKind.PRODUCER, id=UUID(int=7), scopes=("x" * 1_000_000,))
    left = weakref.ref(actor)
    assert str(actor).endswith("x" * 1_000)
    del actor
    gc.collect()
    assert left() is None
