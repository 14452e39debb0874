"""The programs of `.venv-clients` and `.venv-web`, which `make test-clients` makes: held to their hashes."""

import asyncio
import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
ENVIRONMENT = ROOT / ".venv-clients"
NPM = ENVIRONMENT / "npm" / "node_modules"
DESCRIPTION = ROOT / "docs" / "openapi.json"

WITHIN_SECONDS = 180.0


async def run(*command: str | Path, folder: Path, **environment: str) -> str:
    """What it said. Fails the test if it ends with another status than 0, or not in time."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}", **environment},
    )
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = output.decode(errors="replace")
    assert process.returncode == 0, f"{command[0]}: {said[-6000:]}"
    return said


async def node(script: Path, *arguments: str | Path, folder: Path, **environment: str) -> str:
    """*script* by the Node.js of the lock file, and never by one that happens to be there."""
    return await run(ROOT / ".ci" / "node", script, *arguments, folder=folder, **environment)


def python(name: str = "python") -> Path:
    program = ENVIRONMENT / "bin" / name
    assert program.exists(), f"{program} is missing: make .venv-clients/.clients"
    return program
