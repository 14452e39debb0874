"""Prometheus and Alertmanager as the distribution has them, got without root, as the launcher gets RabbitMQ."""

from pathlib import Path

from compose.local import provision
from compose.local.home import DEFAULT, Home
from tests.servers import PROGRAMS, REPOSITORY

RULES = REPOSITORY / "compose" / "prometheus" / "rules"
DASHBOARDS = REPOSITORY / "compose" / "grafana" / "dashboards"


async def programs() -> Path:
    """The folder with ``prometheus``, ``promtool``, ``prometheus-alertmanager`` and ``amtool``."""
    root = await provision.monitoring(Home(REPOSITORY / DEFAULT, programs=PROGRAMS).open())
    return root / "usr" / "bin"
