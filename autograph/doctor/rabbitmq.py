"""Checks RabbitMQ: topology, alarms, and each queue's leader, consumers and backlog."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aio_pika

from autograph.broker import Broker, open_broker
from autograph.doctor.finding import Finding, skew
from autograph.doctor.foreign_resources import find_foreign_resources
from autograph.installation import Installation
from autograph.topology import NEEDED, check_topology
from chassis.bus.headers import subscriber_queue, subscriber_user

MANY_WAITING: Final = 1_000  # messages in one queue: more than three seconds of work at 300 a second
WARNING_FILL, ERROR_FILL = 0.8, 0.98  # of a queue's messages or bytes
SUBSCRIBERS: Final = subscriber_queue(subscriber_user(""))
DATE_RESOLUTION_SECONDS: Final = 2.0  # in seconds, and updated once a second (cowboy_clock)
MAX_BACKLOG_SECONDS: Final = 10.0  # how long a client waits for a command's outcome


async def check(found: Installation) -> list[Finding]:
    servers = found.servers
    differences = await check_topology(servers.rabbitmq_url, servers.rabbitmq_management_url)
    findings = [Finding("topology_differs", True, difference, "autograph migrate") for difference in differences]
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        findings += await find_foreign_resources(broker)

        async def date() -> float:
            return parsedate_to_datetime(await broker.date()).timestamp()

        findings += await skew("rabbitmq", date, resolution_seconds=DATE_RESOLUTION_SECONDS)
        for node in await broker.get("nodes"):
            for alarm in ("mem_alarm", "disk_free_alarm"):
                if node.get(alarm):
                    what = f"{node['name']} has raised {alarm}: nothing is published"
                    findings.append(Finding("broker_alarm", True, what, "give it memory or disk"))
        queue_rows = await _queue_rows(broker)
        findings += [finding for row in queue_rows.values() for finding in full_queue(row)]
        if differences:  # a missing queue cannot be declared passively
            return findings
    dead = [finding for row in queue_rows.values() for finding in dead_queue(row)]
    if dead:  # a queue without a leader does not answer over AMQP
        return findings + dead
    return findings + await _queue_findings(servers.rabbitmq_url, queue_rows)


async def _queue_rows(broker: Broker) -> dict[str, Mapping[str, Any]]:
    """From the management API, whose figures are seconds old. Includes queues of other programs."""
    return {row["name"]: row for row in await broker.get("queues", broker.vhost)}


def dead_queue(row: Mapping[str, Any]) -> list[Finding]:
    """*row*: of the management API's ``/api/queues``. A quorum queue needs a majority of its members."""
    if row.get("type") != "quorum":
        return []
    members, online, leader = row.get("members") or [], row.get("online") or [], row.get("leader")
    name = row["name"]
    do = "start the broker's nodes; a queue nobody needs: delete it"
    if not online or leader not in online:
        return [
            Finding("queue_without_leader", True, f"{name} has no leader: it neither accepts nor delivers messages", do)
        ]
    if 2 * len(online) <= len(members):
        what = f"only {len(online)} of {len(members)} members of {name} are there"
        return [Finding("queue_without_leader", True, what, do)]
    return []


def full_queue(row: Mapping[str, Any]) -> list[Finding]:
    """*row*: as for ``dead_queue``. Uses the limits that the broker enforces, whoever set them."""
    name: str = row["name"]
    if name.startswith(SUBSCRIBERS):
        return _full_subscriber(row, name.removeprefix(SUBSCRIBERS))
    worker, _, kind = name.partition(".")
    filled = max(_filled(row, "max-length", "messages_ready"), _filled(row, "max-length-bytes", "message_bytes_ready"))
    if filled < WARNING_FILL or name.startswith("reply.") or kind == "refused":  # these drop their oldest messages
        return []
    if kind == "parked":
        why, do = "what should be parked comes round again each minute", "autograph parked list, redrive, discard"
    elif kind.startswith(("commands", "transient", "queries")):
        why, do = "what is sent to it is refused", f"start more {worker} workers"
    elif name.startswith("retry."):
        why, do = "what fails stays with its worker", "look at the workers' logs: why so much is tried again"
    else:  # not a worker's: those have no bound
        why = "its subscriber does not keep up, and if it rejects events they stay in their outboxes"
        do = "start its subscriber, or delete the queue if that is gone for good"
    is_full = filled >= ERROR_FILL
    return [Finding("queue_full", is_full, f"{name} is {'full' if is_full else f'{filled:.0%} full'}: {why}", do)]


