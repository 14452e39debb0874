"""What all commands on one diagram do: lock it, invalidate what is cached of it, and publish what has changed."""

from typing import Protocol
from uuid import UUID

from chassis.unit_of_work import UnitOfWork, Work
from contracts.diagram.diagrams import DiagramChanged, DiagramSummary
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


def announce_change(work: UnitOfWork, diagram: DiagramSummary, found: LockedDiagram, *changed: str) -> None:
    """Publish what changed since the lock: fields of the diagram, or of its versions.

    ``version`` is a new version; ``versions`` says that one has another label, or takes no more changes.
    """
    event = DiagramChanged(
        diagram_id=diagram.id,
        owner_id=diagram.owner_id,
        changed=changed,
        version=diagram.version,
        revision=diagram.revision,
    )
    announce(work, event, diagram, sequence=found.next_sequence)


def announce(work: Work, event: Event, diagram: DiagramSummary, *, sequence: int) -> None:
    owner = str(diagram.owner_id)
    work.publish(event, subject=f"diagram/{diagram.id}", sequence=sequence, partitionkey=owner)
