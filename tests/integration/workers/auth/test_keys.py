"""The service's keys: made once, shared by all its processes, rotated before anybody must ask, unreadable at rest."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import jwt
import pytest
from nacl.public import PrivateKey as BoxPrivateKey
from nacl.public import PublicKey as BoxPublicKey
from nacl.public import SealedBox

from chassis.database import Database
from chassis.key_pairs import KeyCipher, KeysUnreadable, Purpose, list_all, rotate
from contracts.auth.keys import GetPublicKeys, PublicKey
from tests.integration.workers.auth.scene import AUTH_SECRET, Scene, open_scene


@pytest.fixture(autouse=True)
async def no_keys(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("DELETE FROM keys")


async def published(scene: Scene, purpose: Purpose) -> list[PublicKey]:
    reply = await scene.ask(GetPublicKeys())
    return [key for key in reply.keys if key.purpose == purpose]


async def signing_key_of(scene: Scene) -> str:
    return (await scene.tools.keys.signing_key()).id


async def test_concurrent_first_starts_make_one_key_of_each_purpose(database: Database) -> None:
    async with AsyncExitStack() as stack:
        scenes = await asyncio.gather(*(stack.enter_async_context(open_scene(database)) for _ in range(6)))

        assert len({await signing_key_of(scene) for scene in scenes}) == 1
        assert len(await published(scenes[0], Purpose.SIGNING)) == 1
        assert len(await published(scenes[0], Purpose.SEALING)) == 1


async def test_the_first_key_serves_a_process_whose_clock_is_behind(database: Database) -> None:
    async with open_scene(database) as scene:
        scene.later(timedelta(minutes=-4))

        assert await signing_key_of(scene)


async def test_a_second_start_finds_the_keys_of_the_first(database: Database) -> None:
    async with open_scene(database) as first:
        key = await signing_key_of(first)
    async with open_scene(database) as second:
        assert await signing_key_of(second) == key


async def test_the_next_signing_key_is_published_an_hour_before_it_signs(database: Database) -> None:
    async with open_scene(database) as scene:
        first = await signing_key_of(scene)
        scene.later(timedelta(days=30))
        await scene.tools.keys.maintain()

        assert len(await published(scene, Purpose.SIGNING)) == 2
        assert await signing_key_of(scene) == first
        scene.later(timedelta(minutes=59))
        assert await signing_key_of(scene) == first
        scene.later(timedelta(minutes=1))
        assert await signing_key_of(scene) != first
        assert {key.id for key in await published(scene, Purpose.SIGNING)} == {first, await signing_key_of(scene)}


async def test_an_old_signing_key_is_published_until_its_last_token_has_expired(database: Database) -> None:
    async with open_scene(database) as scene:
        first = await signing_key_of(scene)
        scene.later(timedelta(days=30))
        await scene.tools.keys.maintain()
        scene.later(timedelta(hours=1))  # the second signs from here on
        user = await scene.register()
        tokens = await scene.sign_in(user.email)
        assert jwt.get_unverified_header(tokens.access_token)["kid"] != first

        scene.later(timedelta(hours=1))  # the first's last token expires about now
        await scene.tools.keys.maintain()
        assert first in {key.id for key in await published(scene, Purpose.SIGNING)}

        scene.later(timedelta(minutes=6))
        await scene.tools.keys.maintain()
        assert first not in {key.id for key in await published(scene, Purpose.SIGNING)}


async def test_keys_are_rotated_once_by_all_processes(database: Database) -> None:
    async with open_scene(database) as one, open_scene(database) as other:
        one.later(timedelta(days=31))
        other.now = one.now

        await asyncio.gather(*(scene.tools.keys.maintain() for scene in (one, other, one, other)))

        assert len(await published(one, Purpose.SIGNING)) == 2
        assert len(await published(one, Purpose.SEALING)) == 2


async def test_a_box_sealed_to_a_key_opens_after_many_rotations(database: Database) -> None:
    async with open_scene(database) as scene:
        [key] = await published(scene, Purpose.SEALING)
        box = SealedBox(BoxPublicKey(jwt.utils.base64url_decode(key.key))).encrypt(b"a password")
        for _ in range(3):
            scene.later(timedelta(days=31))
            await scene.tools.keys.maintain()

        private = await scene.tools.keys.sealing_key(key.id)

        assert private is not None
        assert SealedBox(BoxPrivateKey(private)).decrypt(box) == b"a password"


async def test_a_key_that_another_process_made_just_now_is_found(database: Database) -> None:
    async with open_scene(database) as scene:
        async with database.connection() as connection:
            key = await rotate(connection, KeyCipher(AUTH_SECRET), Purpose.SEALING, scene.now)

        assert await scene.tools.keys.sealing_key(key.id) == key.private


async def test_a_key_that_nobody_made_or_that_signs_opens_nothing(database: Database) -> None:
    async with open_scene(database) as scene:
        assert await scene.tools.keys.sealing_key("nobody's") is None
        assert await scene.tools.keys.sealing_key(await signing_key_of(scene)) is None


async def test_another_secret_is_noticed_at_the_start(database: Database) -> None:
    async with open_scene(database):
        pass

    with pytest.raises(KeysUnreadable):
        async with open_scene(database, auth_secret="another secret of this test, long"):
            pass


async def test_no_private_key_is_readable_in_the_database(database: Database) -> None:
    async with open_scene(database) as scene:
        [key] = await published(scene, Purpose.SEALING)
        private = await scene.tools.keys.sealing_key(key.id)
        assert private is not None

        for row in await scene.fetch("SELECT private_key FROM keys"):
            assert private not in row["private_key"]


async def test_retired_keys_stay_on_record(database: Database) -> None:
    async with open_scene(database) as scene:
        first = await signing_key_of(scene)
        for _ in range(2):
            scene.later(timedelta(days=31))
            await scene.tools.keys.maintain()

        async with database.connection() as connection:
            [record] = [key for key in await list_all(connection) if key.id == first]
        assert record.retired_at == scene.now
