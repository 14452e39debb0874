"""docs/security.md names what holds each claim: a test that was renamed or removed would leave a claim without one."""

import re

from tests.servers import REPOSITORY

PAGE = REPOSITORY / "docs" / "security.md"
NAMED_TEST = re.compile(r"`(test_[a-z0-9_]+)`")
NAMED_FILE = re.compile(r"`((?:tests|docs)/[a-z0-9_/.-]+)`")


def test_every_test_that_the_security_page_names_is_there() -> None:
    there = set()
    for file in (REPOSITORY / "tests").rglob("test_*.py"):
        there.update(re.findall(r"def (test_[a-z0-9_]+)", file.read_text(encoding="utf-8")))
    named = set(NAMED_TEST.findall(PAGE.read_text(encoding="utf-8")))
    assert named
    assert named - there == set()


def test_every_file_that_the_security_page_names_is_there() -> None:
    named = NAMED_FILE.findall(PAGE.read_text(encoding="utf-8"))
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
