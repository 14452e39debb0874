"""The image that ours are built on, where no registry can be reached: Python on this machine's own distribution.

Builds on it reach the package index as pip does here: it carries the machine's certificates and pip's settings, which
are read when it is made and are written down nowhere else.
"""

import asyncio
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from compose.local.home import Home, OperatorError
from compose.local.packages import CommandFailed, run
from tests.deploy.engine import Engine

PACKAGES = "python3,python3-venv,libpython3-stdlib,ca-certificates"
NOT_NEEDED = (
    "var/cache/apt/archives/*.deb",
    "var/lib/apt/lists/*",
    "usr/share/doc/*",
    "usr/share/locale/*",
    "var/log/*",
)
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Of pip's settings those that are of use elsewhere: a folder of this machine's is not in the image.
SETTINGS = ("index-url", "extra-index-url", "trusted-host", "timeout", "proxy")
RELEASE = Path("/etc/os-release")
BUILD_SECONDS = 1200


async def make_base(engine: Engine, home: Home, environment: Mapping[str, str], name: str) -> None:
    """Under *name*. *environment* has `debootstrap`. Raises ``OperatorError``."""
    archive = await _archive(home, environment)
    await _docker(engine, "import", str(archive), f"{name}-bare")
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as files:
        _add(files, "Dockerfile", f"FROM {name}-bare\nCOPY pip.conf /etc/\nCOPY ca.crt {CERTIFICATES}\n".encode())
        _add(files, "pip.conf", (await asyncio.to_thread(_pip_settings)).encode())
        _add(files, "ca.crt", await asyncio.to_thread(CERTIFICATES.read_bytes))
    await _docker(engine, "build", "--quiet", "--tag", name, "-", text=context.getvalue())


def _add(files: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    files.addfile(entry, io.BytesIO(content))


async def _archive(home: Home, environment: Mapping[str, str]) -> Path:
    """Made once, and kept beside the launcher's programs."""
    mirror, suite = await _mirror(await asyncio.to_thread(RELEASE.read_text, "utf-8"))
    archive = home.programs / f"base-{suite}.tar"
    if archive.exists():
        return archive
    print(f"Making a base image of {suite}", flush=True)
    with tempfile.TemporaryDirectory(dir=home.programs) as folder:
        root, new = Path(folder, "root"), Path(folder, archive.name)
        # What it mounts is seen by nobody else, and goes with it.
        debootstrap = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={PACKAGES}"]
        try:
            given = [f"{name}={value}" for name, value in environment.items()]
            await run(["env", *given, *debootstrap, suite, str(root), mirror])
            _make_small(root)
            await run(["tar", "--create", "--one-file-system", f"--directory={root}", f"--file={new}", "."])
        except CommandFailed as failure:
            way_out = "let Docker reach its registry"
            raise OperatorError(f"No base image could be made from {mirror} ({failure}): {way_out}") from None
        await asyncio.to_thread(new.rename, archive)
    return archive


def _make_small(root: Path) -> None:
    for pattern in NOT_NEEDED:
        for place in root.glob(pattern):
            shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()


async def _mirror(release: str) -> tuple[str, str]:
    """Where apt gets this distribution from here, and what the distribution is called."""
    suite = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', release, re.MULTILINE)).get("VERSION_CODENAME", "")
    try:
        told = await run(["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"])
    except (CommandFailed, FileNotFoundError):
        told = ""
    for line in told.splitlines():
        codename, _, uri = line.partition(" ")
        if suite and codename == suite:
            return uri, suite
    raise OperatorError(
        "apt names no mirror of this distribution to make a base image from: let Docker reach its registry"
    )


def _pip_settings() -> str:
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    found = {"cert": str(CERTIFICATES)}
    if proxy := os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        found["proxy"] = proxy
    for line in told.splitlines():
        name, _, value = line.partition("=")
        name = name.rpartition(".")[2]
        words = [word for word in value.strip("'\"").replace("\\n", " ").split() if "file:" not in word]
        if name in SETTINGS and words:
            found[name] = " ".join(words)
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in found.items())


async def _docker(engine: Engine, *words: str, text: bytes = b"") -> None:
    done = await asyncio.to_thread(
        subprocess.run, ("docker", *words), env=dict(engine.environment), input=text, check=False, capture_output=True,
        timeout=BUILD_SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise OperatorError(f"docker {words[0]}: {done.stderr.decode(errors='replace').strip()[-500:]}")
