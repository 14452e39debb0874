"""When a delivery is acknowledged: after it was carried out, and never before."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis import failpoints
from chassis.bus.ports import Delivery, Receipt
from chassis.logging import logger

REQUEUE_DELAY_SECONDS = (
    1.0  # before a delivery that could not be settled goes back: its queue's other consumers go first
)

Deliver = Callable[[Delivery], Awaitable[None]]

_log = logger(__name__)


async def settle(delivery: Delivery, deliver: Deliver, receipt: Receipt) -> None:
    try:
        await deliver(delivery)
        if failpoints.ARMED:
            await failpoints.reached("before_ack", delivery.queue)
    except Exception:  # noqa: BLE001 - whatever it is, the message must not be lost
        _log.exception("delivery_not_settled", queue=delivery.queue)
        await asyncio.sleep(REQUEUE_DELAY_SECONDS)
        await receipt.requeue()
    else:
        await receipt.acknowledge()
