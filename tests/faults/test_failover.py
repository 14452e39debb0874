"""PostgreSQL's primary is lost for good, and its standby takes its place."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from compose.local.server import Spec
from compose.local.servers.postgres import USER
from compose.local.stack import server_specs
from tests.eventually import eventually
from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.stack import FaultStack, fault_stack

pytestmark = pytest.mark.matrix

BACK_SECONDS = 10.0


async def test_nothing_is_lost_when_a_synchronous_standby_takes_over(tmp_path: Path, rows: list[Row]) -> None:
    async with (
        fault_stack(tmp_path / "stack", before_services=with_standby) as stack,
        under_load(stack, rows, "PostgreSQL fails over") as run,
    ):
        # Whatever starts the old primary again finds one that takes no writes: nobody may be led back to it.
        (stack.home.folder / "postgres" / "standby.signal").touch()
        stack.send("postgres", signal.SIGQUIT)
        run.count("SIGQUIT")
        connection = await asyncpg.connect(standby_url(stack))
        assert await connection.fetchval("SELECT pg_promote()")
        run.count("promotions")
        await connection.close()
        servers = replace(stack.installation.servers, postgres_url=standby_url(stack))
        stack.installation = replace(stack.installation, servers=servers)
        assert await run.recovered() <= BACK_SECONDS
        await run.until_told(40)


async def with_standby(stack: FaultStack) -> None:
    """Nothing is acknowledged to a client of the primary before the standby has it on its disk."""
    primary = urlsplit(stack.installation.servers.postgres_url)
    port = stack.home.port("standby")
    data = stack.home.folder / "standby"
    spec = await _postgres(stack)
    binaries = Path(next(word for word in spec.command if word.endswith("/bin/postgres"))).parent
    copying = await asyncio.create_subprocess_exec(
        *(binaries / "pg_basebackup", "-D", data, "-h", "127.0.0.1", "-p", str(primary.port), "-U", USER),
        *("--write-recovery-conf", "--checkpoint=fast"),
        env={"PGPASSWORD": primary.password or ""},
    )
    assert await copying.wait() == 0
    stack.standby = f"127.0.0.1:{port}"
    command = [str(data) if word == str(stack.home.folder / "postgres") else word for word in spec.command]
    command[command.index("-p") + 1] = str(port)

    async def ready() -> None:
        connection = await asyncpg.connect(standby_url(stack), timeout=2)
        await connection.close()

    await stack.start_server(replace(spec, name="standby", command=tuple(command), ready=ready))
    connection = await stack.postgres()
    try:
        await connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await connection.execute("SELECT pg_reload_conf()")

        async def is_synchronous() -> bool:
            return bool(await connection.fetchval("SELECT true FROM pg_stat_replication WHERE sync_state = 'sync'"))

        await eventually(is_synchronous)
    finally:
        await connection.close()


def standby_url(stack: FaultStack) -> str:
    url = urlsplit(stack.installation.servers.postgres_url)
    return url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@{stack.standby}").geturl()


async def _postgres(stack: FaultStack) -> Spec:
    async for specs in server_specs(stack.home, {}):
        for spec in specs:
            if spec.name == "postgres":
                return spec
    raise LookupError("the stack has no PostgreSQL of its own")
