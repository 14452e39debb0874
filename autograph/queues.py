"""``autograph queues``: what waits on the broker, and who takes it."""

import asyncio
from collections.abc import Mapping
from typing import Any

from autograph.broker import open_broker
from autograph.installation import Installation, installation
from autograph.listing import AsJson, show
from autograph.topology import NEEDED


def queues(*, as_json: AsJson = False) -> None:
    """List every queue with what waits in it. Figures are the broker's own, and some seconds old."""
    show(asyncio.run(on_the_broker(installation())), as_json=as_json, nothing="There are no queues.")


async def on_the_broker(found: Installation) -> list[dict[str, Any]]:
    """The platform's first, in the order of its topology, then others' (producers' and gateways' replies, taps).

    One that is needed and not there is in state ``missing``.
    """
    servers = found.servers
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        told: dict[str, Mapping[str, Any]] = {row["name"]: row for row in await broker.get("queues", broker.vhost)}
    others = sorted(told.keys() - NEEDED.queues.keys())
    return [row_of(name, told.get(name), kind) for name, kind in NEEDED.queues.items()] + [
        row_of(name, told[name], str(told[name].get("type", "classic"))) for name in others
    ]


def row_of(name: str, told: Mapping[str, Any] | None, kind: str) -> dict[str, Any]:
    """*told* is a row of the management API's; a queue that was made this moment has no figures in it yet."""
    stats = (told or {}).get("message_stats") or {}
    return {
        "queue": name,
        "type": kind,
        "state": _state(told),
        "ready": _count(told, "messages_ready"),
        "in_hand": _count(told, "messages_unacknowledged"),
        "consumers": _count(told, "consumers"),
        "in_per_second": _rate(stats, "publish_details"),
        "done_per_second": _rate(stats, "ack_details"),
        "bytes": _count(told, "message_bytes"),
    }


def _state(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "missing"
    if told.get("type") == "quorum" and told.get("leader") not in (told.get("online") or ()):
        return "no leader"
    return str(told.get("state", "running"))


def _count(told: Mapping[str, Any] | None, name: str) -> int:
    return int((told or {}).get(name) or 0)


def _rate(stats: Mapping[str, Any], name: str) -> float:
    return float((stats.get(name) or {}).get("rate") or 0.0)
