"""What a worker does by its flags, in the worker as it is put together."""

from chassis.flags import Flags
from chassis.lifecycle import Service
from tests.integration.gateway.local_system import LocalSystem, running
from workers.diagram.__main__ import compose
from workers.diagram.settings import DiagramSettings


def background(service: Service[DiagramSettings]) -> set[str]:
    return {task.get_name() for task in service._tasks._running}


async def test_a_worker_without_archiving_has_the_same_parts_and_says_so(system: LocalSystem) -> None:
    """Its archiver does nothing; the schedule stays, for the processes that have the flag."""
    settings = system.diagram.settings.model_copy(update={"flags": Flags(archiving=False)})

    async with running(Service("diagram", settings), compose) as worker:
        assert background(system.diagram) == background(worker)
        shown = worker.registry.get_sample_value("autograph_flag_enabled", {"flag": "archiving"})
        assert (shown, system.diagram.registry.get_sample_value("autograph_flag_enabled", {"flag": "archiving"})) == (
            0,
            1,
        )
