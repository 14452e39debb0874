"""Runs a dashboard's queries against Prometheus, as Grafana does."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

Point = tuple[float, float]  # seconds since 1970, value


@dataclass(frozen=True, slots=True)
class Window:
    start: float  # seconds since 1970, as the end is
    end: float
    step: float
    rate_seconds: int  # for $__rate_interval: Grafana takes four scrapes

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Series:
    legend: str
    points: tuple[Point, ...]  # in order; a step without a value has none

    @property
    def last(self) -> float:
        return self.points[-1][1]

    @property
    def maximum(self) -> float:
        return max(value for _, value in self.points)


@dataclass(frozen=True, slots=True)
class PanelResult:
    panel: Mapping[str, Any]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class QueryResults:
    board: Mapping[str, Any]
    panels: tuple[PanelResult, ...]
    alerts: tuple[Series, ...]  # a point for each step in which one fired


async def run_queries(
    http: aiohttp.ClientSession, prometheus: str, board: Mapping[str, Any], window: Window
) -> QueryResults:
    """Raises ``RuntimeError`` with Prometheus' message if it refuses a query."""

    async def series(expr: str, legend: str) -> list[Series]:
        query = {
            "query": expr.replace("$__rate_interval", f"{window.rate_seconds}s"),
            "start": window.start, "end": window.end, "step": window.step,
        }  # fmt: skip
        async with http.post(f"{prometheus}/api/v1/query_range", data=query) as answer:
            document = await answer.json()
        if document["status"] != "success":
            raise RuntimeError(f"{expr}: {document['error']}")
        return [_series(row, legend) for row in document["data"]["result"]]

    panels = []
    for panel in board["panels"]:
        found = [one for target in panel["targets"] for one in await series(target["expr"], target["legendFormat"])]
        panels.append(PanelResult(panel, tuple(_sorted(found))))
    alerts = [one for note in board["annotations"]["list"] for one in await series(note["expr"], note["titleFormat"])]
    return QueryResults(board, tuple(panels), tuple(_sorted(alerts)))


def _series(row: Mapping[str, Any], legend: str) -> Series:
    """Skips NaN, the ratio or quantile of no values."""
    points = ((float(time), float(value)) for time, value in row["values"])
    return Series(legend_of(legend, row["metric"]), tuple(point for point in points if math.isfinite(point[1])))


def legend_of(pattern: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), pattern).strip()


def _sorted(found: Sequence[Series]) -> list[Series]:
    """Sorted by name, without empty series."""
    return sorted((one for one in found if one.points), key=lambda one: one.legend)
