"""A dashboard's queries, asked of a real Prometheus."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bench.prometheus import running_prometheus
from compose.grafana.panels import Dashboard, Panel, Query, document
from compose.grafana.prometheus_queries import QueryResults, Window, run_queries
from tests.eventually import eventually

# Nobody answers there: `up` is 0, and nothing else is told.
CONFIGURATION = {
    "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
    "scrape_configs": [
        {"job_name": "nobody", "static_configs": [{"targets": ["127.0.0.1:1"], "labels": {"service": "auth"}}]}
    ],
}


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


@pytest.fixture(scope="module")
async def prometheus(http: aiohttp.ClientSession) -> AsyncIterator[str]:
    async with running_prometheus(http, CONFIGURATION) as address:
        yield address


async def asked(http: aiohttp.ClientSession, prometheus: str, *queries: Query) -> QueryResults:
    board = document(Dashboard("one", "One", "A dashboard.", (Panel("A", "B.", "short", queries),)), ())
    now = time.time()
    return await run_queries(http, prometheus, board, Window(now - 30, now, step=1, rate_seconds=4))


async def test_a_panel_gets_its_series_by_name_and_only_values_that_are_numbers(
    http: aiohttp.ClientSession, prometheus: str
) -> None:
    async def told() -> bool:
        answers = await asked(
            http, prometheus,
            Query("up + 2", "the {{service}}"), Query("up - 1", "a {{job}}"),
            Query("up / up", "not a number"), Query("rate(up[$__rate_interval])", "rate"), Query("up > 1", "none"),
        )  # fmt: skip
        found = {series.legend: series for series in answers.panels[0].series}
        assert list(found) == ["a nobody", "rate", "the auth"]
        assert len(found["the auth"].points) > 2
        assert {value for _, value in found["the auth"].points} == {2}
        assert {value for _, value in found["a nobody"].points} == {-1}
        assert answers.alerts == ()
        return True

    await eventually(told, within_seconds=20)


async def test_a_query_that_prometheus_refuses_is_said_in_its_words(
    http: aiohttp.ClientSession, prometheus: str
) -> None:
    with pytest.raises(RuntimeError, match=r"^sum\(: .*parse error"):
        await asked(http, prometheus, Query("sum(", "broken"))
