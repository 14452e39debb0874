"""``autograph queues``: the broker's queues with their messages and consumers."""

import asyncio
from collections.abc import Mapping
from typing import Any

from autograph.broker import open_broker
from autograph.installation import Installation, installation
from autograph.listing import AsJson, show
from autograph.topology import NEEDED


def queues(*, as_json: AsJson = False) -> None:
    """List every queue with what waits in it. Figures are the broker's own, and some seconds old."""
    show(asyncio.run(queue_rows(installation())), as_json=as_json, nothing="There are no queues.")


async def queue_rows(found: Installation) -> list[dict[str, Any]]:
    """AutoGraph's queues in the order of the topology, then others (reply queues, taps).

    A required queue that does not exist has the state ``missing``.
    """
    servers = found.servers
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        reported: dict[str, Mapping[str, Any]] = {row["name"]: row for row in await broker.get("queues", broker.vhost)}
    others = sorted(reported.keys() - NEEDED.queues.keys())
    return [row_of(name, reported.get(name), kind) for name, kind in NEEDED.queues.items()] + [
        row_of(name, reported[name], str(reported[name].get("type", "classic"))) for name in others
    ]


def row_of(name: str, reported: Mapping[str, Any] | None, kind: str) -> dict[str, Any]:
    """*reported*: the management API's row, which has no figures for a new queue."""
    stats = (reported or {}).get("message_stats") or {}
    return {
        "queue": name,
        "type": kind,
        "state": _state(reported),
        "ready": _count(reported, "messages_ready"),
        "in_hand": _count(reported, "messages_unacknowledged"),
        "consumers": _count(reported, "consumers"),
        "in_per_second": _rate(stats, "publish_details"),
        "done_per_second": _rate(stats, "ack_details"),
        "bytes": _count(reported, "message_bytes"),
    }


def _state(reported: Mapping[str, Any] | None) -> str:
    if reported is None:
        return "missing"
    if reported.get("type") == "quorum" and reported.get("leader") not in (reported.get("online") or ()):
        return "no leader"
    return str(reported.get("state", "running"))


def _count(reported: Mapping[str, Any] | None, name: str) -> int:
    return int((reported or {}).get(name) or 0)


def _rate(stats: Mapping[str, Any], name: str) -> float:
    return float((stats.get(name) or {}).get("rate") or 0.0)
