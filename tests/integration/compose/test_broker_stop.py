"""The broker stops without waiting for itself."""

from pathlib import Path

import pytest

from compose.local import provision
from compose.local.home import Home
from compose.local.packages import run
from compose.local.servers import rabbitmq
from compose.local.supervisor import Supervisor
from tests.servers import PROGRAMS


@pytest.mark.slow("starts and stops a broker")
async def test_the_statistics_handler_which_would_wait_for_five_seconds_is_removed_before_the_broker_stops(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "it's a home", programs=PROGRAMS).open()
    specs = rabbitmq.specs(home, await provision.broker(home))
    broker = specs[1]

    async def handlers() -> str:
        call = "packages/usr/lib/erlang/bin/erl_call"
        asked = [call, "-n", rabbitmq.NODE, "-a", "gen_event which_handlers [rabbit_event]"]
        return await run(asked, folder=broker.folder, environment=broker.environment)

    with home.locked():
        supervisor = Supervisor(home, lambda _name, _state: None)
        try:
            await supervisor.start(specs)
            assert "rabbit_mgmt_db_handler" in await handlers()
            await broker.before_stop()
            assert "rabbit_mgmt_db_handler" not in await handlers()
        finally:
            await supervisor.stop()
    assert not home.state().processes
