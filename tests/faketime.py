"""The library that lies to a process about the time, from the distribution's package."""

import subprocess
from pathlib import Path


def unpacked_faketime(folder: Path) -> Path:
    """The library's path, once it is got and unpacked into *folder*."""
    apt = ["apt-get", "-qq", "-oAPT::Sandbox::User=", "download", "libfaketime"]
    subprocess.run(apt, cwd=folder, check=True, capture_output=True)
    [package] = folder.glob("*.deb")
    subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)
    [library] = folder.rglob("libfaketime.so.1")
    return library
