"""Programs and libraries of the distribution's own packages, unpacked into a folder: no root is needed."""

import subprocess
from pathlib import Path

UNSANDBOXED = "-oAPT::Sandbox::User="  # our folder is ours alone: apt's own user could not write to it


def unpacked(folder: Path, package: str, *, with_libraries: bool = False) -> Path:
    """*folder*, with the package's files as under ``/``, and those of the libraries that it names."""
    names = [package, *(_libraries(package) if with_libraries else ())]
    subprocess.run(["apt-get", "-qq", UNSANDBOXED, "download", *names], cwd=folder, check=True, capture_output=True)
    for deb in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(deb), str(folder)], check=True)
    return folder


def unpacked_faketime(folder: Path) -> Path:
    """The library that lies to a process about the time."""
    [library] = unpacked(folder, "libfaketime").rglob("libfaketime.so.1")
    return library


def _libraries(package: str) -> list[str]:
    listed = subprocess.run(["apt-cache", "depends", package], check=True, capture_output=True, text=True).stdout
    depends = (line.partition("Depends: ")[2] for line in listed.splitlines() if line.startswith("  Depends: "))
    return [name for name in depends if name.startswith("lib") and not name.startswith("libc6")]
