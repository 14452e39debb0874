"""Programs from Debian's or Ubuntu's own packages, unpacked into a folder of ours: no root is needed.

apt verifies what it downloads against the distribution's signatures; the hashes of what was unpacked are kept.
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

from compose.local.programs import CannotProvide, ProgramsFolder
from compose.local.progress import Report, now, reported, reporter

MEGABYTE = 1_000_000
UNSANDBOXED = "-oAPT::Sandbox::User="  # our folder is ours alone: apt's own user could not write to it

Names = Callable[[Sequence[str]], Awaitable[list[str]]]  # the packages wanted, by apt's options


class Failed(Exception):  # noqa: N818 - states the outcome
    """A program ended with another status than 0; the text says which, and the end of what it said."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """*title* and *way_out* are for people: what is being got, and what they can do where it is not to be had."""

    folder: str
    title: str
    names: Names
    way_out: str


async def unpacked(place: ProgramsFolder, bundle: Bundle, report: Report | None = None) -> Path:
    """The folder with the bundle's files, as under ``/``. Raises ``CannotProvide``."""
    root = place.programs / bundle.folder
    mark = root / ".installed"
    if mark.exists():
        return root
    report = report or reporter(now())
    async with place.providing(bundle.folder, report):
        if mark.exists():  # another process got it meanwhile
            return root
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            raise CannotProvide(
                f"{bundle.title} is taken from Debian's or Ubuntu's packages, and there is no apt here: "
                f"{bundle.way_out}"
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
    except Failed as failure:
        raise CannotProvide(f"{bundle.title}'s packages could not be got ({failure}): {bundle.way_out}") from None
    finally:
        shutil.rmtree(debs, ignore_errors=True)
    return hashes


async def _download_with_lists(programs: Path, debs: Path, bundle: Bundle, report: Report) -> None:
    """By the system's package lists; where they lack a package or are stale, by new ones of our own."""
    try:
        await _download([], debs, bundle, report)
    except Failed:
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
    """Its output. Raises ``Failed``; whoever is cancelled meanwhile ends it."""
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
        raise Failed(f"{command[0]}: {errors.decode(errors='replace').strip()[-300:]}")
    return output.decode(errors="replace")
