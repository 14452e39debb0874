"""The README's tour, as it stands there, through the published port."""

import re
import shutil
import subprocess

import pytest

from tests.deploy.stack import Containers
from tests.tools import ROOT

pytestmark = pytest.mark.deploy
BASH = ("bash", "-euo", "pipefail", "-c")
# What each call got goes to standard error, beside what the tour itself shows.
TELLING = """curl() { command curl --write-out '%{stderr}%{method} %{url_effective} %{http_code}\\n' "$@"; }"""
SECONDS = 120
EXPECTED = [
    ("POST", "/api/auth/register", {201}),
    ("POST", "/api/auth/login", {200}),
    ("POST", "/api/diagrams", {201}),
    ("GET", "/api/diagrams?limit=1", {200}),
    ("GET", "/api/diagrams/ID", {200}),
    ("PATCH", "/api/diagrams/ID", {200}),
    ("GET", "/api/diagrams/ID/versions", {200}),
    ("GET", "/api/diagrams/ID/versions/1", {200}),
    ("POST", "/api/diagrams", {202}),
    ("GET", "/api/commands/ADDRESS", {200, 202}),  # how the command ended, or that it has not yet
    ("DELETE", "/api/diagrams/ID", {204}),
    ("POST", "/api/diagrams/ID/restore", {200}),
    ("POST", "/api/auth/logout", {204}),
]


def tour() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^## A tour\n.*?^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[:1]
    return str(block)


def said(line: str, address: str) -> tuple[str, str, int]:
    method, url, status = line.split()
    path = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", url.removeprefix(address))
    return method, re.sub(r"(?<=/commands/).+", "ADDRESS", path), int(status)


def test_each_call_of_the_tour_is_answered_as_the_readme_says(containers: Containers) -> None:
    assert shutil.which("curl"), "the tour is taken with curl: install it"
    address = containers.address()
    script, replaced = re.subn(r"http://127\.0\.0\.1:8080\b", address, tour())
    assert replaced == 1

    done = subprocess.run((*BASH, f"{TELLING}\n{script}"), capture_output=True, text=True, timeout=SECONDS, check=False)

    answers = [said(line, address) for line in done.stderr.splitlines()]
    assert [answer[:2] for answer in answers] == [call[:2] for call in EXPECTED], done.stderr
    wrong = [answer for answer, (_, _, statuses) in zip(answers, EXPECTED, strict=True) if answer[2] not in statuses]
    assert wrong == [], done.stdout
    assert done.returncode == 0
