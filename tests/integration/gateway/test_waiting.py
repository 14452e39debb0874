"""What a client is told while a command has no outcome yet: 202, or that nobody knows; and the command's address."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from chassis.bus.ports import QueueFull
from contracts.auth.accounts import GetMe, RegisterUser, User
from contracts.auth.sessions import RefreshTokens, SignIn
from contracts.diagram.diagrams import CreateDiagram, GetDiagram, StaleRevision
from contracts.envelope import Envelope
from contracts.outcome import CommandOutcome, Outcome, outcome_query
from gateway.breaker import FAILURES_TO_OPEN
from tests.integration.gateway.scene import (
    DIAGRAM,
    LONG_AGO,
    SESSION,
    SUMMARY,
    USER,
    Scene,
    access_token,
    as_json,
    open_scene,
    signed_in,
)

DIAGRAMS = "/api/diagrams"
ME = User(id=USER, email="a@b", name=None, roles=("user",), email_verified=False, created_at=LONG_AGO)
PLAN = {"title": "Plan", "type": "canvas"}


async def submit(scene: Scene, **headers: str) -> str:
    """The address of a command that was accepted."""
    async with scene.http.post(DIAGRAMS, json=PLAN, headers=as_json(**headers)) as answer:
        assert answer.status == 202, await answer.text()
        location = answer.headers["Location"]
        assert (await answer.json()) == {"status": "accepted", "command": location}
        assert answer.headers["Retry-After"] == "1"
        return location


async def test_respond_async_waits_for_the_broker_only(scene: Scene) -> None:
    async with scene.http.post(DIAGRAMS, json=PLAN, headers=as_json(Prefer="respond-async, wait=5")) as answer:
        assert answer.status == 202
        assert answer.headers["Preference-Applied"] == "respond-async"
    assert len(scene.sent()) == 1


async def test_who_waits_for_nothing_gets_the_address_at_once(scene: Scene) -> None:
    async with scene.http.post(DIAGRAMS, json=PLAN, headers=as_json(Prefer="wait=0")) as answer:
        assert answer.status == 202
        assert answer.headers["Preference-Applied"] == "wait=0"


async def test_a_client_waits_no_longer_than_it_wants(scene: Scene) -> None:
    never = asyncio.Event()

    async def slowly(_message: Any, _envelope: Envelope) -> Any:
        await never.wait()

    scene.bus.handlers[CreateDiagram] = slowly
    async with scene.http.post(DIAGRAMS, json=PLAN, headers=as_json(Prefer="wait=1")) as answer:
        assert answer.status == 202
        assert answer.headers["Preference-Applied"] == "wait=1"
    # Its impatience says nothing of the worker.
    assert scene.counted("api_gateway_circuit_breaker_failures_total", service="diagram") == 0


async def test_an_answer_in_time_is_the_answer(scene: Scene) -> None:
    scene.on(CreateDiagram, SUMMARY)
    async with scene.http.post(DIAGRAMS, json=PLAN, headers=as_json(Prefer="wait=5")) as answer:
        assert answer.status == 201


async def test_a_deadline_that_passes_gives_202_with_the_address(scene: Scene) -> None:
    scene.bus.answers = True
    location = await submit(scene)  # no handler: confirmed, and no answer
    assert location.startswith("/api/commands/diagram.")


async def test_neither_confirm_nor_reply_says_that_nobody_knows_and_where_to_ask(scene: Scene) -> None:
    scene.bus.confirms = False
    for prefer in ({}, {"Prefer": "respond-async"}, {"Prefer": "wait=1"}):
        async with scene.http.post(DIAGRAMS, json=PLAN, headers=as_json(**prefer)) as answer:
            assert answer.status == 503
            problem = await answer.json(content_type=None)
            assert problem["code"] == "outcome_unknown"
            assert problem["command"] == answer.headers["Location"]
            assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("trouble", ["away", "full"])
async def test_what_the_broker_certainly_has_not_got_is_503_without_an_address(scene: Scene, trouble: str) -> None:
    await scene.http.get("/.well-known/jwks.json")
    scene.on(CreateDiagram, SUMMARY)
    await scene.http.post(DIAGRAMS, json=PLAN, headers=as_json())
    scene.bus.away = trouble == "away"
    scene.bus.full = QueueFull("full") if trouble == "full" else None
    async with scene.http.post("/api/auth/register", json={"email": "a@b", "password": "x"}) as answer:
        assert answer.status == 503
        assert "Location" not in answer.headers
        assert (await answer.json(content_type=None))["code"] == "unavailable"


async def test_a_question_without_an_answer_is_504_and_what_is_worthless_later_503(scene: Scene) -> None:
    status, problem = await scene.problem("GET", f"{DIAGRAMS}/{DIAGRAM}", headers=signed_in())
    assert (status, problem["code"]) == (504, "timeout")
    assert isinstance(scene.sent()[0], GetDiagram)
    status, problem = await scene.problem("POST", "/api/auth/refresh", json={"refresh_token": "r"})
    assert (status, problem["code"]) == (503, "unavailable")
    assert isinstance(scene.sent()[1], RefreshTokens)


async def test_the_address_tells_how_it_ended(scene: Scene) -> None:
    location = await submit(scene)
    command_id = scene.envelopes()[0].id
    ends = [
        (CommandOutcome(outcome=None), {"status": "accepted"}),
        (
            CommandOutcome(outcome=Outcome.succeeded(SUMMARY)),
            {"status": "succeeded", "outcome": SUMMARY.model_dump(mode="json")},
        ),
    ]
    for told, expected in ends:
        scene.on(outcome_query("diagram"), told)
        async with scene.http.get(location, headers=signed_in()) as answer:
            assert (answer.status, await answer.json()) == (200, expected)
    assert [query.command_id for query in scene.sent()[1:]] == [command_id] * 2
    assert scene.envelopes()[1].actor.key == scene.envelopes()[0].actor.key


async def test_the_address_tells_why_it_failed(scene: Scene) -> None:
    location = await submit(scene)
    refused = Outcome.refused(StaleRevision(current_revision=7))
    for outcome, code, status in (
        (refused, "stale_revision", 412),
        (Outcome.failed("parked", "Parked"), "parked", 500),
    ):
        scene.on(outcome_query("diagram"), CommandOutcome(outcome=outcome))
        async with scene.http.get(location, headers=signed_in()) as answer:
            document = await answer.json()
        assert document["status"] == "failed"
        assert (document["problem"]["code"], document["problem"]["status"]) == (code, status)


async def test_while_its_worker_is_away_a_command_is_accepted(scene: Scene) -> None:
    location = await submit(scene)  # nobody answers the query for its outcome
    async with scene.http.get(location, headers=signed_in()) as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "accepted"})


async def test_an_address_is_its_senders_only(scene: Scene) -> None:
    location = await submit(scene)
    scene.on(outcome_query("diagram"), CommandOutcome(outcome=None))
    another = UUID(int=77)
    scene.sessions[another] = scene.sessions[SESSION].model_copy(update={"session_id": another, "user_id": SESSION})
    theirs = {"Authorization": f"Bearer {access_token(sub=str(SESSION), sid=str(another))}"}
    worker, identity, mac = location.removeprefix("/api/commands/").split(".")
    other_id = f"{identity[:-1]}{'0' if identity[-1] != '0' else '1'}"
    other_mac = f"{'A' if mac[0] != 'A' else 'B'}{mac[1:]}"
    sent = len(scene.sent())
    for path, headers in (
        (location, theirs),
        (location, {}),
        (f"/api/commands/auth.{identity}.{mac}", signed_in()),
        (f"/api/commands/{worker}.{other_id}.{mac}", signed_in()),
        (f"/api/commands/{worker}.{identity}.{other_mac}", signed_in()),
        (f"/api/commands/{identity}", signed_in()),
        ("/api/commands/%00", signed_in()),
    ):
        status, problem = await scene.problem("GET", path, headers=headers)
        assert (status, problem["code"]) == (404, "not_found"), path
    assert len(scene.sent()) == sent


async def test_another_gateway_of_the_installation_knows_the_address(scene: Scene) -> None:
    location = await submit(scene)
    async with open_scene() as other:
        other.on(outcome_query("diagram"), CommandOutcome(outcome=None))
        async with other.http.get(location, headers=signed_in()) as answer:
            assert answer.status == 200
    async with open_scene(gateway_secret="a secret of another installation's") as foreign:
        assert (await foreign.problem("GET", location, headers=signed_in()))[0] == 404


async def test_an_address_older_than_what_is_kept_is_gone(scene: Scene) -> None:
    command_id, actor = UUID(int=5), None
    await submit(scene)
    actor = scene.envelopes()[0].actor
    signer = scene.gateway.signer
    for age, expected in ((timedelta(days=6, hours=23), 200), (timedelta(days=7, minutes=1), 410)):
        issued = signer.clock() - age.total_seconds()
        address = signer.address("diagram", command_id, actor, now=issued)
        async with scene.http.get(f"/api/commands/{address}", headers=signed_in()) as answer:
            assert answer.status == expected


async def test_who_is_not_signed_in_asks_for_a_registration_by_its_address(scene: Scene) -> None:
    document = {"email": "a@b", "password": "correct horse"}
    async with scene.http.post("/api/auth/register", json=document, headers={"Prefer": "respond-async"}) as answer:
        assert answer.status == 202
        location = answer.headers["Location"]
    assert isinstance(scene.sent()[0], RegisterUser)
    scene.on(outcome_query("auth"), CommandOutcome(outcome=None))
    async with scene.http.get(location) as answer:
        assert answer.status == 200


async def test_sign_ins_that_wait_too_long_keep_nobody_else_from_the_auth_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SignIn, "timeout", timedelta(milliseconds=20))
    async with open_scene(sign_in_attempts=0) as scene:
        scene.on(GetMe, ME)

        async def late(_message: Any, _envelope: Any) -> Any:
            await asyncio.Event().wait()

        scene.bus.handlers[SignIn] = late
        for number in range(FAILURES_TO_OPEN):
            document = {"email": f"{number}@b", "password": "correct horse"}
            async with scene.http.post("/api/auth/login", json=document) as answer:
                assert answer.status == 503
        async with scene.http.get("/api/auth/me", headers=signed_in()) as answer:
            assert answer.status == 200
        opened = {
            part: scene.counted("api_gateway_circuit_breaker_failures_total", service=part)
            for part in ("auth", "auth.passwords")
        }
    assert opened == {"auth": 0, "auth.passwords": FAILURES_TO_OPEN}
