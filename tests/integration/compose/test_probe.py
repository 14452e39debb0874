"""A container is healthy if its process says so at its side port."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from compose import probe
from compose.probe import main, side_port
from contracts.services import SERVICES, Service


@contextmanager
def answering(first_line: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server for one request, its port and what it was asked."""
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            asked.append(connection.recv(4096))
            connection.sendall(first_line)

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield listening.getsockname()[1], asked
        server.join(timeout=5)
        assert not server.is_alive()


@pytest.mark.parametrize(
    ("first_line", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 0),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1),
        (b"220 mail.example.org\r\n", 1),
        (b"", 1),
    ],
)
def test_only_200_is_healthy(first_line: bytes, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(first_line) as (port, asked):
        monkeypatch.setenv("AUTOGRAPH_SIDE_PORT", str(port))

        assert main("ready", "python\0-m\0gateway\0") == status
    assert asked[0].startswith(b"GET /health/ready HTTP/1.0\r\n")


def test_a_side_port_where_nobody_listens_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        monkeypatch.setenv("AUTOGRAPH_SIDE_PORT", str(taken.getsockname()[1]))

    assert main("live", "python\0-m\0gateway\0") == 1


def test_a_process_without_a_side_port_is_healthy_while_it_runs() -> None:
    assert main("live", "sh\0-c\0autograph migrate\0") == 0


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_each_service_is_asked_at_its_own_port_also_under_an_init(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTOGRAPH_SIDE_PORT", raising=False)

    assert side_port(f"/sbin/docker-init\0--\0python\0-m\0{service.module}\0") == service.side_port


def test_it_runs_without_any_package() -> None:
    done = subprocess.run([sys.executable, "-I", "-S", probe.__file__, "live"], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
