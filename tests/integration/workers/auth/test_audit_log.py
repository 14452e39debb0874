"""The audit log: each event once, in an unbroken chain, with who and where and without what is private."""

import asyncio

import pytest
from pydantic_core import to_json
from uuid_utils.compat import uuid7

from chassis.unit_of_work import AlreadyHandled
from contracts.auth.sessions import InvalidCredentials, SessionEnded
from contracts.catalogue import BY_WIRE_NAME, SUBSCRIPTIONS
from contracts.diagram.diagrams import DiagramTrashed
from contracts.envelope import decode
from tests.integration.workers.auth.scene import Scene, acting
from workers.auth.handlers import handlers


async def hear_all(scene: Scene) -> None:
    """As the broker brings what the relay published."""
    for row in scene.relay.rows:
        envelope, data = decode(row.body)
        await scene.handle(BY_WIRE_NAME[envelope.type].model_validate(data), envelope)


def test_every_event_that_the_service_subscribes_to_is_heard() -> None:
    assert {event.wire_name for event in SUBSCRIPTIONS["auth"]} <= set(handlers.by_wire_name)


async def test_what_a_user_did_stands_in_the_log_with_who_and_where(scene: Scene) -> None:
    user = await scene.register()
    tokens = await scene.sign_in(user.email)
    await scene.sign_out(user, tokens)

    await hear_all(scene)

    rows = await scene.fetch("SELECT * FROM audit_log WHERE actor_id = $1 ORDER BY position", user.id)
    assert [(row["action"], row["subject"], row["device"]) for row in rows] == [
        ("auth.user_registered", f"user/{user.id}", None),
        ("auth.session_started", f"session/{tokens.session_id}", "a browser"),
        ("auth.session_ended", f"session/{tokens.session_id}", "a browser"),
    ]
    assert {(row["actor_kind"], row["outcome"], row["correlation_id"]) for row in rows} == {
        ("user", "succeeded", "c-1")
    }
    assert rows[2]["detail"] == {
        "user_id": str(user.id),
        "session_id": str(tokens.session_id),
        "reason": "signed_out",
    }
    assert user.email not in to_json([row["detail"] for row in rows]).decode()


async def test_an_event_that_is_delivered_again_stands_in_the_log_once(scene: Scene) -> None:
    user = await scene.register()
    event = DiagramTrashed(diagram_id=uuid7(), owner_id=user.id)
    envelope = scene.envelope(event, acting(user))
    await scene.handle(event, envelope)

    with pytest.raises(AlreadyHandled):
        await scene.handle(event, envelope)

    rows = await scene.fetch("SELECT action FROM audit_log WHERE id = $1", envelope.id)
    assert rows == [{"action": "diagram.diagram_trashed"}]


async def test_an_event_of_a_session_that_is_forgotten_is_heard_all_the_same(scene: Scene) -> None:
    user = await scene.register()
    event = SessionEnded(user_id=user.id, session_id=uuid7(), reason="ended")
    envelope = scene.envelope(event, acting(user))

    await scene.handle(event, envelope)

    assert await scene.fetch("SELECT device FROM audit_log WHERE id = $1", envelope.id) == [{"device": None}]


async def test_the_chain_holds_under_concurrent_writers(scene: Scene) -> None:
    user = await scene.register()
    events = [DiagramTrashed(diagram_id=uuid7(), owner_id=user.id) for _ in range(10)]

    outcomes = await asyncio.gather(
        *(scene.handle(event, scene.envelope(event, acting(user))) for event in events),
        *(scene.sign_in(user.email, "wrong password") for _ in range(5)),
        return_exceptions=True,
    )

    assert {type(outcome) for outcome in outcomes} == {type(None), InvalidCredentials}
    [broken] = await scene.fetch("SELECT audit_log_broken_at() AS at")
    assert broken["at"] is None
    [numbers] = await scene.fetch("SELECT count(*), max(position) AS last FROM audit_log")
    assert numbers["count"] == numbers["last"]
