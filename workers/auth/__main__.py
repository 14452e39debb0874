"""The auth worker's process."""

import os

from chassis.bus.reading import Unreadable
from chassis.lifecycle import Service, run
from chassis.sealing import Unsealable, unseal
from chassis.worker import consume, open_worker, utc_now
from contracts.auth.accounts import RegisterUser
from contracts.auth.sessions import SignIn
from contracts.catalogue import DELEGATIONS
from contracts.envelope import Envelope
from contracts.message import Message
from contracts.sealed import Box, sealed_fields
from contracts.services import entry
from workers.auth.handlers import handlers
from workers.auth.jobs import schedule
from workers.auth.keys.key_ring import RELOAD_EVERY_SECONDS, KeyRing
from workers.auth.metrics import AuthMetrics
from workers.auth.passwords import PasswordsBusy
from workers.auth.settings import AuthSettings
from workers.auth.tools import open_tools


async def compose(service: Service[AuthSettings]) -> None:
    metrics = AuthMetrics(service.registry)
    context = await open_worker(service, metrics.requests, revision=entry("auth").revision)
    tools = await service.enter(
        open_tools(service.settings, ledger=context.ledger, database=context.database, metrics=metrics, clock=utc_now)
    )
    context.pools.watch("passwords", tools.passwords.states)
    service.every(RELOAD_EVERY_SECONDS, tools.keys.reload, name="keys", at_once=False)
    schedule(context.jobs, tools)

    async def open_boxes(message: Message, envelope: Envelope) -> Message:
        return await _open_boxes(message, envelope, tools.keys)

    threads = service.settings.password_threads or os.cpu_count() or 1
    await consume(
        service,
        context,
        handlers,
        tools,
        unseal=open_boxes,
        delegations=DELEGATIONS,
        hears=entry("auth").hears,
        event_bulkheads=entry("auth").event_bulkheads,
        # One more than can be hashed at once, so that the next is ready; the rest stays in the queue for other
        # workers.
        prefetch={RegisterUser.queue(): threads + 1, SignIn.queue(): threads + 1},
        transient=(PasswordsBusy,),
    )


async def _open_boxes(message: Message, envelope: Envelope, keys: KeyRing) -> Message:
    boxes = [value for field in sealed_fields(type(message)) if isinstance(value := getattr(message, field), Box)]
    found = {box.key: await keys.sealing_key(box.key) for box in boxes}
    try:
        return unseal(message, envelope.id, {key: private for key, private in found.items() if private is not None})
    except Unsealable as error:
        raise Unreadable("unsealable", str(error), envelope) from None


if __name__ == "__main__":
    run("auth", AuthSettings, compose)
