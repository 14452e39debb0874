"""RabbitMQ and Erlang, run from the folder in which they are unpacked, with all state in the home."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp

from chassis.bus.topology import MAX_MESSAGE_BYTES
from compose.local.home import Home, OperatorError
from compose.local.packages import CommandFailed, run
from compose.local.server import Spec

USER = "autograph-administrator"
VHOST = "autograph"
NODE = "autograph@localhost"
# RabbitMQ's and Erlang's start scripts and search paths cannot handle spaces, quotes and colons in a path, so each
# process refers to its files through its working directory.
HERE: Final = Path("/proc/self/cwd")
CALL_SECONDS: Final = 2.0


def url(home: Home) -> str:
    """The administrator's URL."""
    return f"amqp://{USER}:{home.secret('rabbitmq')}@127.0.0.1:{home.port('rabbitmq')}/{VHOST}"


def management_url(home: Home) -> str:
    return f"http://{USER}:{home.secret('rabbitmq')}@127.0.0.1:{home.port('rabbitmq-management')}"


def specs(home: Home, root: Path) -> tuple[Spec, Spec]:
    """epmd, which Erlang would otherwise start and never stop, and the broker."""
    state = home.subfolder("rabbitmq")
    packages = _link(state / "packages", root)
    release = _only(packages, "usr/lib/rabbitmq/lib/rabbitmq_server-*")
    erlang = _only(packages, "usr/lib/erlang")
    epmd = _only(erlang, "erts-*/bin/epmd", otherwise=erlang / "bin" / "epmd")
    port, distribution, epmd_port, management, metrics = home.ports(
        "rabbitmq", "rabbitmq-distribution", "rabbitmq-epmd", "rabbitmq-management", "rabbitmq-metrics"
    )
    _configure(home, state, port, management, metrics)
    home.subfolder("rabbitmq", "home")
    environment = _paths(state, packages, erlang, release) | {
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "ERL_EPMD_PORT": str(epmd_port),
    }

    async def ready() -> None:
        timeout = aiohttp.ClientTimeout(total=2)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(
                f"http://127.0.0.1:{management}/api/health/checks/alarms",
                headers={"Authorization": aiohttp.encode_basic_auth(USER, home.secret("rabbitmq"))},
            ) as answer,
        ):
            answer.raise_for_status()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()

    async def before_stop() -> None:
        with suppress(CommandFailed, OSError, TimeoutError):  # it then only takes longer
            await _remove_statistics_handler(state, erlang, environment)

    names = Spec(
        name="epmd",
        command=(str(HERE / epmd.relative_to(state)), "-port", str(epmd_port), "-address", "127.0.0.1"),
        environment=environment,
        folder=state,
        address=f"127.0.0.1:{epmd_port}",
        kind="epmd",
    )
    broker = Spec(
        name="rabbitmq",
        command=(str(HERE / release.relative_to(state) / "sbin" / "rabbitmq-server"),),
        environment=environment,
        folder=state,
        ready=ready,
        address=f"127.0.0.1:{port}",
        metrics_url=f"http://127.0.0.1:{metrics}/metrics",
        before_stop=before_stop,
        stop_signal=signal.SIGTERM,
        stop_seconds=15.0,
        ready_seconds=120.0,
    )
    return names, broker


async def _remove_statistics_handler(state: Path, erlang: Path, environment: Mapping[str, str]) -> None:
    """Saves the 5 s that this handler waits when the broker stops (before RabbitMQ 3.13.2, see its pull request 11070).

    It sets a variable of the application controller, which itself is waiting for the handler's end.
    """
    call = HERE / erlang.relative_to(state) / "bin" / "erl_call"  # takes the cookie from HOME
    handler = "gen_event delete_handler [rabbit_event,rabbit_mgmt_db_handler,[]]"
    async with asyncio.timeout(CALL_SECONDS):
        await run([str(call), "-n", NODE, "-a", handler], folder=state, environment=environment)


def _configure(home: Home, state: Path, port: int, management: int, metrics: int) -> None:
    (state / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_prometheus].\n", encoding="ascii")
    configuration = state / "rabbitmq.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f"""\
listeners.tcp.default = 127.0.0.1:{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {metrics}
default_user = {USER}
default_pass = {home.secret("rabbitmq")}
default_vhost = {VHOST}
default_user_tags.administrator = true
loopback_users.guest = true
log.file = false
log.console = true
log.console.level = warning
vm_memory_high_watermark.absolute = 1GiB
disk_free_limit.absolute = 200MB
consumer_timeout = 1800000
max_message_size = {MAX_MESSAGE_BYTES}
""",
        encoding="utf-8",
    )
    cookie = home.subfolder("rabbitmq", "home") / ".erlang.cookie"
    if not cookie.exists():
        cookie.touch(mode=0o600)
        cookie.write_text(home.secret("erlang-cookie"), encoding="ascii")
        cookie.chmod(0o400)


def _link(link: Path, target: Path) -> Path:
    """Makes *link* point to *target*, also after either was moved."""
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return link


def _paths(state: Path, *folders: Path) -> dict[str, str]:
    """*folders* in *state*: those of the packages, of Erlang and of the broker."""
    packages, erlang, release = (HERE / folder.relative_to(state) for folder in folders)
    libraries = sorted(folder.relative_to(state) for folder in folders[0].glob("usr/lib/*-linux-gnu*"))
    state = HERE
    return {
        "HOME": str(state / "home"),
        "PATH": f"{erlang}/bin:{packages}/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": ":".join(str(HERE / folder) for folder in libraries),
        "ERL_ROOTDIR": str(erlang),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_HOME": str(release),
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(state / "mnesia"),
        "RABBITMQ_MNESIA_DIR": str(state / "mnesia" / "node"),
        "RABBITMQ_PLUGINS_EXPAND_DIR": str(state / "plugins-expand"),
        "RABBITMQ_LOG_BASE": str(state / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(state / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(state / "rabbitmq.conf"),
        # Paths that do not exist, so that no files in /etc are read.
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(state / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(state / "rabbitmq-env.conf"),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(state / "feature_flags"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(state / "config"),
        "RABBITMQ_PID_FILE": str(state / "rabbit.pid"),
        # Without this the distribution port listens on all addresses.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # The start script then execs the broker instead of waiting for it.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def _only(folder: Path, pattern: str, *, otherwise: Path | None = None) -> Path:
    found = sorted(folder.glob(pattern))
    if found:
        return found[-1]
    if otherwise is not None:
        return otherwise
    raise OperatorError(
        f"The broker's packages are laid out in an unknown way (no {pattern}): remove {folder} to get them anew"
    )
