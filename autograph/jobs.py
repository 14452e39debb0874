"""``autograph jobs``: work that a service does outside of messages, and its schedules."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import asyncpg
import typer
from rich.console import Console

from autograph.installation import Installation, installation
from autograph.listing import AsJson, show
from chassis.database import DirectConnection
from compose.local.home import OperatorError
from contracts.catalogue import WORKERS

MAX_LISTED: Final = 1_000  # of one worker
SHORTEST_ID: Final = 8  # characters

app: Final = typer.Typer(no_args_is_help=True, help="List, retry and cancel the services' jobs and schedules.")
Worker = Annotated[str | None, typer.Option(help="Only this worker's.")]
Everything = Annotated[bool, typer.Option("--all", help="Also those that succeeded or were cancelled.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `jobs list` shows it; the beginning is enough.")]


@app.command("list")
def list_jobs(*, worker: Worker = None, everything: Everything = False, as_json: AsJson = False) -> None:
    """List schedules, and jobs that wait, run or have failed; the ones that are due first."""
    show(
        asyncio.run(jobs(installation(), worker, everything=everything)), as_json=as_json, nothing="There are no jobs."
    )


@app.command()
def retry(job: Id) -> None:
    """Run a job now: one that has failed or was cancelled with all its attempts, one that waits before it is due."""
    row = asyncio.run(change(installation(), job, _RETRY, "runs already, or has succeeded"))
    Console(soft_wrap=True, highlight=False).print(f"queued: {row['name']} {row['id']}")


@app.command()
def cancel(job: Id) -> None:
    """Cancel a job, also one that runs: nothing that it still does is kept. A schedule begins again with its worker."""
    row = asyncio.run(change(installation(), job, _CANCEL, "has ended"))
    Console(soft_wrap=True, highlight=False).print(f"cancelled: {row['name']} {row['id']}")


async def jobs(found: Installation, worker: str | None = None, *, everything: bool = False) -> list[dict[str, Any]]:
    """*due_at*: when it may be run, or when the lease of the process that runs it ends."""
    if worker is not None and worker not in WORKERS:
        raise OperatorError(f"There is no worker {worker}: it is one of {', '.join(WORKERS)}")
    states = ["queued", "running", "failed", *(["succeeded", "cancelled"] if everything else [])]
    async with _connected(found) as connection:
        return [
            {"worker": schema, **record}
            for schema in WORKERS
            if worker in (None, schema)
            for record in await connection.fetch(_LIST.format(schema=schema), states, MAX_LISTED)
        ]


async def change(found: Installation, job: str, statement: str, otherwise: str) -> dict[str, Any]:
    """Raises ``OperatorError`` if no job, or more than one, has an id that begins so, or if it cannot be changed."""
    if len(job) < SHORTEST_ID:
        raise OperatorError(f"At least {SHORTEST_ID} characters of the id are needed")
    async with _connected(found) as connection:
        rows = [
            (schema, record["id"])
            for schema in WORKERS
            for record in await connection.fetch(_FIND.format(schema=schema), job.lower())
        ]
        if len(rows) != 1:
            raise OperatorError(f"{'No job has' if not rows else 'Several jobs have'} an id that begins with {job}")
        [(schema, job_id)] = rows
        record = await connection.fetchrow(statement.format(schema=schema), job_id)
    if record is None:
        raise OperatorError(f"Job {job_id} {otherwise}: nothing was changed")
    return dict(record)


@asynccontextmanager
async def _connected(found: Installation) -> AsyncIterator[DirectConnection]:
    connection = await asyncpg.connect(found.servers.postgres_url, timeout=5, command_timeout=30)
    try:
        yield connection
    finally:
        await connection.close()


_LIST: Final = """
    SELECT id::text, name AS job, state, coalesce(lease_until, due_at) AS due_at, every_seconds, attempt, failures,
           started_at, ended_at, error
    FROM {schema}.jobs
    WHERE state = ANY($1::text[])
    ORDER BY coalesce(lease_until, due_at), id
    LIMIT $2
"""
_FIND: Final = "SELECT id FROM {schema}.jobs WHERE starts_with(id::text, $1) LIMIT 2"
_RETRY: Final = """
    UPDATE {schema}.jobs SET state = 'queued', due_at = now(), attempt = 0, failures = 0
    WHERE id = $1 AND state IN ('queued', 'failed', 'cancelled')
    RETURNING id::text, name
"""
_CANCEL: Final = """
    UPDATE {schema}.jobs
    SET state = 'cancelled', error = 'by the operator', lease_token = NULL, lease_until = NULL, ended_at = now()
    WHERE id = $1 AND state IN ('queued', 'running')
    RETURNING id::text, name
"""
