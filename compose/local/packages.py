"""Programs from Debian's or Ubuntu's packages, unpacked into a folder of the stack, without root.

apt verifies downloads against the distribution's signatures; the hashes of the unpacked packages are recorded.
"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from compose.local.programs import OperatorError, ProgramsFolder
from compose.local.progress import Report, now, reported, reporter

MEGABYTE = 1_000_000
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


async def unpack(place: ProgramsFolder, bundle: Bundle, report: Report | None = None) -> Path:
    """The folder with the bundle's files, as under ``/``; downloads them if needed. Raises ``OperatorError``."""
    root = place.programs / bundle.folder
    mark = root / ".installed"
    if mark.exists():
        return root
    report = report or reporter(now())
    async with place.providing(bundle.folder, report):
        if mark.exists():  # another process got it meanwhile
            return root
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            raise OperatorError(
                f"{bundle.title} is taken from Debian's or Ubuntu's packages, and there is no apt here: {bundle.hint}"
            )
        hashes = await _unpack(place.programs, root, bundle, report)
        mark.write_text(json.dumps(hashes, indent=1), encoding="ascii")
    return root


async def _unpack(programs: Path, root: Path, bundle: Bundle, report: Report) -> dict[str, str]:
    debs = programs / f"debs-{bundle.folder}"
    try:
        await _download_with_lists(programs, debs, bundle, report)
        async with reported(report, bundle.title, "unpacking"):
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


async def _download_with_lists(programs: Path, debs: Path, bundle: Bundle, report: Report) -> None:
    """With the system's package lists; if they lack a package or are outdated, with a new copy of the lists."""
    try:
        await _download([], debs, bundle, report)
    except CommandFailed:
        own = programs / f"apt-{bundle.folder}"
        for folder in ("lists/partial", "cache/archives/partial"):
            (own / folder).mkdir(parents=True, exist_ok=True)
        options = [f"-oDir::State::lists={own}/lists", f"-oDir::Cache={own}/cache", "-oDebug::NoLocking=true"]
        async with reported(report, bundle.title, "getting the distribution's package lists"):
            await run(["apt-get", *options, UNSANDBOXED, "-qq", "update"])
        await _download(options, debs, bundle, report)
        shutil.rmtree(own)


async def _download(options: Sequence[str], folder: Path, bundle: Bundle, report: Report) -> None:
    names = await bundle.names(options)
    command = ["apt-get", *options, UNSANDBOXED, "-qq", "download"]
    listed = await run([*command, "--print-uris", *names])
    total = sum(int(line.split()[-2]) for line in listed.splitlines() if line.startswith("'"))
    _make_empty(folder)

    def how_far() -> str:
        return f"{sum(_sizes(folder)) / MEGABYTE:.0f} of {total / MEGABYTE:.0f} MB"

    async with reported(report, bundle.title, f"getting {len(names)} packages, {total / MEGABYTE:.0f} MB", how_far):
        await run([*command, *names], folder=folder)


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _sizes(folder: Path) -> Iterator[int]:
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):  # gone meanwhile
            yield entry.stat().st_size


async def run(
    command: Sequence[str], *, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """The command's output. Raises ``CommandFailed``. Cancelling terminates the command."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode:
        raise CommandFailed(f"{command[0]}: {errors.decode(errors='replace').strip()[-300:]}")
    return output.decode(errors="replace")
