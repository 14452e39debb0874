"""All dashboards for ``autograph generate``."""

from typing import Any, Final

from compose.grafana import bus, business, overview, postgres, saturation, workers
from compose.grafana.panels import document

ALL: Final = tuple(module.DASHBOARD for module in (overview, bus, workers, postgres, saturation, business))


def dashboards() -> dict[str, dict[str, Any]]:
    """Grafana's JSON by file name."""
    return {f"{one.uid.removeprefix('autograph-')}.json": document(one, ALL) for one in ALL}
