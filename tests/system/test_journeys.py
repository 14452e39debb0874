"""What a user does, from the first visit to signing out."""

import asyncio

from tests.eventually import eventually
from tests.system.client import PASSWORD, Client, client


async def test_a_person_signs_up_keeps_a_diagram_and_signs_out(gateway: str) -> None:
    async with client(gateway) as person:
        registered = await person.register()
        assert (registered.status, registered.body["email"]) == (201, person.email)
        await person.sign_in()
        me = await person.ask("GET", "/api/auth/me")
        assert me.body["id"] == registered.body["id"]

        created = await person.create("First")
        assert created.status == 201
        place = created.headers["Location"]
        assert "canvas_data" not in created.body
        read = await person.ask("GET", place)
        assert read.body["canvas_data"] == {"elements": [{"id": "a"}]}
        assert read.headers["ETag"] == created.headers["ETag"]

        changed = await person.ask(
            "PATCH", place, {"canvas_data": {"elements": []}, "title": "Second"}, If_Match=read.headers["ETag"]
        )
        assert (changed.status, changed.body["version"]) == (200, 2)
        again = await person.ask("GET", place)
        assert (again.body["title"], again.body["canvas_data"]) == ("Second", {"elements": []})
        stale = await person.ask("PATCH", place, {"title": "Third"}, If_Match=read.headers["ETag"])
        assert (stale.status, stale.body["code"]) == (412, "stale_revision")

        versions = await person.ask("GET", f"{place}/versions")
        assert [version["number"] for version in versions.body["items"]] == [2, 1]
        first = await person.ask("GET", f"{place}/versions/1")
        assert first.body["canvas_data"] == {"elements": [{"id": "a"}]}

        back = await person.ask("POST", f"{place}/versions/1/restore", If_Match="*")
        assert (back.status, back.body["version"]) == (200, 3)
        for drawn in ({"elements": [{"id": "b"}]}, {"elements": [{"id": "b"}, {"id": "c"}]}):
            kept = await person.ask("PATCH", place, {"canvas_data": drawn, "checkpoint": "auto"}, If_Match="*")
            assert (kept.status, kept.body["version"]) == (200, 4)
        named = await person.ask("POST", f"{place}/versions", {"label": "Agreed"})
        assert (named.status, named.body["number"], named.body["open"]) == (200, 4, False)
        mended = await person.ask("PATCH", f"{place}/versions/4", {"label": "Approved"})
        assert (mended.status, mended.body["label"]) == (200, "Approved")
        listed = (await person.ask("GET", f"{place}/versions")).body["items"]
        assert [(one["label"], one["restored_from"]) for one in listed[:2]] == [("Approved", None), (None, 1)]
        assert (await person.ask("POST", f"{place}/views")).status == 204
        assert (await person.all_diagrams())[0]["view_count"] == 1
        assert (await person.ask("GET", "/api/admin/status")).status == 403

        assert (await person.ask("DELETE", place)).status == 204
        assert await person.all_diagrams() == []
        restored = await person.ask("POST", f"{place}/restore")
        assert (restored.status, restored.body["deleted_at"]) == (200, None)
        assert [diagram["id"] for diagram in await person.all_diagrams()] == [created.body["id"]]
        assert (await person.ask("DELETE", f"{place}?permanent=true")).status == 204
        assert (await person.ask("GET", place)).status == 404

        assert (await person.ask("POST", "/api/auth/logout")).status == 204
        refused = await person.ask("GET", "/api/auth/me")
        assert (refused.status, refused.body["code"]) == (401, "session_ended")
        spent = await person.ask("POST", "/api/auth/refresh", {"refresh_token": person.tokens["refresh_token"]})
        assert spent.status == 401


async def test_a_spent_refresh_token_gives_the_same_successor_until_that_one_is_used(person: Client) -> None:
    async def refresh(token: str) -> tuple[int, str]:
        answer = await person.ask("POST", "/api/auth/refresh", {"refresh_token": token})
        return answer.status, answer.body.get("refresh_token", "")

    first = person.tokens["refresh_token"]
    status, second = await refresh(first)
    assert status == 200
    assert await refresh(first) == (200, second)
    status, third = await refresh(second)
    assert status == 200
    assert (await refresh(first))[0] == 401
    # Somebody had an old token: nobody keeps the session.
    assert (await refresh(third))[0] == 401
    assert (await person.ask("GET", "/api/auth/me")).status == 401


async def test_signing_out_everywhere_ends_the_other_sessions_at_once(person: Client) -> None:
    elsewhere = person.tokens
    await person.sign_in()
    assert len((await person.ask("GET", "/api/auth/sessions")).body["items"]) == 2
    assert (await person.ask("POST", "/api/auth/logout-all")).status == 204
    for tokens in (elsewhere, person.tokens):
        answer = await person.ask("GET", "/api/auth/me", Authorization=f"Bearer {tokens['access_token']}")
        assert answer.status == 401


async def test_what_nobody_waited_for_is_told_at_the_commands_address(person: Client, gateway: str) -> None:
    accepted = await person.create(Prefer="respond-async")
    assert accepted.status == 202
    place = accepted.headers["Location"]

    async def succeeded() -> bool:
        told = await person.ask("GET", place)
        assert told.status == 200
        return bool(told.body["status"] == "succeeded")

    await eventually(succeeded)
    told = await person.ask("GET", place)
    assert [diagram["id"] for diagram in await person.all_diagrams()] == [told.body["outcome"]["id"]]
    async with client(gateway) as stranger:
        await stranger.register()
        await stranger.sign_in()
        assert (await stranger.ask("GET", place)).status == 404


async def test_a_request_repeated_with_its_key_is_carried_out_once(person: Client) -> None:
    first = await person.create(Idempotency_Key='"once"')
    second = await person.create(Idempotency_Key='"once"')
    assert (first.status, second.status) == (201, 201)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.body["id"] == second.body["id"]
    other = await person.create("Another title", Idempotency_Key='"once"')
    assert other.status == 422
    assert len(await person.all_diagrams()) == 1


async def test_nobody_sees_anothers_diagram(person: Client, gateway: str) -> None:
    place = (await person.create()).headers["Location"]
    async with client(gateway) as stranger:
        await stranger.register()
        await stranger.sign_in()
        answers = await asyncio.gather(
            stranger.ask("GET", place),
            stranger.ask("PATCH", place, {"title": "Mine"}, If_Match="*"),
            stranger.ask("DELETE", place),
            stranger.ask("GET", f"{place}/versions"),
            stranger.ask("POST", f"{place}/versions", {"label": "Mine"}),
            stranger.ask("PATCH", f"{place}/versions/1", {"label": "Mine"}),
            stranger.ask("POST", f"{place}/versions/1/restore", If_Match="*"),
            stranger.ask("POST", f"{place}/views"),
        )
        assert [answer.status for answer in answers] == [404] * 8
    assert (await person.ask("GET", place)).body["title"] == "A diagram"


async def test_an_account_is_one_whatever_the_case_of_its_address(person: Client) -> None:
    taken = await person.ask("POST", "/api/auth/register", {"email": person.email.upper(), "password": PASSWORD})
    assert (taken.status, taken.body["code"]) == (409, "email_taken")
