"""The image is built as it is promised; what can only be seen in a built one is in tests/deploy."""

import re
import tomllib
from pathlib import Path

import pytest

from contracts.version import VERSION
from tests.tools import ROOT, run, tool

DOCKERFILE = ROOT / "compose" / "Dockerfile"
STAND_INS = ROOT / "tests" / "deploy" / "stand_ins" / "Dockerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def instructions(text: str | None = None) -> list[tuple[str, str]]:
    """Each with its continued lines joined, comments left out."""
    whole = re.sub(r"^\s*#.*\n", "", text or DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", "", whole)
    return [(words[0], words[2]) for line in joined.splitlines() if line and (words := line.partition(" "))]


def stage(name: str) -> list[tuple[str, str]]:
    """From its FROM to the next."""
    found = instructions()
    starts = [index for index, (word, _) in enumerate(found) if word == "FROM"] + [len(found)]
    [start] = [index for index in starts[:-1] if found[index][1].endswith(f" AS {name}")]
    return found[start : starts[starts.index(start) + 1]]


@pytest.mark.parametrize("file", [DOCKERFILE, STAND_INS], ids=["ours", "stand-ins"])
def test_hadolint_finds_nothing(file: Path) -> None:
    done = run(tool("hadolint"), "--failure-threshold", "style", str(file))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("WORKDIR /build", "WORKDIR build"),
        ("USER 10001:10001", "USER root"),
        ("RUN --mount", "RUN apt-get install -y gcc\nRUN --mount"),
        ("HEALTHCHECK", "HEALTCHECK"),
    ],
)
def test_hadolint_refuses_a_wrong_instruction(before: str, after: str, tmp_path: Path) -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert before in text
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(text.replace(before, after, 1), encoding="utf-8")

    assert run(tool("hadolint"), "--failure-threshold", "style", str(wrong)).returncode == 1


def test_every_stage_is_built_on_the_base_that_is_named_by_version_and_digest() -> None:
    arguments = dict(said.split("=", 1) for name, said in instructions() if name == "ARG" and "=" in said)
    bases = {said.split()[0] for name, said in instructions() if name == "FROM"}

    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", arguments["BASE"])
    assert bases == {"${BASE}", "build", "bill", "scratch", "application"}
    assert arguments["VERSION"] == VERSION == PROJECT["project"]["version"]


def test_packages_come_by_their_hashes_and_none_is_compiled() -> None:
    installs = [said for name, said in instructions() if name == "RUN" and re.search(r"\bpip\b.* install ", said)]

    assert len(installs) == 3
    for said in installs:
        assert len(re.findall(r"\bpip\b[^&]* install ", said)) == 1
        assert "--require-hashes --only-binary :all: -r " in said


def test_what_is_shipped_is_copied_and_nothing_is_run_to_make_it() -> None:
    names = {name for shipped in ("application", "operator") for name, _ in stage(shipped)}

    assert not {"RUN", "ADD"} & names


def test_the_process_is_nobody_special_and_a_number() -> None:
    assert [said for name, said in stage("application") if name == "USER"] == ["10001:10001"]


def test_whoever_names_no_target_gets_the_application_as_it_is() -> None:
    found = instructions()

    assert found[-1] == ("FROM", "application")
    assert stage("operator")[0] == ("FROM", "application AS operator")
    assert "USER" not in [name for name, _ in stage("operator")]  # stays nobody special


def test_only_the_operators_image_has_postgresqls_programs() -> None:
    copied_from_programs = [said for name, said in instructions() if name == "COPY" and "--from=programs" in said]

    assert copied_from_programs
    assert copied_from_programs == [said for name, said in stage("operator") if "--from=programs" in said]


def test_health_is_asked_every_30_seconds_and_three_failures_count() -> None:
    [check] = [said for name, said in stage("application") if name == "HEALTHCHECK"]

    assert check.startswith("--interval=30s --timeout=5s --start-period=60s --retries=3 CMD [")
    program = re.findall(r'"([^"]+)"', check)[3]
    assert (ROOT / Path(program).relative_to("/opt/autograph/app")).is_file()


def copied() -> list[tuple[str, str]]:
    return [tuple(said.split()) for name, said in instructions() if name == "COPY" and "--from" not in said]  # type: ignore[misc]


def test_each_package_of_the_project_is_in_the_image() -> None:
    packages = {pattern.removesuffix("*") for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}

    assert packages <= {Path(word).name for words in copied() for word in words}


def test_the_builder_is_sent_what_is_copied_and_no_more() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    rules = [line for line in lines if line and not line.startswith("#")]
    sent = {line[1:] for line in rules if line.startswith("!")}
    sources = {word for words in copied() for word in words[:-1]}

    assert rules[0] == "*"
    assert sources == sent
    assert not {"compose/.env"} - set(rules)
