"""What is shipped is what the source says: built again, in an empty folder, the page has the same bytes."""

import asyncio
import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

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


# What a browser loads until the page is there, in bytes of gzip.
PAGE = ("index.html",)
SIGNED_IN = (*PAGE, "src/app/SignedIn.tsx")
DIAGRAM = (*SIGNED_IN, "src/editors/DiagramPage.tsx", "src/editors/Workspace.tsx")
BUDGETS = {
    "sign-in": (PAGE, 90_000),
    "dashboard": ((*SIGNED_IN, "src/dashboard/Dashboard.tsx"), 150_000),
    "canvas": ((*DIAGRAM, "src/editors/canvas/Canvas.tsx"), 500_000),
    "note": ((*DIAGRAM, "src/editors/note/Note.tsx"), 420_000),
}


def loaded(manifest: dict[str, Any], names: tuple[str, ...]) -> set[str]:
    """The files of *names* and of all that they import."""
    left, seen = list(names), set[str]()
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += manifest[name].get("imports", [])
    return {file for name in seen for file in (manifest[name]["file"], *manifest[name].get("css", []))}


@pytest.mark.parametrize("view", BUDGETS)
def test_a_view_loads_no_more_than_its_budget(view: str) -> None:
    manifest = json.loads((COMMITTED / "manifest.json").read_text())
    names, budget = BUDGETS[view]
    sizes = {file: len(gzip.compress((COMMITTED / file).read_bytes())) for file in loaded(manifest, names)}
    assert sum(sizes.values()) <= budget, sorted(sizes.items(), key=lambda item: -item[1])[:8]
