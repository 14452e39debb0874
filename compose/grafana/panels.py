"""Dashboards as data classes, and their conversion to Grafana's JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

SCHEMA_VERSION: Final = 39  # of Grafana 11 and later, which migrate it by themselves
COLUMNS: Final = 24  # Grafana's grid
HEIGHT: Final = 8
FIRING: Final = 'ALERTS{alertname=~"Autograph.*", alertname!="AutographWatchdog", alertstate="firing"}'
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

Unit = Literal["short", "reqps", "ops", "s", "bytes", "percentunit", "none"]


@dataclass(frozen=True, slots=True)
class Query:
    expr: str
    legend: str  # with labels in {{ }}


@dataclass(frozen=True, slots=True)
class Panel:
    """*description* says which values are normal; *limit* is drawn as a line at the threshold."""

    title: str
    description: str
    unit: Unit
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 12
    limit: float | None = None
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]


def rate(metric: str, *by: str) -> str:
    """The per-second rate over Grafana's rate interval."""
    return f"{_sum(by)}(rate({metric}[$__rate_interval]))"


def slowest(metric: str, *by: str, quantile: float = 0.95) -> str:
    """A quantile of a histogram in seconds."""
    return f"histogram_quantile({quantile}, {_sum((*by, 'le'))}(rate({metric}_bucket[$__rate_interval])))"


def _sum(by: Sequence[str]) -> str:
    return f"sum by ({', '.join(by)}) " if by else "sum"


def document(dashboard: Dashboard, others: Sequence[Dashboard]) -> dict[str, Any]:
    """Grafana's JSON. *others*: dashboards to link to."""
    return {
        "uid": dashboard.uid,
        "title": f"AutoGraph: {dashboard.title}",
        "description": dashboard.description,
        "tags": ["autograph"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,  # one crosshair for all panels
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "templating": {
            "list": [
                {
                    "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
                    "current": {"text": "Prometheus", "value": "prometheus"}, "hide": 0, "options": [],
                }
            ]
        },
        "links": [
            {"title": other.title, "type": "link", "url": f"/d/{other.uid}", "keepTime": True, "icon": "dashboard"}
            for other in others
            if other.uid != dashboard.uid
        ],
        "annotations": {"list": [_alerts()]},
        "panels": [_panel(number, panel, place) for number, (panel, place) in enumerate(_placed(dashboard.panels), 1)],
    }  # fmt: skip


def _alerts() -> dict[str, Any]:
    """An annotation that shows firing alerts in all panels."""
    return {
        "name": "Alerts", "enable": True, "datasource": SOURCE, "iconColor": "red", "titleFormat": "{{alertname}}",
        "expr": FIRING, "step": "60s",
    }  # fmt: skip


def _placed(panels: Sequence[Panel]) -> list[tuple[Panel, tuple[int, int]]]:
    """Places the panels from left to right, in rows of equal height."""
    placed, x, y = [], 0, 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y = 0, y + HEIGHT
        placed.append((panel, (x, y)))
        x += panel.width
    return placed


def _panel(number: int, panel: Panel, place: tuple[int, int]) -> dict[str, Any]:
    x, y = place
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    custom = {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 20 if panel.stacked else 5, "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if panel.limit is not None else "off"},
    }  # fmt: skip
    is_series = panel.kind == "timeseries"
    options: dict[str, Any] = (
        {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
        if is_series
        else {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}
    )
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": HEIGHT},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                **({"custom": custom} if is_series else {}),
            },
            "overrides": [],
        },
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": query.expr, "legendFormat": query.legend}
            for place, query in enumerate(panel.queries)
        ],
    }
