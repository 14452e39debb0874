"""A Docker engine for one run, out of the distribution's packages: nothing is installed, and all of it goes again.

It has process and mount namespaces of its own: with its first process everything that it started ends, and every mount
is undone, however the run ends. The network is the machine's, since ports are published and images are built there:
`tests/deploy/machine.py` undoes what it changed.
"""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from compose.local.home import Home, OperatorError
from compose.local.packages import Bundle, run, unpack
from tests.deploy.machine import alone, changed_back

# The engine, and what makes a base image and asks health: docker-cli is a package of its own since Debian 13.
PACKAGES = (
    "docker.io",
    "docker-cli",
    "containerd",
    "runc",
    "tini",
    "iptables",
    "debootstrap",
    "wget",
    "busybox-static",
)
# Of their libraries, those that not every Debian or Ubuntu has.
LIBRARIES = (
    "libdevmapper", "libip4tc", "libip6tc", "libmnl", "libnetfilter-conntrack", "libnfnetlink", "libnftnl", "libpsl",
    "libseccomp", "libxtables",
)  # fmt: skip
IPTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
START_SECONDS = 60
STOP_SECONDS = 60
POLL_SECONDS = 0.1


async def engine_programs(home: Home) -> Path:
    """The folder with the unpacked packages, beside the launcher's programs. Raises ``OperatorError``."""
    bundle = Bundle("engine", "a Docker engine", _names, "install Docker, and start it")
    return await unpack(home, bundle)


async def _names(options: Sequence[str]) -> list[str]:
    shown = await run(["apt-cache", *options, "show", "--no-all-versions", *PACKAGES])
    named = sorted({line.split()[1] for line in shown.splitlines() if line.startswith("Package:")})
    further = await run(
        [
            "apt-cache", *options, "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
            "--no-breaks", "--no-replaces", "--no-enhances", *named,
        ]
    )  # fmt: skip
    libraries = {line for line in further.splitlines() if line.startswith(LIBRARIES) and ":" not in line}
    return [*named, *sorted(libraries)]


def environment_of(root: Path, folder: Path) -> dict[str, str]:
    """To call the unpacked programs with: links to them come first on the PATH."""
    links = folder / "bin"
    links.mkdir(exist_ok=True)
    programs = [*root.glob("usr/bin/*"), *root.glob("usr/sbin/*")]
    # Installed, `iptables` is a link that the package's scripts make.
    multi = next(iter(root.glob("usr/sbin/xtables-nft-multi")))
    for name, program in [(program.name, program) for program in programs] + [(name, multi) for name in IPTABLES]:
        (links / name).unlink(missing_ok=True)
        (links / name).symlink_to(program.resolve())
    libraries = sorted({str(library.parent) for library in root.glob("*/**/lib*.so.*")})
    plugins = next(iter(root.glob("usr/lib/**/xtables")))
    config = folder / "docker-config"
    config.mkdir(mode=0o700, exist_ok=True)
    given = {
        name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "COMPOSE_", "BUILDX_"))
    }
    return given | {
        "PATH": f"{links}:{given.get('PATH', os.defpath)}:/usr/sbin:/sbin",
        "LD_LIBRARY_PATH": ":".join(libraries),
        "XTABLES_LIBDIR": str(plugins),
        "DEBOOTSTRAP_DIR": str(root / "usr" / "share" / "debootstrap"),
        "DOCKER_HOST": f"unix://{folder}/docker.sock",
        "DOCKER_CONFIG": str(config),
        "DOCKER_BUILDKIT": "1",
    }


@asynccontextmanager
async def own_engine(folder: Path, home: Home) -> AsyncIterator[Mapping[str, str]]:
    """The environment to reach it with. Raises ``OperatorError``."""
    environment = environment_of(await engine_programs(home), folder)
    async with alone():
        with changed_back(environment, folder), _dockerd(folder, environment) as daemon:
            await _answering(daemon, folder, environment)
            try:
                yield environment
            finally:
                _remove_containers(environment)


@contextmanager
def _dockerd(folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    settings = {
        "data-root": str(folder / "data"),
        "exec-root": str(folder / "exec"),
        "pidfile": str(folder / "dockerd.pid"),
        "hosts": [f"unix://{folder}/docker.sock"],
        "group": "root",
        "cgroup-parent": f"/{folder.name}",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],  # systemd, where it runs, knows nothing of this engine
        "ip6tables": False,
    }
    file = folder / "daemon.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    # Whoever kills this process outright ends all of it: the kernel ends `unshare`, and that the engine.
    command = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    with (folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            [*command, "dockerd", "--config-file", str(file)],
            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,  # Ctrl-C is for us to pass on
        )  # fmt: skip
    try:
        yield daemon
    finally:
        _stop(daemon)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    """`unshare` waits for dockerd, which is to be told; what does not end is killed with all that it started."""
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
    try:
        for child in children.read_text(encoding="ascii").split():
            os.kill(int(child), signal.SIGTERM)
        daemon.wait(STOP_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        daemon.kill()
        daemon.wait()


async def _answering(daemon: subprocess.Popen[bytes], folder: Path, environment: Mapping[str, str]) -> None:
    for _ in range(int(START_SECONDS / POLL_SECONDS)):
        if (folder / "docker.sock").exists() and _told(environment, "version", "--format", "{{.Server.Version}}"):
            return
        if daemon.poll() is not None:
            break
        await asyncio.sleep(POLL_SECONDS)
    last = (folder / "dockerd.log").read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
    raise OperatorError(f"A Docker engine of our own does not start here ({' '.join(last)}): start yours")


def _remove_containers(environment: Mapping[str, str]) -> None:
    """So that none has to be waited for when the engine stops, and their networks can go."""
    if containers := _told(environment, "ps", "--all", "--quiet").split():
        _told(environment, "rm", "--force", "--volumes", *containers)
    _told(environment, "network", "prune", "--force")


def _told(environment: Mapping[str, str], *words: str) -> str:
    """Nothing, if it does not answer."""
    command = ("docker", *words)
    try:
        done = subprocess.run(
            command, env=environment, check=False, capture_output=True, text=True, timeout=STOP_SECONDS
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip()
