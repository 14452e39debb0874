"""What the command and the example say where nothing listens: a sentence, and no trace."""

import subprocess
import sys
from pathlib import Path

import pytest

from autograph.__main__ import UNAVAILABLE, main
from tests.servers import REPOSITORY


def test_a_servers_refusal_ends_a_command_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = "127.0.0.1:1"
    for name, value in {
        "HOME": str(tmp_path), "INSTALLATION_SECRET": "x" * 32, "POSTGRES_URL": f"postgresql://a:b@{closed}/x",
        "REDIS_URL": f"redis://{closed}/0", "RABBITMQ_URL": f"amqp://a:b@{closed}/x", "S3_URL": f"http://{closed}",
        "RABBITMQ_MANAGEMENT_URL": f"http://a:b@{closed}", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"AUTOGRAPH_{name}", value)

    for words in ("queues", "outbox", "sessions", "migrate", "producer list", "parked list", "keys list"):
        monkeypatch.setattr(sys, "argv", ["autograph", *words.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err
        assert ended.value.code == UNAVAILABLE, (words, said)
        assert said.count("\n") == 1, said
        assert "cannot be" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "usage"),
        (("nonsense",), "This is not an AMQP address"),
        (("amqp://a:b@127.0.0.1:1/x",), "The broker cannot be used"),
    ],
)
def test_the_example_program_says_in_a_sentence_why_it_cannot_work(words: tuple[str, ...], said: str) -> None:
    ran = subprocess.run(
        [sys.executable, "examples/producer.py", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
