"""The diagram worker, put together."""

from chassis.lifecycle import Service, run
from chassis.metrics import DiagramMetrics
from chassis.objects import ObjectStoreAway, open_object_store
from chassis.worker import lay_ground, take_deliveries
from contracts.catalogue import EVENT_BULKHEADS, SUBSCRIPTIONS
from contracts.envelope import Envelope
from contracts.message import Message
from workers.diagram.archive import BUCKET, Archive
from workers.diagram.archiver import Archiver, ArchiverMetrics
from workers.diagram.handlers import handlers
from workers.diagram.settings import DiagramSettings
from workers.diagram.storage import diagram_rows
from workers.diagram.tools import Tools


async def compose(service: Service[DiagramSettings]) -> None:
    settings = service.settings
    metrics = DiagramMetrics(service.registry)
    ground = await lay_ground(service, metrics.requests)
    store = await service.enter(
        open_object_store(
            settings.s3_url.get_secret_value(),
            settings.s3_access_key.get_secret_value(),
            settings.s3_secret_key.get_secret_value(),
            region=settings.s3_region,
        )
    )
    archive = Archive(store, metrics)
    archiver = Archiver(
        ground.database,
        archive,
        ArchiverMetrics(service.registry),
        after_seconds=settings.archive_after_seconds,
        every_seconds=settings.archive_every_seconds,
    )
    if settings.flags.archiving:
        service.background(archiver.run(), name="archiver")
    service.health.check("objects", lambda: store.probe(BUCKET), needed=False)
    tools = Tools(
        ledger=ground.ledger,
        database=ground.database,
        archive=archive,
        metrics=metrics,
        diagram_rows=diagram_rows(ground.database),
    )
    await take_deliveries(
        service,
        ground,
        handlers,
        tools,
        unseal=_nothing_is_sealed,
        hears=SUBSCRIPTIONS.get(ground.name, ()),
        event_bulkheads=EVENT_BULKHEADS.get(ground.name, {}),
        transient=(ObjectStoreAway,),
    )


async def _nothing_is_sealed(message: Message, envelope: Envelope) -> Message:  # noqa: ARG001 - the seam's form
    return message


if __name__ == "__main__":
    run("diagram", DiagramSettings, compose)
