"""Programs from Debian's or Ubuntu's packages, unpacked into a folder of the stack, without root.

apt verifies downloads against the distribution's signatures; the hashes of the unpacked packages are recorded.
"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from compose.local.home import Home, OperatorError

WATCH_SECONDS = 0.2
UNSANDBOXED = "-oAPT::Sandbox::User="  # apt's own user cannot write to this folder

Names = Callable[[Sequence[str]], Awaitable[list[str]]]  # apt's options → names of the packages


class CommandFailed(Exception):
    """A program failed; the message has its name and the end of its output."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """*title* and *hint* are for messages: what is downloaded, and what to do if it is not available."""

    folder: str
    title: str
    names: Names
    hint: str


async def unpack(home: Home, bundle: Bundle) -> Path:
    """The folder with the bundle's files, as under ``/``; downloads them if needed. Raises ``OperatorError``."""
    root = home.programs / bundle.folder
    mark = root / ".installed"
    async with home.download_lock():
        if not mark.exists():
            if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
                raise OperatorError(
                    f"{bundle.title} is taken from Debian's or Ubuntu's packages, and there is no apt here: "
                    f"{bundle.hint}"
                )
            hashes = await _unpack(home, root, bundle)
            mark.write_text(json.dumps(hashes, indent=1), encoding="ascii")
    return root


async def _unpack(home: Home, root: Path, bundle: Bundle) -> dict[str, str]:
    debs = home.programs / "debs"
    try:
        await _download_with_lists(home, debs, bundle)
        _make_empty(root)
        hashes = {}
        for deb in sorted(debs.glob("*.deb")):
            hashes[deb.name] = hashlib.sha256(deb.read_bytes()).hexdigest()
            await run(["dpkg", "-x", str(deb), str(root)])
    except CommandFailed as failure:
        raise OperatorError(f"{bundle.title}'s packages could not be got ({failure}): {bundle.hint}") from None
    finally:
        shutil.rmtree(debs, ignore_errors=True)
    return hashes


async def _download_with_lists(home: Home, debs: Path, bundle: Bundle) -> None:
    """With the system's package lists; if they lack a package or are outdated, with a new copy of the lists."""
    try:
        await _download([], debs, bundle)
    except CommandFailed:
        own = home.programs / "apt"
        for folder in ("lists/partial", "cache/archives/partial"):
            (own / folder).mkdir(parents=True, exist_ok=True)
        options = [f"-oDir::State::lists={own}/lists", f"-oDir::Cache={own}/cache", "-oDebug::NoLocking=true"]
        with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as progress:
            progress.add_task("Getting the distribution's package lists", total=None)
            await run(["apt-get", *options, UNSANDBOXED, "-qq", "update"])
        await _download(options, debs, bundle)
        shutil.rmtree(own)


async def _download(options: Sequence[str], folder: Path, bundle: Bundle) -> None:
    names = await bundle.names(options)
    command = ["apt-get", *options, UNSANDBOXED, "-qq", "download"]
    listed = await run([*command, "--print-uris", *names])
    total = sum(int(line.split()[-2]) for line in listed.splitlines() if line.startswith("'"))
    _make_empty(folder)
    async with _progress_bar(folder, f"Getting {bundle.title} ({len(names)} packages)", total):
        await run([*command, *names], folder=folder)


@asynccontextmanager
async def _progress_bar(folder: Path, description: str, total_bytes: int) -> AsyncIterator[None]:
    """A progress bar from the size of *folder*: apt shows none if its output is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeElapsedColumn()) as progress:
        bar = progress.add_task(description, total=total_bytes)

        async def watch() -> None:
            while True:
                progress.update(bar, completed=sum(size for size in _sizes(folder)))
                await asyncio.sleep(WATCH_SECONDS)

        watcher = asyncio.create_task(watch())
        try:
            yield
            progress.update(bar, completed=total_bytes)
        finally:
            watcher.cancel()


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _sizes(folder: Path) -> Iterator[int]:
    for entry in os.scandir(folder):
        with _ignore_missing():
            yield entry.stat().st_size


@contextmanager
def _ignore_missing() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        return


async def run(command: Sequence[str], *, folder: Path | None = None, shown: bool = False) -> str:
    """The command's output. Raises ``CommandFailed``. Cancelling terminates the command."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown else subprocess.PIPE,
        cwd=folder,
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode:
        raise CommandFailed(f"{command[0]}: {(errors or b'').decode(errors='replace').strip()[-300:]}")
    return (output or b"").decode(errors="replace")
