"""A real nginx in front of a gateway: the distribution's own, got without root, as the launcher gets RabbitMQ."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from compose.local.home import DEFAULT, Home
from compose.local.packages import Bundle, run, unpack
from tests.eventually import eventually
from tests.servers import PROGRAMS, REPOSITORY

# One that compresses all that it may, weak tags and all: as `gzip on` is in most installations' configuration.
CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    gzip on; gzip_proxied any; gzip_min_length 20; gzip_types application/json application/problem+json;
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 11m;
        {locations}
    }}
}}
"""
AT_THE_ROOT = """
location / {{
    proxy_pass {upstream};
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
}}
"""


async def _names(options: Sequence[str]) -> list[str]:
    """nginx, and the libraries that its package asks for, whatever this distribution calls them."""
    shown = await run(["apt-cache", *options, "depends", "--no-recommends", "--no-suggests", "nginx"])
    needed = re.findall(r"^ +Depends: (lib[a-z0-9.+-]+)$", shown, re.MULTILINE)
    return ["nginx", *(name for name in needed if name != "libc6")]  # the C library is the system's, or nothing runs


async def _root() -> Path:
    home = Home(REPOSITORY / DEFAULT, programs=PROGRAMS).open()
    return await unpack(home, Bundle("nginx", "nginx", _names, "run the tests on Debian or Ubuntu"))


@asynccontextmanager
async def nginx_before(upstream: str, *, locations: str = AT_THE_ROOT) -> AsyncIterator[str]:
    """Its address, once it answers. *locations* are in its language, ``{upstream}`` is the gateway's."""
    root = await _root()
    libraries = ":".join(str(path) for place in ("lib", "usr/lib") for path in (root / place).glob("*-linux-gnu"))
    with TemporaryDirectory() as folder:
        port = _free_port()
        text = CONFIGURATION.format(port=port, locations=locations.format(upstream=upstream))
        (Path(folder) / "nginx.conf").write_text(text, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            str(root / "usr" / "sbin" / "nginx"),
            *("-p", folder, "-c", "nginx.conf", "-e", "error.log"),
            env={**os.environ, "LD_LIBRARY_PATH": libraries},
        )
        try:
            await eventually(lambda: _listens(process, Path(folder), port))
            yield f"http://127.0.0.1:{port}"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _listens(process: asyncio.subprocess.Process, folder: Path, port: int) -> bool:
    if process.returncode is not None:
        raise RuntimeError((folder / "error.log").read_text("utf-8"))
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return True
