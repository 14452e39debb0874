"""What an outcome says is over is over at every gateway, also if another worker ended it and cannot reach Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from chassis.cache import Entry
from chassis.database import Database
from contracts.auth.accounts import User
from contracts.auth.sessions import EndSession, InvalidRefreshToken, SessionNotFound, SignOutEverywhere, Tokens
from contracts.envelope import Actor
from tests.integration.workers.auth.scene import Scene, acting, acting_in, open_scene
from tests.integration.workers.members import Members, two_members


@pytest.fixture
async def members(redis_url: str, database: Database) -> AsyncIterator[Members]:
    async with two_members(redis_url, database, "auth", "session") as members:
        yield members


@pytest.fixture
async def worker(members: Members, database: Database) -> AsyncIterator[Scene]:
    async with open_scene(database, invalidating=members.connected) as worker:
        yield worker


@pytest.fixture
async def cut_off(members: Members, database: Database) -> AsyncIterator[Scene]:
    async with open_scene(database, invalidating=members.cut_off) as worker:
        yield worker


def entry(tokens: Tokens) -> Entry:
    return Entry(f"session/{tokens.session_id}")


def ended(scene: Scene, tokens: Tokens) -> Callable[[], Awaitable[bool]]:
    async def has_ended() -> bool:
        rows = await scene.fetch("SELECT revoked_at FROM sessions WHERE id = $1", tokens.session_id)
        return rows[0]["revoked_at"] is not None

    return has_ended


async def sign_out_everywhere(worker: Scene, actor: Actor, _: User, __: Tokens) -> None:
    await worker.ask(SignOutEverywhere(), actor)


async def end_it(worker: Scene, actor: Actor, _: User, session: Tokens) -> None:
    with pytest.raises(SessionNotFound):
        await worker.ask(EndSession(session_id=session.session_id), actor)


async def refresh_it(worker: Scene, _: Actor, __: User, session: Tokens) -> None:
    with pytest.raises(InvalidRefreshToken):
        await worker.refresh(session.refresh_token)


async def sign_in_again(worker: Scene, _: Actor, user: User, __: Tokens) -> None:
    await worker.sign_in(user.email)


@pytest.mark.parametrize("tell", [sign_out_everywhere, end_it, refresh_it, sign_in_again])
async def test_who_tells_of_sessions_ends_them_in_every_cache_whoever_ended_them(
    members: Members,
    worker: Scene,
    cut_off: Scene,
    tell: Callable[[Scene, Actor, User, Tokens], Awaitable[None]],
) -> None:
    user = await worker.register()
    here, there = await worker.sign_in(user.email), await worker.sign_in(user.email)
    await members.fill(entry(here), entry(there))
    end = cut_off.ask(EndSession(session_id=there.session_id), acting(user))
    async with members.holding(end, ended(worker, there)):
        assert await members.serves(entry(there)) == [True], "the scene is not the one that is meant"

        await tell(worker, acting_in(user, here), user, there)

        assert await members.serves(entry(there)) == [False]
