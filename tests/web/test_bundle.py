"""What is shipped is what the source says: built again, in an empty folder, the page has the same bytes."""

import asyncio
import hashlib
import os
from pathlib import Path

from tests.servers import REPOSITORY

COMMITTED = REPOSITORY / "gateway" / "page"
VITE = REPOSITORY / "web" / "node_modules" / "vite" / "bin" / "vite.js"
WITHIN_SECONDS = 180.0


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


async def test_the_committed_page_is_what_its_source_builds(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        str(REPOSITORY / ".ci" / "node"), str(VITE), "build", "--logLevel", "error",
        cwd=REPOSITORY / "web",
        env={**os.environ, "OUT": str(tmp_path / "page")},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(WITHIN_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")[-4_000:]
    assert digests(tmp_path / "page") == digests(COMMITTED), "the page is not what web/ builds: make web"
