"""Acknowledges a delivery after it was handled, never before."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis import failpoints
from chassis.bus.ports import Delivery, NotHandled, Receipt
from chassis.logging import logger

REQUEUE_DELAY_SECONDS = 1.0  # before a failed delivery is requeued, so that its queue's other messages come first

Deliver = Callable[[Delivery], Awaitable[None]]

_log = logger(__name__)


async def settle(delivery: Delivery, deliver: Deliver, receipt: Receipt) -> None:
    try:
        await deliver(delivery)
        if failpoints.ARMED:
            await failpoints.reached("before_ack", delivery.queue)
    except NotHandled:
        await receipt.requeue()
    except Exception:  # noqa: BLE001 - whatever the error is, the message must not be lost
        _log.exception("delivery_not_settled", queue=delivery.queue)
        await asyncio.sleep(REQUEUE_DELAY_SECONDS)
        await receipt.requeue()
    else:
        await receipt.acknowledge()
