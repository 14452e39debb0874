"""Packages come from where pip is told to look, whoever installs them."""

import asyncio
import base64
import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from compose.local.environment import Environment
from compose.local.installer import Installer
from compose.local.packages import CommandFailed
from tests.servers import REPOSITORY

NAME = "of-the-company"
FILE = "of_the_company-1.0-py3-none-any.whl"
WHO = "user:word"


@dataclass
class Mirror:
    """A company's index, which only those who sign in may read."""

    url: str = ""
    wheel: bytes = b""
    asked: list[str] = field(default_factory=list)

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.wheel).hexdigest()


def _wheel() -> bytes:
    info = "of_the_company-1.0.dist-info"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as files:
        files.writestr("of_the_company.py", "")
        files.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
        files.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        files.writestr(f"{info}/RECORD", f"of_the_company.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return content.getvalue()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    mirror = Mirror(wheel=_wheel())
    signed_in = f"Basic {base64.b64encode(WHO.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            mirror.asked.append(self.path)
            if self.headers["Authorization"] != signed_in:
                self._answer(401, b"", "text/plain")
            elif self.path == f"/simple/{NAME}/":
                page = f'<!DOCTYPE html><a href="/files/{FILE}#sha256={mirror.hash}">{FILE}</a>'
                self._answer(200, page.encode(), "text/html")
            elif self.path == f"/files/{FILE}":
                self._answer(200, mirror.wheel, "application/octet-stream")
            else:
                self._answer(404, b"", "text/plain")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror.url = f"http://{WHO}@127.0.0.1:{server.server_port}/simple"
        try:
            yield mirror
        finally:
            server.shutdown()


@pytest.fixture
async def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: Mirror) -> Environment:
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", mirror.url)
    lock = tmp_path / "requirements.lock"
    lock.touch()
    environment = Environment(tmp_path / "it's an environment, ö", lock, lambda _name, _state: None)
    await environment.make()
    lock.write_text(f"{NAME}==1.0 --hash=sha256:{mirror.hash}\n", encoding="ascii")
    return environment


@pytest.mark.parametrize(
    ("uv", "told", "by"),
    [
        pytest.param(True, {}, "uv", id="uv"),
        pytest.param(False, {}, "pip", id="no uv for this machine"),
        pytest.param(True, {"PIP_CONSTRAINT": "another<=1"}, "uv", id="a constraint of another package"),
        pytest.param(True, {"PIP_CONSTRAINT": "of_the.Company<=1"}, "pip", id="a constraint of this package"),
        pytest.param(True, {"PIP_KEYRING_PROVIDER": "disabled"}, "pip", id="pip is told what uv cannot follow"),
    ],
)
async def test_the_companys_index_is_asked_and_signed_in_to(
    environment: Environment,
    mirror: Mirror,
    monkeypatch: pytest.MonkeyPatch,
    *,
    uv: bool,
    told: dict[str, str],
    by: str,
) -> None:
    for number, (name, value) in enumerate(told.items()):
        file = environment.lock.with_name(f"constraints-{number}.txt")  # no blank: pip takes a list
        file.write_text(value, encoding="ascii")
        monkeypatch.setenv(name, str(file) if name == "PIP_CONSTRAINT" else value)
    program = REPOSITORY / ".venv" / "bin" / "uv"
    assert program.exists(), "make .venv/.development"

    await Installer(environment.python, program if uv else Path("/dev/null/uv")).install(environment.lock)

    assert f"/files/{FILE}" in mirror.asked
    [info] = environment.folder.glob("lib/python3*/site-packages/of_the_company-1.0.dist-info")
    assert (info / "INSTALLER").read_text(encoding="ascii").strip() == by


@pytest.mark.parametrize("uv", [True, False])
async def test_a_file_of_another_hash_is_not_installed(environment: Environment, *, uv: bool) -> None:
    environment.lock.write_text(f"{NAME}==1.0 --hash=sha256:{'0' * 64}\n", encoding="ascii")
    program = REPOSITORY / ".venv" / "bin" / "uv" if uv else Path("/dev/null/uv")

    with pytest.raises(CommandFailed, match=r"(?i)hash"):
        await Installer(environment.python, program).install(environment.lock)

    assert not list(environment.folder.glob("lib/python3*/site-packages/of_the_company*"))


@pytest.mark.parametrize("told", [{}, {"PIP_KEYRING_PROVIDER": "disabled"}], ids=["uv", "pip"])
async def test_no_line_is_an_installers_own(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, told: dict[str, str]
) -> None:
    """A folder that is not there makes pip warn of it for each package."""
    for name, value in ({"PIP_EXTRA_INDEX_URL": "file:///dev/null/none"} | told).items():
        monkeypatch.setenv(name, value)
    making = await asyncio.create_subprocess_exec(
        ".ci/venv", str(environment.folder), str(environment.lock),
        cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await making.communicate())[0].decode()

    assert making.returncode == 0, said
    assert "installing the 1 packages" in said
    assert all(re.match(r" *\d+\.\d s  python     [a-z]", line) for line in said.splitlines()), said


async def test_without_a_folder_to_keep_files_in_nothing_is_left_beside_the_environment(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/dev/null/none")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/none")

    await Installer(environment.python, REPOSITORY / ".venv" / "bin" / "uv").install(environment.lock)

    assert {entry.name for entry in environment.folder.iterdir()} <= {
        "bin", "include", "lib", "lib64", "pyvenv.cfg", ".gitignore", ".lock", ".made-in",
    }  # fmt: skip
