"""What all commands on one diagram do: lock it, invalidate what is cached of it, and publish what has changed."""

from typing import Protocol
from uuid import UUID

from chassis.unit_of_work import UnitOfWork, Work
from contracts.diagram.diagrams import DiagramSummary
from contracts.message import Event
from workers.diagram.diagrams import storage
from workers.diagram.diagrams.storage import LockedDiagram


class OneDiagram(Protocol):
    """A command on a diagram that exists."""

    @property
    def id(self) -> UUID: ...
    def invalidated_names(self) -> tuple[str, ...]: ...


async def locked(work: UnitOfWork, command: OneDiagram, owner: UUID) -> LockedDiagram:
    """Locks the diagram, and invalidates its cache entry even if this command changes nothing or is refused.

    An earlier change may be committed but not yet invalidated by its process: the client that gets this command's
    outcome must not read the older entry. Raises ``DiagramNotFound``.
    """
    work.invalidate(*command.invalidated_names())
    return await storage.lock(work.connection, command.id, owner)


def announce(work: Work, event: Event, diagram: DiagramSummary, *, sequence: int) -> None:
    owner = str(diagram.owner_id)
    work.publish(event, subject=f"diagram/{diagram.id}", sequence=sequence, partitionkey=owner)
