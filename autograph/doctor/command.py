"""The command: checks each server, independently of the others."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Final

import aiohttp
import aiormq
import asyncpg
import typer
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from autograph.doctor import postgres, rabbitmq, redis, s3
from autograph.doctor.finding import CHECK_SECONDS, Finding
from autograph.installation import Installation, installation
from autograph.listing import print_table


def doctor(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")] = False
) -> None:
    """Check a running installation, and suggest remedies. Exit status 1: there are findings; 2: no server answers."""
    findings = asyncio.run(examine(installation()))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))  # noqa: T201 - this is the output
    elif findings:
        columns = ("finding", Column("description", max_width=60), Column("remedy", max_width=60))
        table = Table(*columns, box=None, pad_edge=False)
        for finding in findings:
            style = "bold red" if finding.error else "yellow"
            table.add_row(f"[{style}]{finding.code}[/]", escape(finding.what), escape(finding.do))
        print_table(table)
    else:
        Console().print("No problems found.")
    if findings:
        all_unreachable = {finding.code for finding in findings} >= {f"{server}_unreachable" for server in _CHECKS}
        raise typer.Exit(2 if all_unreachable else 1)


async def examine(found: Installation) -> list[Finding]:
    """All findings, errors first. A server that is unavailable is one finding; the others are still checked."""
    groups = await asyncio.gather(*(_run_check(server, check, found) for server, check in _CHECKS.items()))
    return sorted((finding for group in groups for finding in group), key=lambda one: (not one.error, one.code))


async def _run_check(
    server: str, check: Callable[[Installation], Awaitable[list[Finding]]], found: Installation
) -> list[Finding]:
    began = time.monotonic()
    try:
        async with asyncio.timeout(None if server in _WITHOUT_TIMEOUT else CHECK_SECONDS):
            return await check(found)
    except _UNREACHABLE as error:
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, TimeoutError) and not str(error):
            text = f"does not answer within {time.monotonic() - began:.0f} s"
        at_fault = server
        if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError) and server != "postgres":
            at_fault, text = "postgres", f"{server} cannot be checked without postgres: {text}"
        do = f"start {at_fault}, or mend its AUTOGRAPH_*_URL"
        return [Finding(f"{server}_unreachable", True, text[:200], do)]


# These checks read everything that is stored, so they have no overall limit; each single answer has one.
_WITHOUT_TIMEOUT: Final = ("postgres", "s3")

# What the clients raise if a server is unavailable or refuses the administrator.
_UNREACHABLE: Final = (
    OSError,  # also a timeout
    aiohttp.ClientError,
    aiormq.AMQPError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    RedisError,
    BotoCoreError,
    ClientError,
)

_CHECKS: Final[dict[str, Callable[[Installation], Awaitable[list[Finding]]]]] = {
    "postgres": postgres.check,
    "rabbitmq": rabbitmq.check,
    "redis": redis.check,
    "s3": s3.check,
}
