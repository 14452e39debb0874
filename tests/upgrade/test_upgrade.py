"""The previous release's code beside this one's, in one installation, while people work.

Every phase must see each thing done again that people do, and nothing fail.
"""

import asyncio
from pathlib import Path

import pytest

from autograph.database import newest_revision
from tests.system.client import somebody
from tests.upgrade.expanding import without_a_column, without_a_queue
from tests.upgrade.people import Refused, outcome_of, people_at_work
from tests.upgrade.releases import Release, this_release
from tests.upgrade.site import Site


@pytest.mark.slow("nine phases of an upgrade and of the way back")
async def test_no_request_fails_while_a_release_takes_over_and_while_it_is_taken_back(
    site: Site, previous: Release, following: Release
) -> None:
    await site.migrate(previous)
    await site.start(previous, "auth", "diagram", "gateway")
    async with people_at_work(site.gateway(previous)) as people:
        await people.go_on()

        assert "schema: up to date" not in await site.migrate(following)
        await people.go_on()  # the previous release on the new schema and topology

        await site.start(following, "auth", "diagram")
        await people.go_on()  # workers of both take turns
        await site.stop(previous, "auth", "diagram")
        await people.go_on()  # the previous gateway asks the new workers

        await site.start(following, "gateway")
        await people.turn_to(site.gateway(previous), site.gateway(following))
        await people.go_on()  # gateways of both answer the same people
        await people.turn_to(site.gateway(following))
        await site.stop(previous, "gateway")
        await people.go_on()  # all is new

        await site.start(previous, "auth", "diagram")
        await site.stop(following, "auth", "diagram")
        await people.go_on()  # the new gateway asks the previous workers
        await site.start(previous, "gateway")
        await people.turn_to(site.gateway(previous))
        await site.stop(following, "gateway")
        await people.go_on()  # the previous release is back, on the new schema

        assert await site.roll_back(following, await previous.newest_revision()) != "[]"
        await people.go_on()  # and on its own


@pytest.mark.slow("starts processes of two releases in turns")
async def test_what_one_release_queued_is_carried_out_by_the_other(
    site: Site, previous: Release, following: Release
) -> None:
    await site.migrate(previous)
    await site.migrate(following)
    await site.start(previous, "auth", "gateway")
    await site.start(following, "gateway")
    async with somebody(site.gateway(previous)) as person:
        for asked, done in ((previous, following), (following, previous)):
            person.address = site.gateway(asked)
            title = f"Asked of {asked.name}"
            accepted = await person.create(title, Prefer="respond-async")
            assert accepted.status == 202, accepted

            await site.start(done, "diagram")
            made = await outcome_of(person, accepted.headers["Location"])
            assert made["title"] == title
            await site.stop(done, "diagram")


@pytest.mark.slow("migrates to two releases that must be noticed to break")
async def test_a_change_that_the_previous_release_cannot_live_with_is_seen(
    site: Site, previous: Release, tmp_path: Path
) -> None:
    """The judge is judged: an upgrade in which nothing was looked at would pass as well."""
    await site.migrate(previous)
    await site.start(previous, "auth", "diagram", "gateway")
    shrunk = this_release(tmp_path / "shrunk", without_a_column(newest_revision()))
    assert "500" in await refused_after(site, previous, shrunk)

    await site.roll_back(shrunk, newest_revision())
    await site.stop(previous, "diagram")
    await site.start(previous, "diagram")  # what went wrong before is not to be what is seen
    assert await refused_after(site, previous, this_release(tmp_path / "without a queue", without_a_queue()))
    await site.migrate(previous)  # a worker whose queue is gone takes its time to leave


async def refused_after(site: Site, serving: Release, migrating: Release) -> str:
    """What people are told once *migrating* has migrated. Until then nothing may fail."""
    migrated = False
    try:
        async with people_at_work(site.gateway(serving)) as people, asyncio.timeout(60):
            await people.go_on()
            await site.migrate(migrating)
            migrated = True
            while True:
                await people.go_on()
    except Refused as refused:
        if not migrated:
            raise
        return str(refused)