def _full_subscriber(row: Mapping[str, Any], name: str) -> list[Finding]:
    """The queue of an outside subscriber drops its oldest events. It delays nobody else."""
    filled = max(_filled(row, "max-length", "messages_ready"), _filled(row, "max-length-bytes", "message_bytes_ready"))
    if filled < WARNING_FILL:
        return []
    waiting, do = row.get("messages_ready") or 0, f"start it, or autograph subscriber remove {name}"
    if filled >= ERROR_FILL:
        lost = _lost(row)
        what = f"subscriber {name} is full: {waiting} events wait, and each new one drops the oldest"
        return [Finding("subscriber_full", True, what + (f" ({lost} so far)" if lost else ""), do)]
    what = f"subscriber {name} falls behind: {waiting} events wait, {filled:.0%} of its queue"
    return [Finding("subscriber_full", False, what, do)]


def _lost(row: Mapping[str, Any]) -> int:
    """How many messages the broker has dropped since it was started, by its own counters."""
    stats = row.get("message_stats") or {}
    gone = sum(stats.get(kind) or 0 for kind in ("ack", "deliver_no_ack", "get_no_ack"))
    return max(0, (stats.get("publish") or 0) - gone - (row.get("messages") or 0))


def _filled(row: Mapping[str, Any], bound: str, count: str) -> float:
    policy, arguments = row.get("effective_policy_definition") or {}, row.get("arguments") or {}
    bounds = [of[key] for of, key in ((policy, bound), (arguments, f"x-{bound}")) if of.get(key)]
    return (row.get(count) or 0) / min(bounds) if bounds else 0.0


async def _queue_findings(amqp_url: str, queue_rows: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """From AMQP's counts: the management API does not show a worker that has just connected."""
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
            findings += _consumer_findings(name, waiting, found.consumer_count or 0)
            if found.consumer_count:
                findings += behind(name, waiting, queue_rows.get(name, {}))
    return findings


def _consumer_findings(name: str, waiting: int, consumers: int) -> list[Finding]:
    worker = name.split(".", maxsplit=1)[0]
    findings = []
    if not consumers:
        what = f"{name} has no consumer"
        findings.append(Finding("queue_without_consumer", True, what, _start(worker)))
    if waiting > MANY_WAITING:
        what = f"{waiting} messages wait in {name}"
        findings.append(Finding("queue_long", False, what, f"start more {worker} workers"))
    return findings


def _start(worker: str) -> str:
    return f"start the {worker} worker, or restart it if it does not answer"


def behind(name: str, waiting: int, row: Mapping[str, Any]) -> list[Finding]:
    """How long the newest message will wait: the messages that wait, divided by the rate of acknowledgements.

    A quorum queue's messages have no age, and reading one counts as a delivery. Only messages that wait now and also
    waited some seconds ago, by *row*, are a backlog.
    """
    waiting = min(waiting, row.get("messages_ready") or 0)
    if not waiting:
        return []
    rate = ((row.get("message_stats") or {}).get("ack_details") or {}).get("rate") or 0.0
    worker = name.split(".", maxsplit=1)[0]
    if not rate:
        what = f"{waiting} messages wait in {name}, and nothing was done for seconds"
        return [Finding("queue_behind", True, what, f"look at the {worker} worker's log: it is stuck or frozen")]
    if waiting / rate <= MAX_BACKLOG_SECONDS:
        return []
    what = f"{waiting} messages wait in {name}: {waiting / rate:.0f} s of work at its present rate"
    return [Finding("queue_behind", False, what, f"start more {worker} workers")]
