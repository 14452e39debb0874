"""What a delivery means, on a real inbox and outbox."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from chassis.bus import headers
from chassis.bus.dead_letters import SAFE_TO_READ_BYTES
from chassis.bus.handling import CLOCK_SKEW
from chassis.bus.ports import NotPublished, QueueFull
from chassis.database import DatabaseUnavailable
from chassis.failures import RUNGS
from contracts.outcome import Status
from contracts.refusal import Forbidden, Invalid, Refusal
from tests.integration.chassis.bus.scene import (
    USER,
    Knock,
    Look,
    NoSuchColour,
    Paint,
    PictureHung,
    Scene,
    again,
    delivery_of,
    envelope_of,
)

RED = Paint(colour="red")


def raises(error: Exception) -> None:
    raise error


async def test_a_command_is_carried_out_invalidated_and_then_told(scene: Scene) -> None:
    await scene.deliver(delivery_of(RED))

    assert await scene.pictures() == 1
    assert scene.happened == ["invalidated wall/1", "handed to the relay", "published autograph.replies"]
    [outcome] = scene.letters.replies()
    assert (outcome.status, outcome.replayed) == (Status.SUCCEEDED, False)
    assert await scene.outbox() == 1


async def test_a_reply_goes_to_the_asker_under_its_own_correlation_id(scene: Scene) -> None:
    delivery = delivery_of(RED)

    await scene.deliver(delivery)

    [outgoing] = scene.letters.to("autograph.replies")
    assert (outgoing.routing_key, outgoing.correlation_id) == (delivery.reply_to, delivery.correlation_id)


async def test_a_refusal_is_a_line_that_says_to_whom_and_why(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.tools.first = lambda: raises(NoSuchColour("really"))

    await scene.deliver(delivery_of(RED))

    [line] = [line for line in capsys.readouterr().out.splitlines() if "message_refused" in line]
    assert NoSuchColour.code in line
    assert USER.key in line


@pytest.mark.parametrize(("refusal", "is_declared"), [(NoSuchColour(), True), (Invalid(), True), (Forbidden(), False)])
async def test_a_refusal_that_the_contract_does_not_declare_is_told_and_is_an_error_in_the_log(
    scene: Scene, capsys: pytest.CaptureFixture[str], refusal: Refusal, *, is_declared: bool
) -> None:
    def refuse() -> None:
        raise refusal

    scene.tools.first = refuse

    await scene.deliver(delivery_of(RED))

    [reply] = scene.letters.replies()
    assert reply.problem == refusal.problem()
    logged = [line for line in capsys.readouterr().out.splitlines() if "undeclared_refusal" in line]
    assert len(logged) == (0 if is_declared else 1)
    assert all(refusal.code in line and "error" in line for line in logged)


async def test_a_redelivered_command_has_one_effect_and_the_same_outcome(scene: Scene) -> None:
    delivery = delivery_of(RED)

    await scene.deliver(delivery)
    await scene.deliver(again(delivery))

    assert await scene.pictures() == 1
    assert await scene.outbox() == 1
    first, second = scene.letters.replies()
    assert first == second


async def test_a_duplicates_outcome_is_told_only_after_its_caches_were_invalidated(scene: Scene) -> None:
    delivery = delivery_of(RED)
    await scene.deliver(delivery)
    scene.happened.clear()

    await scene.deliver(again(delivery))

    assert scene.happened == ["invalidated wall/1", "published autograph.replies"]


async def test_a_callers_repeat_is_marked_as_replayed(scene: Scene) -> None:
    delivery = delivery_of(RED, envelope_of(RED, fingerprint="f"))

    await scene.deliver(delivery)
    await scene.deliver(delivery)

    assert [outcome.replayed for outcome in scene.letters.replies()] == [False, True]


async def test_concurrent_deliveries_of_one_command_have_one_effect_and_one_outcome(scene: Scene) -> None:
    delivery = delivery_of(RED)

    await asyncio.gather(*(scene.deliver(again(delivery)) for _ in range(10)))

    assert await scene.pictures() == 1
    outcomes = scene.letters.replies()
    assert len(outcomes) == 10
    assert all(outcome == outcomes[0] for outcome in outcomes)


async def test_the_same_key_with_another_request_is_refused_and_changes_nothing(scene: Scene) -> None:
    first = envelope_of(RED, fingerprint="one")

    await scene.deliver(delivery_of(RED, first))
    await scene.deliver(delivery_of(Paint(colour="blue"), first.model_copy(update={"fingerprint": "two"})))

    assert await scene.pictures() == 1
    problem = scene.letters.replies()[1].problem
    assert problem is not None
    assert problem.code == "idempotency_key_reused"


async def test_one_actor_cannot_take_the_id_of_another(scene: Scene) -> None:
    first = envelope_of(RED)
    other = first.actor.model_copy(update={"id": envelope_of(RED).id})

    await scene.deliver(delivery_of(RED, first))
    await scene.deliver(delivery_of(RED, first.model_copy(update={"actor": other})))

    assert await scene.pictures() == 2


@pytest.mark.parametrize("when", ["before the transaction", "within it"])
async def test_a_refusal_changes_and_announces_nothing_and_is_repeated(scene: Scene, when: str) -> None:
    delivery = delivery_of(RED)
    if when == "within it":
        scene.tools.after = lambda: raises(NoSuchColour("really"))
    else:
        scene.tools.first = lambda: raises(NoSuchColour("really"))
    await scene.deliver(delivery)
    scene.tools.first = scene.tools.after = lambda: None

    await scene.deliver(again(delivery))

    assert await scene.pictures() == 0
    assert await scene.outbox() == 0
    first, second = scene.letters.replies()
    assert first == second
    assert first.problem is not None
    assert (first.problem.code, first.problem.detail) == ("no_such_colour", "really")


async def test_a_transient_failure_goes_to_the_next_rung_with_its_origin(scene: Scene) -> None:
    scene.tools.after = lambda: raises(asyncpg.DeadlockDetectedError("deadlock"))

    await scene.deliver(delivery_of(RED))

    [outgoing] = scene.letters.published
    assert (outgoing.exchange, outgoing.routing_key) == ("autograph.retry", "diagram.commands")
    assert outgoing.headers == {
        headers.RUNG: "1s",
        headers.ATTEMPT: 2,
        headers.ORIGINAL_USER: "autograph-gateway",
        headers.ORIGINAL_ROUTING_KEY: "diagram.paint",
    }
    assert await scene.pictures() == 0


async def test_after_the_last_rung_a_command_is_parked_and_its_failure_told(scene: Scene) -> None:
    scene.tools.after = lambda: raises(asyncpg.DeadlockDetectedError("deadlock"))
    delivery = delivery_of(RED)
    copy = delivery._replace(
        user_id="autograph-diagram",
        routing_key="diagram.commands",
        headers={
            headers.ORIGINAL_USER: "autograph-gateway",
            headers.ORIGINAL_ROUTING_KEY: "diagram.paint",
            headers.ATTEMPT: len(RUNGS) + 1,
        },
    )

    await scene.deliver(copy)

    [parked] = scene.letters.to("autograph.parked")
    assert parked.body == delivery.body
    assert parked.headers[headers.PARKED_REASON] == "transient"
    [outcome] = scene.letters.replies()
    assert outcome.status is Status.FAILED

    scene.tools.after = lambda: None
    await scene.deliver(again(delivery))  # a redrive, or the caller's repeat, runs it after all
    assert await scene.pictures() == 1
    assert scene.letters.replies()[-1].status is Status.SUCCEEDED


async def test_a_bug_is_tried_twice_more_and_then_parked_without_its_text(scene: Scene) -> None:
    scene.tools.after = lambda: raises(RuntimeError("hunter2"))
    delivery = delivery_of(RED)
    marks = {headers.ORIGINAL_USER: "autograph-gateway", headers.ORIGINAL_ROUTING_KEY: "diagram.paint"}

    for attempt in (1, 2, 3):
        await scene.deliver(delivery._replace(user_id="autograph-diagram", headers={**marks, headers.ATTEMPT: attempt}))

    assert [outgoing.headers[headers.RUNG] for outgoing in scene.letters.to("autograph.retry")] == ["1s", "10s"]
    [parked] = scene.letters.to("autograph.parked")
    assert parked.headers[headers.PARKED_REASON] == "bug"
    assert "hunter2" not in str(parked.headers)


async def test_what_a_full_parking_lot_does_not_take_comes_again_and_nobody_is_told_that_it_failed(
    scene: Scene,
) -> None:
    scene.tools.after = lambda: raises(asyncpg.DeadlockDetectedError("deadlock"))
    scene.letters.full = {"autograph.parked"}
    delivery = delivery_of(RED)
    marks = {headers.ORIGINAL_USER: "autograph-gateway", headers.ORIGINAL_ROUTING_KEY: "diagram.paint"}
    last = delivery._replace(user_id="autograph-diagram", headers={**marks, headers.ATTEMPT: len(RUNGS) + 1})

    await scene.deliver(last)

    [copy] = scene.letters.published
    assert (copy.exchange, copy.routing_key, copy.body) == ("autograph.retry", "diagram.commands", delivery.body)
    assert copy.headers == {headers.RUNG: "1m", headers.ATTEMPT: len(RUNGS) + 1, **marks}
    scene.letters.full = set()
    await scene.deliver(last)
    assert len(scene.letters.to("autograph.parked")) == 1
    assert [outcome.status for outcome in scene.letters.replies()] == [Status.FAILED]


async def test_what_nobody_can_read_stays_in_its_queue_while_the_parking_lot_is_full(scene: Scene) -> None:
    scene.letters.full = {"autograph.parked"}

    with pytest.raises(QueueFull):
        await scene.deliver(delivery_of(RED)._replace(body=b"\xff{"))

    assert scene.letters.published == []


async def test_what_a_producer_sent_and_nobody_can_read_is_kept_apart_from_what_was_accepted(scene: Scene) -> None:
    await scene.deliver(delivery_of(RED)._replace(body=b"\xff{", queue="diagram.commands.producers"))

    [refused] = scene.letters.published
    assert (refused.exchange, refused.headers[headers.PARKED_REASON]) == ("autograph.refused", "undecodable")


async def test_what_is_parked_again_still_says_who_sent_it_first(scene: Scene) -> None:
    """By a worker too old to know it, again, after it was put back."""
    delivery = delivery_of(RED)
    document = {**json.loads(delivery.body), "type": "autograph.diagram.paint.v9"}
    marks = {headers.ORIGINAL_USER: "autograph-gateway", headers.ORIGINAL_ROUTING_KEY: "diagram.paint"}

    await scene.deliver(
        delivery._replace(
            body=json.dumps(document).encode(), user_id=headers.OPERATOR_USER, routing_key="diagram.commands",
            headers=marks,
        )
    )  # fmt: skip

    [parked] = scene.letters.to("autograph.parked")
    assert {name: parked.headers[name] for name in marks} == marks


async def test_a_delivery_whose_copy_the_broker_does_not_take_is_not_acknowledged(scene: Scene) -> None:
    scene.tools.after = lambda: raises(asyncpg.DeadlockDetectedError("deadlock"))
    scene.letters.broken = True

    with pytest.raises(NotPublished):
        await scene.deliver(delivery_of(RED))


async def test_a_lost_reply_does_not_undo_the_command(scene: Scene) -> None:
    delivery = delivery_of(RED)
    scene.letters.broken = True
    await scene.deliver(delivery)
    scene.letters.broken = False

    await scene.deliver(again(delivery))

    assert await scene.pictures() == 1
    assert [outcome.status for outcome in scene.letters.replies()] == [Status.SUCCEEDED]


async def test_an_outage_holds_a_command_and_burns_no_attempt(scene: Scene) -> None:
    scene.probe_raises = DatabaseUnavailable("down")
    scene.tools.first = lambda: raises(DatabaseUnavailable("down"))
    delivering = asyncio.create_task(scene.deliver(delivery_of(RED)))
    async with asyncio.timeout(5):
        await scene.probed.wait()
    assert not scene.gate.is_open
    assert not delivering.done()

    scene.tools.first = lambda: None
    scene.probe_raises = None
    async with asyncio.timeout(5):
        await delivering

    assert await scene.pictures() == 1
    assert scene.letters.to("autograph.retry") == []


async def test_a_query_during_an_outage_is_answered_at_once(scene: Scene) -> None:
    scene.tools.first = lambda: raises(DatabaseUnavailable("down"))

    await scene.deliver(delivery_of(Look()))

    problem = scene.letters.replies()[0].problem
    assert problem is not None
    assert problem.code == "unavailable"


@pytest.mark.parametrize("message", [Look(), Knock()])
async def test_what_is_worthless_after_its_deadline_is_dropped(scene: Scene, message: Look | Knock) -> None:
    late = envelope_of(message, deadline=datetime.now(UTC) - CLOCK_SKEW - timedelta(seconds=1))

    await scene.deliver(delivery_of(message, late))

    assert scene.tools.runs == 0
    assert scene.letters.published == []


@pytest.mark.parametrize("message", [Look(), Knock()])
async def test_an_asker_whose_clock_is_seconds_behind_is_answered(scene: Scene, message: Look | Knock) -> None:
    sent_just_now = envelope_of(message, deadline=datetime.now(UTC) - timedelta(seconds=5))

    await scene.deliver(delivery_of(message, sent_just_now))

    assert scene.tools.runs == 1
    assert len(scene.letters.published) == 1


async def test_a_command_past_its_deadline_is_still_carried_out(scene: Scene) -> None:
    late = envelope_of(RED, deadline=datetime.now(UTC) - CLOCK_SKEW - timedelta(seconds=1))

    await scene.deliver(delivery_of(RED, late))

    assert await scene.pictures() == 1


async def test_an_event_is_applied_once_however_often_it_comes(scene: Scene) -> None:
    event = PictureHung(picture=envelope_of(RED).id)
    delivery = delivery_of(event)

    await asyncio.gather(*(scene.deliver(delivery) for _ in range(5)))

    assert await scene.pictures() == 1
    assert scene.letters.published == []


@pytest.mark.parametrize("when", ["before the transaction", "within it"])
async def test_an_event_whose_subscriber_refuses_it_is_tried_again_parked_and_counted_and_not_lost(
    scene: Scene, when: str
) -> None:
    if when == "within it":
        scene.tools.after = lambda: raises(NoSuchColour("really"))
    else:
        scene.tools.first = lambda: raises(NoSuchColour("really"))
    event = PictureHung(picture=envelope_of(RED).id)
    delivery = delivery_of(event)
    marks = {headers.ORIGINAL_USER: "autograph-diagram", headers.ORIGINAL_ROUTING_KEY: event.routing_key()}

    for attempt in (1, 2, 3):
        await scene.deliver(delivery._replace(headers={**marks, headers.ATTEMPT: attempt}))

    assert [outgoing.headers[headers.RUNG] for outgoing in scene.letters.to("autograph.retry")] == ["1s", "10s"]
    [parked] = scene.letters.to("autograph.parked")
    assert (parked.body, parked.headers[headers.PARKED_REASON]) == (delivery.body, "bug")
    assert scene.settled("picture_hung") == {"retried": 2, "parked": 1}
    scene.tools.first = scene.tools.after = lambda: None
    await scene.deliver(delivery)  # put back
    assert await scene.pictures() == 1


async def test_a_command_that_killed_its_worker_twice_is_parked_and_its_sender_told_without_another_try(
    scene: Scene,
) -> None:
    delivery = again(delivery_of(RED))

    await scene.handling.give_up(delivery)

    assert scene.tools.runs == 0
    [parked] = scene.letters.to("autograph.parked")
    assert (parked.body, parked.headers[headers.PARKED_REASON]) == (delivery.body, "poison")
    assert parked.headers[headers.ORIGINAL_USER] == "autograph-gateway"
    assert parked.headers[headers.FAILURE_NOTIFIED] == 1
    [outcome] = scene.letters.replies()
    assert (outcome.status, outcome.problem and outcome.problem.code) == (Status.FAILED, "parked")
    await scene.deliver(delivery)  # a redrive
    assert await scene.pictures() == 1


async def test_a_command_that_was_done_before_it_killed_is_told_so_and_not_parked(scene: Scene) -> None:
    delivery = delivery_of(RED)
    await scene.deliver(delivery)

    await scene.handling.give_up(again(delivery))

    assert scene.letters.to("autograph.parked") == []
    assert [outcome.status for outcome in scene.letters.replies()] == [Status.SUCCEEDED] * 2


async def test_what_is_so_large_that_it_may_have_killed_by_being_read_is_parked_unread(scene: Scene) -> None:
    for queue in ("diagram.commands", "diagram.commands.producers"):
        body = b"[" * (SAFE_TO_READ_BYTES + 1)
        await scene.handling.give_up(again(delivery_of(RED))._replace(body=body, queue=queue))

    parked = scene.letters.to("autograph.parked")
    assert [outgoing.headers[headers.PARKED_REASON] for outgoing in parked] == ["poison"] * 2
    assert scene.letters.replies() == []


async def test_a_message_that_nobody_can_decode_is_parked_with_its_reason_and_stops_nothing(scene: Scene) -> None:
    await scene.deliver(delivery_of(RED)._replace(body=b"\xff{"))
    await scene.deliver(delivery_of(RED))

    [parked] = scene.letters.to("autograph.parked")
    assert (parked.body, parked.headers[headers.PARKED_REASON]) == (b"\xff{", "undecodable")
    assert await scene.pictures() == 1


async def test_a_program_that_sent_nonsense_is_told_what_is_wrong(scene: Scene) -> None:
    delivery = delivery_of(RED)

    await scene.deliver(delivery._replace(body=delivery.body.replace(b'"red"', b"17")))

    [outcome] = scene.letters.replies()
    assert outcome.problem is not None
    assert outcome.problem.code == "invalid"
    assert [error.pointer for error in outcome.problem.errors] == ["/colour"]
    assert len(scene.letters.to("autograph.parked")) == 1


async def test_a_command_that_is_parked_because_it_does_not_fit_its_contract_has_an_outcome(scene: Scene) -> None:
    """Else its address would say for days that it is under way."""
    envelope = envelope_of(Paint(colour="red"))
    delivery = delivery_of(Paint(colour="red"), envelope)
    document = {**json.loads(delivery.body), "data": {"hue": 7}}  # what a newer gateway sends, say

    await scene.deliver(delivery._replace(body=json.dumps(document).encode()))

    [parked] = scene.letters.to("autograph.parked")
    assert parked.headers[headers.FAILURE_NOTIFIED] == 1
    row = await scene.ledger.find(USER.key, envelope.id)
    assert row is not None
    assert (row.outcome.status, row.outcome.problem and row.outcome.problem.code) == (Status.FAILED, "parked")


async def test_a_command_that_this_release_cannot_read_but_another_carried_out_is_told_that(scene: Scene) -> None:
    envelope = envelope_of(RED)
    await scene.deliver(delivery_of(RED, envelope))
    document = {**json.loads(delivery_of(RED, envelope).body), "data": {"hue": 7}}

    await scene.deliver(delivery_of(RED, envelope)._replace(body=json.dumps(document).encode(), redelivered=True))

    first, again = scene.letters.replies()
    assert (first.status, again.status) == (Status.SUCCEEDED, Status.SUCCEEDED)
    assert await scene.pictures() == 1


async def test_an_unreadable_command_under_anothers_id_is_not_told_that_ones_outcome(scene: Scene) -> None:
    first = envelope_of(RED).model_copy(update={"fingerprint": "one"})
    await scene.deliver(delivery_of(RED, first))
    other = delivery_of(RED, first.model_copy(update={"fingerprint": "another"}))
    document = {**json.loads(other.body), "data": {"hue": 7}}

    await scene.deliver(other._replace(body=json.dumps(document).encode()))

    _, told = scene.letters.replies()
    assert told.problem is not None
    assert (told.status, told.problem.code) == (Status.REFUSED, "idempotency_key_reused")
