"""Topology, alarms, and whether each queue is alive, taken from, and keeps up."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aio_pika

from autograph.broker import Broker, open_broker
from autograph.doctor.finding import Finding, skew
from autograph.doctor.strangers import look_for_strangers
from autograph.installation import Installation
from autograph.topology import NEEDED, check_topology
from chassis.bus.headers import subscriber_queue, subscriber_user

WAITING: Final = 1_000  # messages in one queue: at 300 a second it is behind by more than three seconds
FILLS, FULL = 0.8, 0.98  # of a queue's messages or bytes
SUBSCRIBERS: Final = subscriber_queue(subscriber_user(""))
DATE_COARSE_SECONDS: Final = 2.0  # cut off to the second, by a server that renews the text once a second (cowboy_clock)
BEHIND_SECONDS: Final = 10.0  # what a command's client waits for its outcome


async def look(found: Installation) -> list[Finding]:
    servers = found.servers
    differences = await check_topology(servers.rabbitmq_url, servers.rabbitmq_management_url)
    findings = [Finding("topology_differs", True, difference, "autograph migrate") for difference in differences]
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        findings += await look_for_strangers(broker)

        async def date() -> float:
            return parsedate_to_datetime(await broker.date()).timestamp()

        findings += await skew("rabbitmq", date, coarse=DATE_COARSE_SECONDS)
        for node in await broker.get("nodes"):
            for alarm in ("mem_alarm", "disk_free_alarm"):
                if node.get(alarm):
                    what = f"{node['name']} has raised {alarm}: nothing is published"
                    findings.append(Finding("broker_alarm", True, what, "give it memory or disk"))
        told_of = await _told_of(broker)
        findings += [finding for row in told_of.values() for finding in full_queue(row)]
        if differences:  # a queue that is missing cannot be looked at
            return findings
    dead = [finding for row in told_of.values() for finding in dead_queue(row)]
    if dead:  # a queue without a leader does not answer AMQP either
        return findings + dead
    return findings + await _queues(servers.rabbitmq_url, told_of)


async def _told_of(broker: Broker) -> dict[str, Mapping[str, Any]]:
    """By the management API, whose figures are some seconds old. Others' queues are looked at too: see the runbook."""
    return {row["name"]: row for row in await broker.get("queues", broker.vhost)}


def dead_queue(row: Mapping[str, Any]) -> list[Finding]:
    """*row* is one of the management API's ``/api/queues``. A quorum queue works as long as most of its members do."""
    if row.get("type") != "quorum":
        return []
    members, online, leader = row.get("members") or [], row.get("online") or [], row.get("leader")
    name = row["name"]
    do = "start the broker's nodes; a queue nobody needs: delete it"
    if not online or leader not in online:
        return [Finding("queue_without_leader", True, f"{name} has no leader: it takes and gives nothing", do)]
    if 2 * len(online) <= len(members):
        what = f"only {len(online)} of {len(members)} members of {name} are there"
        return [Finding("queue_without_leader", True, what, do)]
    return []


def full_queue(row: Mapping[str, Any]) -> list[Finding]:
    """*row*: as for ``dead_queue``. By the bounds that the broker itself holds it to, whoever set them."""
    name: str = row["name"]
    if name.startswith(SUBSCRIBERS):
        return _full_subscriber(row, name.removeprefix(SUBSCRIBERS))
    worker, _, kind = name.partition(".")
    filled = max(_filled(row, "max-length", "messages_ready"), _filled(row, "max-length-bytes", "message_bytes_ready"))
    if filled < FILLS or name.startswith("reply.") or kind == "refused":  # in those the oldest gives way
        return []
    if kind == "parked":
        why, do = "what should be parked comes round again each minute", "autograph parked list, redrive, discard"
    elif kind.startswith(("commands", "transient", "queries")):
        why, do = "what is sent to it is refused", f"start more {worker} workers"
    elif name.startswith("retry."):
        why, do = "what fails stays with its worker", "look at the workers' logs: why so much is tried again"
    else:  # ours have no bound
        why = "its subscriber does not keep up, and if it refuses what is beyond, events stay in their outboxes"
        do = "start its subscriber, or delete the queue if that is gone for good"
    is_full = filled >= FULL
    return [Finding("queue_full", is_full, f"{name} is {'full' if is_full else f'{filled:.0%} full'}: {why}", do)]


