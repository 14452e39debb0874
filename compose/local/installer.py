"""Installs locked packages: with uv, or with pip where there is no uv or where pip is told what uv cannot follow.

Whatever pip is told (`pip config`, PIP_…: a company's index, its certificate, a proxy) holds for uv too. Standard
library only: this makes the environment that everything else runs in.
"""

import ast
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from compose.local.packages import CommandFailed, run

LOCK_OF_UV = Path(__file__).parents[2] / "requirements-uv.lock"
# Of pip's settings those that uv has under another name.
FOLLOWED = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
}
PLACES = ("index-url", "extra-index-url", "find-links")
# Of pip's settings those that change nothing about which file is installed, or that our own options overrule.
WITHOUT_EFFECT = frozenset(
    {
        "break-system-packages", "cache-dir", "compile", "config-file", "debug", "disable-pip-version-check",
        "exists-action", "format", "log", "log-file", "no-cache-dir", "no-clean", "no-color", "no-compile", "no-input",
        "no-python-version-warning", "no-warn-conflicts", "no-warn-script-location", "only-binary", "prefer-binary",
        "progress-bar", "quiet", "require-hashes", "require-virtualenv", "root-user-action", "upgrade",
        "upgrade-strategy", "use-pep517", "user", "verbose",
    }
)  # fmt: skip
SECTIONS = ("global", "install", ":env:")  # the later one holds
FALSE = ("", "0", "false", "n", "no", "off", "f")


class NotFollowed(Exception):
    """pip is told something that uv has no word for."""


class Installer:
    """Of the environment whose Python is *python*, which has pip; uv is found beside it or at *uv*."""

    def __init__(self, python: Path, uv: Path | None = None) -> None:
        self._python = python
        self._uv = uv or python.with_name("uv")
        self.why_pip = ""  # and not uv: of the last installation

    @classmethod
    def here(cls) -> "Installer":
        return cls(Path(sys.executable))

    async def install(self, lock: Path, *, target: Path | None = None) -> None:
        """What *lock* names, each file by its hash, into the environment or *target*. Raises ``CommandFailed``."""
        if os.access(self._uv, os.X_OK) and await self._installed_with_uv(lock, target):
            return
        await self.install_with_pip(lock, target=target)

    async def _installed_with_uv(self, lock: Path, target: Path | None) -> bool:
        """False: pip must do it. A failure of uv's is no reason to give up, since pip may know a way."""
        command = [
            str(self._uv), "pip", "install", "--python", str(self._python), "--require-hashes",
            "--only-binary", ":all:",
            "--index-strategy", "unsafe-best-match", "--no-progress", "--color", "never",
        ]  # fmt: skip
        # What is unpacked for a server is no Python that we run.
        command += ["--no-deps", "--target", str(target)] if target else ["--compile-bytecode"]
        try:
            told = await self._pip_configuration()
            command += ["--no-index"] if told.get("no-index", "").strip().lower() not in FALSE else []
            if not _constrains(told.get("constraint", ""), lock):
                told.pop("constraint", None)
            settings = followed(told)
            with tempfile.TemporaryDirectory(dir=self._python.parent) as beside:
                environment = {**_environment(), **_cache(Path(beside)), **settings}
                await run([*command, "-r", str(lock)], environment=environment)
        except NotFollowed as key:
            self.why_pip = f"uv has no word for pip's setting {key}"
        except CommandFailed as failure:
            self.why_pip = f"uv could not: {' '.join(str(failure).split())}"
        else:
            self.why_pip = ""
        return not self.why_pip

    async def install_with_pip(self, lock: Path, *, target: Path | None = None) -> None:
        """Raises ``CommandFailed``."""
        command = [
            *self.pip(), "install", "--quiet", "--progress-bar", "off", "--require-hashes", "--only-binary", ":all:",
            "--no-warn-script-location",
        ]  # fmt: skip
        command += ["--no-deps", "--no-compile", "--target", str(target)] if target else []
        await run([*command, "-r", str(lock)], environment=_environment())

    def pip(self) -> list[str]:
        return [str(self._python), "-m", "pip", "--disable-pip-version-check", "--no-input"]

    async def _pip_configuration(self) -> dict[str, str]:
        """All that pip is told, in files and variables, each as it holds for `pip install`."""
        listed = await run([*self.pip(), "config", "list"], environment=_environment())
        return configuration(listed)


def configuration(listed: str) -> dict[str, str]:
    """*listed*: what `pip config list` says."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in found:
            found[section][key] = ast.literal_eval(value)
    return {key: value for section in SECTIONS for key, value in found[section].items()}


def followed(told: Mapping[str, str]) -> dict[str, str]:
    """*told* as uv's environment. Raises ``NotFollowed``.

    What pip passes over with a warning, a folder that is not there, is left out.
    """
    environment = {}
    for key, value in told.items():
        if key in WITHOUT_EFFECT or key == "no-index":  # an option of uv's, and no variable
            continue
        if key not in FOLLOWED:
            raise NotFollowed(key)
        words = [word for word in value.split() if key not in PLACES or _is_there(word)]
        if key == "find-links":
            if any("," in word for word in words):
                raise NotFollowed(key)  # uv takes a comma as the end of one
            environment[FOLLOWED[key]] = ",".join(words)
        else:
            environment[FOLLOWED[key]] = " ".join(words)
    if "ALL_PROXY" in environment:
        environment |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), environment["ALL_PROXY"])
    return {name: value for name, value in environment.items() if value}


def _constrains(files: str, lock: Path) -> bool:
    """Whether a constraint is about a package of *lock*, or cannot be read here. uv takes none beside hashes."""
    locked = _names(lock.read_text(encoding="utf-8"))
    try:
        return any(locked & _names(Path(file).expanduser().read_text(encoding="utf-8")) for file in files.split())
    except OSError:
        return True


def _names(requirements: str) -> set[str]:
    found = re.findall(r"^\s*([A-Za-z0-9][\w.-]*)", requirements, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def _is_there(place: str) -> bool:
    """Whether a place of this machine exists; what is elsewhere is not looked for."""
    parts = urlsplit(place)
    if parts.scheme not in ("", "file"):
        return True
    return Path(unquote(parts.path) if parts.scheme else place).expanduser().exists()


def _environment() -> dict[str, str]:
    """Of pip and uv. Byte code is written whatever the variable says: what is installed is not edited."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {"UV_SYSTEM_CERTS": "true", "UV_PYTHON_DOWNLOADS": "never", **environment}


def _cache(beside: Path) -> dict[str, str]:
    """Nothing, or where that of uv cannot be written (there is no home, say) one *beside* what is installed.

    From there files are linked, not copied.
    """
    place = os.environ.get("UV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    try:
        Path(place).mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return {"UV_CACHE_DIR": str(beside)}
    return {} if os.access(place, os.W_OK) else {"UV_CACHE_DIR": str(beside)}


def locked_version() -> str:
    found = re.search(r"^uv==(\S+)", LOCK_OF_UV.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]
