"""The capacity model: held to theory, to what was measured, and to what the docs say of it."""

import math
from pathlib import Path

import pytest

from bench import capacity
from bench.capacity import COSTS, MEASURED, MIX, Simulation

SCALING = Path(__file__).parents[3] / "docs" / "scaling.md"


@pytest.mark.parametrize("what", MEASURED)
def test_the_model_gives_what_the_bench_measured_within_a_quarter(what: str) -> None:
    assert capacity.as_measured(what).per_second == pytest.approx(MEASURED[what], rel=0.25)


def test_one_server_makes_requests_wait_as_theory_says() -> None:
    """M/M/1: the time in the system is exponential, with the rate of service less the rate of arrival."""
    paths = {"read, cached": [("gateway", 0.001)]}
    waited = Simulation({"gateway": 1}).opened(paths, per_second=600, requests=200_000)
    assert waited.per_second == pytest.approx(600, rel=0.02)
    assert waited.p50_ms == pytest.approx(math.log(2) / 400 * 1000, rel=0.05)
    assert waited.p99_ms == pytest.approx(math.log(100) / 400 * 1000, rel=0.1)


def test_a_core_that_all_share_is_what_limits_them() -> None:
    """Two steps of a millisecond on one core: five hundred a second, whatever the parts could do."""
    waited = Simulation({"a": 9, "b": 9}, cores=1).closed([("a", 0.001), ("b", 0.001)], loops=8, requests=20_000)
    assert waited.per_second == pytest.approx(500, rel=0.03)


def test_the_mix_is_a_thousand_requests_whose_costs_are_known() -> None:
    assert sum(MIX.values()) == 1000
    assert MIX.keys() == COSTS.keys()


@pytest.mark.parametrize("scale", capacity.SCALES)
def test_no_process_is_busier_than_it_may_be(scale: int) -> None:
    for part in capacity.PARTS:
        busy = capacity.cores(part, capacity.ONE * scale) / capacity.processes(part, capacity.ONE * scale)
        assert busy <= capacity.MAX_UTILISATION


def test_the_document_shows_what_the_model_gives() -> None:
    text = SCALING.read_text(encoding="utf-8")
    shown = text.split("<!-- python -m bench.capacity -->\n", 1)[1].split("<!-- end -->", 1)[0]
    assert shown.strip().splitlines() == capacity.tables()
