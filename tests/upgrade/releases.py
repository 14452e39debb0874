"""Two releases' code: the previous one out of the repository's history, and this one as it lies here."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers import REPOSITORY

PREVIOUS = Path(__file__).parent / "previous-release"  # its version and its commit, one line
OPERATOR_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Release:
    """Code in a folder. It runs with the libraries of whoever runs the tests, also where it asked for older ones."""

    name: str
    folder: Path

    async def python(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """What this release's code says, run from its folder. Raises ``AssertionError`` if it fails."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, *arguments],
            cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=OPERATOR_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, f"{self.name}: {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    async def newest_revision(self) -> str:
        return await self.python("-c", "from autograph.database import newest_revision; print(newest_revision())")


def previous_version_and_commit() -> tuple[str, str]:
    version, commit = PREVIOUS.read_text("ascii").split()
    return version, commit


def previous_release(folder: Path, *, clone: Path = REPOSITORY) -> Release:
    """As it was committed, unpacked into *folder*. Raises ``AssertionError`` with the way out if *clone* lacks it."""
    version, commit = previous_version_and_commit()
    archive = subprocess.run(["git", "archive", "--format=tar", commit], cwd=clone, capture_output=True, check=False)
    assert archive.returncode == 0, (
        f"{clone} does not have {commit}, release {version}, against which upgrades are tested: it needs the whole"
        f" history (`git fetch --unshallow`; in CI a fetch depth of 0). git says: {archive.stderr.decode().strip()}"
    )
    folder.mkdir()
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    return Release(f"release {version}", folder)


def this_release(folder: Path, more: Mapping[str, str] | None = None) -> Release:
    """As it lies here, committed or not. *more*: path → what stands there as well, behind what the file has."""
    for package in REPOSITORY.glob("*/__init__.py"):
        name = package.parent.name
        shutil.copytree(package.parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in (more or {}).items():
        with (folder / path).open("a", encoding="utf-8") as file:
            file.write(text)
    return Release("this release", folder)
