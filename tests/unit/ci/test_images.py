"""Pinned images have a digest and no fault that the shipped list of advisories knows."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tools import ROOT

PROGRAM = ROOT / ".ci" / "images.py"
IMAGES: dict[str, Any] = runpy.run_path(str(PROGRAM))
LISTED = ".ci/advisories.toml"


def audit(root: Path) -> tuple[int, str]:
    done = subprocess.run((sys.executable, str(PROGRAM), str(root)), check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for file in (LISTED, "compose/compose.yaml", "compose/Dockerfile", "helm/autograph/values.yaml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def change(copy: Path, file: str, before: str, after: str) -> tuple[int, str]:
    text = (copy / file).read_text("utf-8")
    assert before in text
    (copy / file).write_text(text.replace(before, after, 1), "utf-8")
    return audit(copy)


def test_what_is_pinned_has_a_digest_and_no_fault_that_is_listed() -> None:
    status, said = audit(ROOT)

    assert status == 0, said


def test_each_image_of_others_is_looked_at() -> None:
    names = {image.name for image in IMAGES["pinned"](ROOT)}

    assert names == {
        "alertmanager", "grafana", "mailpit", "postgres", "prometheus", "python", "rabbitmq", "redis", "seaweedfs",
        "valkey",
    }  # fmt: skip


def test_an_older_image_than_the_first_without_a_fault_is_named_with_the_fault(copy: Path) -> None:
    status, said = change(copy, "helm/autograph/values.yaml", "redis:v7.4.11@", "redis:v7.4.5@")

    assert status == 1
    assert "helm/autograph/values.yaml: quay.io/opstree/redis:v7.4.5@sha256:" in said
    assert "CVE-2025-49844" in said
    assert "fixed in 7.2.11, 7.4.6, 8.0.4, 8.2.2" in said


@pytest.mark.parametrize(
    ("file", "image"),
    [("compose/compose.yaml", "postgres:18.6-trixie"), ("compose/Dockerfile", "python:3.11.16-slim-bookworm")],
)
def test_an_image_without_a_digest_is_named(file: str, image: str, copy: Path) -> None:
    digest = (copy / file).read_text("utf-8").partition(image)[2].split()[0]

    assert change(copy, file, digest, "") == (1, f"{file}: {image} has no digest\n")


def test_an_image_without_a_version_is_named(copy: Path) -> None:
    status, said = change(copy, "compose/compose.yaml", "valkey:9.1.2@", "valkey@")

    assert status == 1
    assert "has no version in its tag" in said


def test_an_image_that_nobody_has_looked_through_is_named(copy: Path) -> None:
    status, said = change(copy, LISTED, "mailpit = ", "postbox = ")

    assert status == 1
    assert f"mailpit is not in {LISTED}" in said


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ((7, 4, 5), False),  # older in its branch
        ((7, 4, 6), True),
        ((7, 2, 12), True),
        ((7, 3, 9), False),  # of a branch without a fix, older than one that needed it
        ((8, 3, 0), True),  # newer than each branch that needed it
        ((6, 2, 99), False),
    ],
)
def test_a_version_is_held_to_the_fix_of_its_own_branch(version: tuple[int, ...], fixed: bool) -> None:  # noqa: FBT001 - a case
    assert IMAGES["is_fixed"](version, [(7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)]) is fixed