def _full_subscriber(row: Mapping[str, Any], name: str) -> list[Finding]:
    """Of a program outside: its oldest events give way. Nobody else waits for it."""
    filled = max(_filled(row, "max-length", "messages_ready"), _filled(row, "max-length-bytes", "message_bytes_ready"))
    if filled < FILLS:
        return []
    waiting, do = row.get("messages_ready") or 0, f"start it, or autograph subscriber remove {name}"
    if filled >= FULL:
        lost = _lost(row)
        what = f"subscriber {name} takes too little: {waiting} events wait, and with each new one the oldest is dropped"
        return [Finding("subscriber_full", True, what + (f" ({lost} so far)" if lost else ""), do)]
    what = f"subscriber {name} falls behind: {waiting} events wait, {filled:.0%} of what is kept for it"
    return [Finding("subscriber_full", False, what, do)]


def _lost(row: Mapping[str, Any]) -> int:
    """How many the broker has dropped, by its own counts since it was started."""
    stats = row.get("message_stats") or {}
    gone = sum(stats.get(kind) or 0 for kind in ("ack", "deliver_no_ack", "get_no_ack"))
    return max(0, (stats.get("publish") or 0) - gone - (row.get("messages") or 0))


def _filled(row: Mapping[str, Any], bound: str, count: str) -> float:
    policy, arguments = row.get("effective_policy_definition") or {}, row.get("arguments") or {}
    bounds = [of[key] for of, key in ((policy, bound), (arguments, f"x-{bound}")) if of.get(key)]
    return (row.get(count) or 0) / min(bounds) if bounds else 0.0


async def _queues(amqp_url: str, told_of: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """By AMQP's own counts: by the management API's, a worker that has just come is not there yet."""
    findings = []
    async with await aio_pika.connect(amqp_url, timeout=10) as connection, connection.channel() as channel:
        for name in NEEDED.queues:
            if name.startswith("retry."):
                continue
            found = (await channel.declare_queue(name, passive=True)).declaration_result
            waiting = found.message_count or 0
            if name.endswith((".parked", ".refused")):
                if waiting:
                    what = f"{waiting} messages are parked in {name}"
                    findings.append(Finding("messages_parked", False, what, "autograph parked list"))
                continue
            findings += _taken_from(name, waiting, found.consumer_count or 0)
            if found.consumer_count:
                findings += behind(name, waiting, told_of.get(name, {}))
    return findings


def _taken_from(name: str, waiting: int, consumers: int) -> list[Finding]:
    worker = name.split(".", maxsplit=1)[0]
    findings = []
    if not consumers:
        what = f"nobody takes from {name}"
        findings.append(Finding("queue_without_consumer", True, what, _start(worker)))
    if waiting > WAITING:
        what = f"{waiting} messages wait in {name}"
        findings.append(Finding("queue_long", False, what, f"start more {worker} workers"))
    return findings


def _start(worker: str) -> str:
    return f"start the {worker} worker, or restart it if it does not answer"


def behind(name: str, waiting: int, row: Mapping[str, Any]) -> list[Finding]:
    """How old the queue's newest message will get: what waits, by the rate at which the consumers acknowledge.

    The broker knows no age of a quorum queue's messages, and to look at one is to count as a delivery. What waits
    both now and by *row*, some seconds ago, is no passing moment.
    """
    waiting = min(waiting, row.get("messages_ready") or 0)
    if not waiting:
        return []
    rate = ((row.get("message_stats") or {}).get("ack_details") or {}).get("rate") or 0.0
    worker = name.split(".", maxsplit=1)[0]
    if not rate:
        what = f"{waiting} messages wait in {name}, and nothing was done for seconds"
        return [Finding("queue_behind", True, what, f"look at the {worker} worker's log: it is stuck or frozen")]
    if waiting / rate <= BEHIND_SECONDS:
        return []
    what = f"{waiting} messages wait in {name}: {waiting / rate:.0f} s of work at its present rate"
    return [Finding("queue_behind", False, what, f"start more {worker} workers")]
