"""The diagram worker's process."""

from chassis.lifecycle import Service, run
from chassis.objects import ObjectStoreUnavailable, open_object_store
from chassis.worker import consume, open_worker
from contracts.catalogue import DELEGATIONS
from contracts.services import entry
from workers.diagram.archive.archiver import Archiver, ArchiverMetrics, ArchiveVersions
from workers.diagram.archive.objects import BUCKET, Archive
from workers.diagram.diagrams.storage import diagram_rows
from workers.diagram.handlers import handlers
from workers.diagram.metrics import DiagramMetrics
from workers.diagram.settings import DiagramSettings
from workers.diagram.tools import Tools


async def compose(service: Service[DiagramSettings]) -> None:
    settings = service.settings
    metrics = DiagramMetrics(service.registry)
    context = await open_worker(service, metrics.requests, revision=entry("diagram").revision)
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
        context.database,
        archive,
        ArchiverMetrics(service.registry),
        after_seconds=settings.archive_after_seconds,
        every_seconds=settings.archive_every_seconds,
        enabled=settings.flags.archiving,
    )
    context.jobs.schedule(ArchiveVersions(), archiver.run, every_seconds=settings.archive_every_seconds)
    service.health.check("objects", lambda: store.probe(BUCKET), needed=False)
    tools = Tools(
        ledger=context.ledger,
        database=context.database,
        archive=archive,
        metrics=metrics,
        diagram_rows=diagram_rows(context.database),
        version_window=settings.version_window,
    )
    await consume(
        service,
        context,
        handlers,
        tools,
        hears=entry("diagram").hears,
        event_bulkheads=entry("diagram").event_bulkheads,
        delegations=DELEGATIONS,
        transient=(ObjectStoreUnavailable,),
    )


if __name__ == "__main__":
    run("diagram", DiagramSettings, compose)
