"""What networks do between a gateway and the broker, and between a worker and its database."""

import asyncio

import pytest

from tests.faults.proxy import BLACKHOLE, CLEAR, Proxy, Weather
from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.size import LONG
from tests.faults.stack import FaultStack

pytestmark = pytest.mark.matrix

CUT_SECONDS = 45.0 if LONG else 12.0  # the long one is noticed by heartbeats, the short one passes before
BACK_SECONDS = 2.0
BAD_SECONDS = 15.0 if LONG else 5.0


@pytest.mark.parametrize(
    ("there", "back"),
    [(BLACKHOLE, BLACKHOLE), (CLEAR, BLACKHOLE), (BLACKHOLE, CLEAR)],
    ids=["both-ways", "nothing-comes-back", "nothing-goes-out"],
)
async def test_a_gateway_cut_off_from_the_broker_hangs_nobody(
    stack: FaultStack, rows: list[Row], there: Weather, back: Weather, request: pytest.FixtureRequest
) -> None:
    where = request.node.callspec.id
    async with (
        Proxy(stack.servers_url["rabbitmq"]) as proxy,
        stack.another("gateway", AUTOGRAPH_RABBITMQ_URL=proxy.before(stack.service_url("gateway", "rabbitmq"))) as near,
        under_load(stack, rows, f"gateway cut off from the broker: {where}", address=near.address) as run,
    ):
        proxy.set_one_way(there=there, back=back)
        await asyncio.sleep(CUT_SECONDS)
        proxy.clear()
        run.count("chunks held back", proxy.counted)
        assert await run.recovered() <= BACK_SECONDS
        await run.until_told(20)


async def test_a_gateway_whose_connections_are_reset_and_refused_says_so_at_once(
    stack: FaultStack, rows: list[Row]
) -> None:
    async with (
        Proxy(stack.servers_url["rabbitmq"]) as proxy,
        stack.another("gateway", AUTOGRAPH_RABBITMQ_URL=proxy.before(stack.service_url("gateway", "rabbitmq"))) as near,
        under_load(stack, rows, "gateway's broker connections reset and refused", address=near.address) as run,
    ):
        proxy.reset(refuse=True)
        await asyncio.sleep(5)
        proxy.clear()
        run.count("connections", proxy.counted)
        assert await run.recovered() <= BACK_SECONDS
        await run.until_told(20)


@pytest.mark.parametrize(
    "weather",
    [
        Weather(latency_seconds=0.1, jitter_seconds=0.1),
        Weather(slice_bytes=7),
        Weather(bytes_per_second=50_000),
    ],
    ids=["latency", "slices", "bandwidth"],
)
async def test_bad_weather_before_the_broker_only_slows(
    stack: FaultStack, rows: list[Row], weather: Weather, request: pytest.FixtureRequest
) -> None:
    where = request.node.callspec.id
    async with (
        Proxy(stack.servers_url["rabbitmq"]) as proxy,
        stack.another("gateway", AUTOGRAPH_RABBITMQ_URL=proxy.before(stack.service_url("gateway", "rabbitmq"))) as near,
        under_load(stack, rows, f"gateway to broker: {where}", address=near.address) as run,
    ):
        proxy.set(weather)
        await asyncio.sleep(BAD_SECONDS)
        run.count("bytes", proxy.counted)
        proxy.clear()
        await run.recovered()
        await run.until_told(20)
        assert run.failed() == []


async def test_what_a_worker_cut_off_from_its_database_holds_is_done_once(stack: FaultStack, rows: list[Row]) -> None:
    async with (
        Proxy(stack.servers_url["postgres"]) as proxy,
        stack.another("diagram", AUTOGRAPH_POSTGRES_URL=proxy.before(stack.service_url("diagram", "postgres"))),
        under_load(stack, rows, "one worker of three cut off from the database") as run,
    ):
        proxy.set(BLACKHOLE)
        await asyncio.sleep(CUT_SECONDS)
        proxy.clear()
        run.count("chunks held back", proxy.counted)
        await run.recovered()
        await run.until_told(20)
